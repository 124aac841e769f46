"""llm.generation: with and without a cache, one by one and in batches, the same text."""

import pytest
import torch
from torch import nn

from llm import KVCache, generate, padding_mask, stream
from llm.config import CHOICES

POSITIONS = CHOICES["position"]


@pytest.fixture(scope="module")
def sized():
    """A model as large as those that the book trains."""
    from llm import ModelConfig, Transformer

    torch.manual_seed(0)
    config = ModelConfig(vocab_size=96, max_seq_len=48, d_model=128, n_layers=4, position="rope")
    model = Transformer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)  # so that the text is not the same token over and over
    return model


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"temperature": 0.9, "top_k": 20}])
@pytest.mark.parametrize("n", [20, 60])
def test_the_cache_changes_no_token_before_or_past_the_limit(sized, settings, n):
    prompt = torch.randint(96, (2, 10))
    with_cache, without = (
        generate(
            sized, prompt, n, generator=torch.Generator().manual_seed(1), use_cache=use, **settings
        )
        for use in (True, False)
    )
    assert with_cache.shape == (2, 10 + n)
    assert torch.equal(with_cache, without)
    assert torch.equal(with_cache[:, :10], prompt)
    assert len(with_cache[0, 10:].unique()) > 5


@pytest.mark.parametrize(
    "options", [{}, {"attention_window": 3}, {"norm_position": "post"}], ids=str
)
@pytest.mark.parametrize("position", POSITIONS)
def test_a_left_padded_batch_equals_its_rows_alone(tiny, position, options):
    model = tiny(position=position, **options)
    lengths, n = [1, 3, 6], 14  # the longest row passes max_seq_len = 16
    mask = padding_mask(lengths)
    prompts = torch.randint(13, mask.shape)
    for use_cache in (True, False):
        batch = generate(model, prompts, n, temperature=0, padding_mask=mask, use_cache=use_cache)
        for row, length in enumerate(lengths):
            alone = generate(model, prompts[row : row + 1, -length:], n, temperature=0)
            assert batch[row, -n - length :].tolist() == alone[0].tolist()


def test_what_padding_holds_does_not_matter(tiny):
    model, mask = tiny(position="learned"), padding_mask([2, 5])
    prompts = torch.randint(13, (2, 5))
    other = torch.where(mask, prompts, (prompts + 1) % 13)
    settings = {"temperature": 0, "padding_mask": mask, "repetition_penalty": 1.5}
    first = generate(model, prompts, 6, **settings)
    assert torch.equal(first[:, 5:], generate(model, other, 6, **settings)[:, 5:])


