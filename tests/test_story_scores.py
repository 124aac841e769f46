"""Scores of a model on the stories, held to models whose scores are known."""

import math

import pytest
import torch
from torch import nn

from llm import data
from llm.story_scores import score_stories


@pytest.fixture(scope="module")
def corpus():
    return data.stories(1500, seed=1)


@pytest.fixture(scope="module")
def tokenizer(corpus):
    return data.story_tokenizer(corpus)


class Oracle(nn.Module):
    """Knows the process: its logits are the logarithms of the true distribution."""

    def __init__(self, tokenizer, corpus, wrong: float = 0.0):
        super().__init__()
        self.tokenizer, self.corpus, self.wrong = tokenizer, corpus, wrong
        self.anything = nn.Parameter(torch.zeros(1))

    def forward(self, token_ids):
        V = len(self.tokenizer.vocab)
        logits = torch.full((*token_ids.shape, V), -30.0)
        for row, ids in zip(logits, token_ids.tolist(), strict=True):
            text = self.tokenizer.decode([i for i in ids[1:] if i])
            for line, told in zip(row, self.corpus.told(text), strict=False):
                for word, p in told.options.items():
                    spelled = word if word in (".", ",", "?", "Once", data.END) else f" {word}"
                    line[self.tokenizer.encode(spelled)[0]] = math.log(p)
            row += self.wrong * torch.arange(V) / V
        return logits


def test_every_word_of_the_stories_is_one_token(corpus, tokenizer):
    for document in corpus.documents[:100]:
        assert len(data.story_ids(tokenizer, document)) == len(corpus.told(document)) + 1
    assert data.SPECIAL == tuple(tokenizer.special_tokens)


def test_who_knows_the_process_diverges_by_nothing(corpus, tokenizer):
    few = data.stories(30, seed=1)
    scores = score_stories(Oracle(tokenizer, few), tokenizer, few, batch_size=7)
    assert abs(scores.kl) < 1e-5 and abs(scores.excess) < 1e-5 and scores.owner == 1.0
    exact = -sum(map(few.log_probability, few.documents))
    n_words = sum(len(few.told(document)) for document in few.documents)
    assert math.isclose(scores.floor, exact / n_words)
    for name in ("name", "pronoun", "colour", "object", "agreement", "owner", "action"):
        assert scores.kinds[name].top1 == 1.0 and scores.kinds[name].loss < 1e-5


def test_a_wrong_model_diverges_by_the_sum_over_all_words(corpus, tokenizer):
    few = data.stories(5, seed=1)
    oracle = Oracle(tokenizer, few, wrong=6.0)
    scores = score_stories(oracle, tokenizer, few)
    total = count = 0
    for document in few.documents:
        ids = torch.tensor([data.story_ids(tokenizer, document)[:-1]])
        truth = Oracle(tokenizer, few)(ids)[0].softmax(-1).double()
        model = oracle(ids)[0].log_softmax(-1).double()
        total += float((truth * (truth.clamp(min=1e-30).log() - model)).sum())
        count += ids.shape[1]
    assert scores.kl == pytest.approx(total / count, abs=1e-4) and scores.kl > 0.01
    assert scores.loss > scores.floor


def test_a_tokenizer_that_cuts_words_is_refused(corpus):
    cutting = data.BPETokenizer.train("a b c", 262, data.SPECIAL)
    with pytest.raises(ValueError, match="story_tokenizer"):
        score_stories(Oracle(cutting, corpus), cutting, corpus)