def test_greedy_text_is_the_argmax_of_the_logits_each_time(tiny):
    model, ids = tiny(), torch.tensor([[1, 2, 3]])
    for _ in range(20):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids[:, -16:])[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(generate(model, torch.tensor([[1, 2, 3]]), 20, temperature=0), ids)


def test_a_prompt_longer_than_the_limit_is_cropped_to_its_end(tiny):
    model, prompt = tiny(), torch.randint(13, (1, 30))
    long = generate(model, prompt, 5, temperature=0)
    short = generate(model, prompt[:, -16:], 5, temperature=0)
    assert torch.equal(long[:, 30:], short[:, 16:])
    assert torch.equal(long[:, :30], prompt)


def test_repetition_penalty_counts_the_whole_text(tiny):
    model, prompt = tiny(), torch.tensor([[1, 2]])
    text = generate(model, prompt, 11, temperature=0, repetition_penalty=1e9)[0].tolist()
    logits = model(torch.tensor([text[:5]]))[0, -1]
    if (logits > 0).all():
        assert text[5] not in text[:5]
    assert len(set(text)) > len(set(generate(model, prompt, 11, temperature=0)[0].tolist()))


class Counter(nn.Module):
    """A model with no cache and no config: the token after n is n + 1, modulo 10."""

    def forward(self, token_ids):
        return 50.0 * nn.functional.one_hot((token_ids + 1) % 10, 10).float()


def test_any_model_of_logits_can_write():
    assert generate(Counter(), torch.tensor([[7]]), 4).tolist() == [[7, 8, 9, 0, 1]]
    assert list(stream(Counter(), torch.tensor([[7]]), 4)) == [8, 9, 0, 1]


def test_a_row_that_met_a_stop_token_repeats_it_until_all_have():
    prompts = torch.tensor([[1], [3], [6]])
    text = generate(Counter(), prompts, 9, stop=(5, 8))
    assert text.tolist() == [[1, 2, 3, 4, 5], [3, 4, 5, 5, 5], [6, 7, 8, 8, 8]]
    assert list(stream(Counter(), prompts[:1], 9, stop=[3])) == [2, 3]
    assert generate(Counter(), torch.tensor([[5]]), 2, stop={5}).tolist() == [[5, 6, 7]]


def test_no_new_tokens_give_the_prompt():
    prompt = torch.tensor([[1, 2]])
    assert torch.equal(generate(Counter(), prompt, 0), prompt)


@pytest.mark.parametrize("settings", [{}, {"top_p": 0.9, "min_p": 0.01, "temperature": 1.3}])
def test_a_generator_repeats_the_text_and_another_seed_changes_it(tiny, settings):
    model, prompt = tiny(), torch.tensor([[1, 2], [3, 4]])
    first, again, other = (
        generate(model, prompt, 12, generator=torch.Generator().manual_seed(seed), **settings)
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_stream_yields_what_generate_returns_one_at_a_time(tiny):
    model, prompt = tiny(), torch.tensor([[1, 2]])
    tokens = stream(model, prompt, 20, generator=torch.Generator().manual_seed(1))
    first = next(tokens)
    whole = generate(model, prompt, 20, generator=torch.Generator().manual_seed(1))
    assert isinstance(first, int)
    assert [first, *tokens] == whole[0, 2:].tolist()


def test_dropout_is_off_while_writing_and_modes_come_back(tiny):
    model = tiny(dropout=0.5).train()
    model.blocks[0].eval()
    first, second = (model.generate(torch.tensor([[1, 2]]), 10, temperature=0) for _ in range(2))
    assert torch.equal(first, second)
    assert model.training and model.blocks[1].training and not model.blocks[0].training
    assert not first.requires_grad and all(p.grad is None for p in model.parameters())


def test_modes_come_back_after_an_error(tiny):
    model = tiny().train()
    with pytest.raises(ValueError, match="token id 99"):
        model.generate(torch.tensor([[99]]), 3)
    assert model.training


class Watched(nn.Module):
    """Records how many tokens each forward pass reads."""

    def __init__(self, model):
        super().__init__()
        self.model, self.config, self.read = model, model.config, []

    def forward(self, token_ids, cache: KVCache | None = None):
        self.read.append(token_ids.shape[1])
        return self.model(token_ids, cache=cache)


def test_the_cache_saves_reading(tiny):
    model = Watched(tiny())
    generate(model, torch.randint(13, (1, 12)), 8)
    assert model.read == [12, 1, 1, 1, 1, 16, 16, 16]


@pytest.mark.parametrize(
    "prompt, arguments, parts",
    [
        (torch.zeros(1, 0, dtype=torch.long), {}, ["(1, 0)", "begin token"]),
        (torch.tensor([1, 2]), {}, ["(B, T)", "(2,)"]),
        (torch.tensor([[1.0]]), {}, ["float32", ".long()"]),
        (torch.tensor([[13]]), {}, ["token id 13", "0 … 12"]),
        (torch.tensor([[1]]), {"max_new_tokens": -1}, ["max_new_tokens", "-1"]),
        (torch.tensor([[1]]), {"temperature": -0.5}, ["temperature", "-0.5"]),
        (torch.tensor([[1]]), {"top_k": 0}, ["top_k", "0"]),
        (torch.tensor([[1]]), {"top_p": 1.5}, ["top_p", "1.5"]),
        (torch.tensor([[1]]), {"min_p": 2}, ["min_p", "2"]),
        (torch.tensor([[1]]), {"repetition_penalty": 0}, ["repetition_penalty", "0"]),
        (torch.tensor([[1, 2]]), {"padding_mask": torch.tensor([[True, False]])}, ["left"]),
        (torch.tensor([[1, 2]]), {"padding_mask": torch.tensor([True, True])}, ["(1, 2)", "(2,)"]),
        (torch.tensor([[1, 2]]), {"padding_mask": torch.ones(1, 2)}, ["bool", "float32"]),
    ],
)
def test_requests_that_make_no_sense_are_named(tiny, prompt, arguments, parts):
    with pytest.raises(ValueError) as error:
        generate(tiny(), prompt, **{"max_new_tokens": 3} | arguments)
    assert all(part in str(error.value) for part in parts), error.value


def test_stream_takes_one_prompt():
    with pytest.raises(ValueError, match=r"one prompt \(1, T\), got \(2, 1\)"):
        stream(Counter(), torch.tensor([[1], [2]]), 3)
