"""Checks of the Overview assignment: a language model by counting, and one put together.

The learner writes:

- ``cat_after_a``, ``bird_after_saw_a`` and the ``shapes`` of a GPT, without a program;
- ``count_chances(texts, n)``: for every run of n words in ``texts``, lists of words, the chances
  of the next word, as ``{("on", "the"): {"mat": 0.5, "chair": 0.5}, …}``;
- ``to_ids(words, vocabulary)``: the place of each word in a list of words;
- ``run_parts(model, ids)``: the logits ``(B, T, V)`` of a GPT for ``ids (B, T)``, part by part;
- ``newest_chances(logits)``: from ``(B, T, V)`` the chances ``(B, V)`` of what comes next;
- ``choose(chances, die)``: the token on which a die between 0 and 1 falls;
- ``continue_text(chances_after, ids, dice)``: the list ``ids`` and one token more for each die;
- ``changed_rows(model, ids, place, token)``: the rows of ``model(ids)`` that another token moves;
- ``mean_surprise(chances)``: the mean of −log p.
"""

from builtins import (  # noqa: UP029  bound now, as elsewhere
    callable,
    dict,
    enumerate,
    float,
    int,
    isinstance,
    list,
    range,
    round,
    sum,
    tuple,
)
from collections.abc import Callable
from functools import partial
from math import log, log2
from random import Random

import torch
from torch import Tensor, nn

from llm.checks import overview_bugs as known
from llm.checks.base import Passed, check_function
from llm.checks.layer_block import Case, check_tensors
from llm.checks.predictions import Right, check_prediction
from llm.checks.watching import look_at_number
from llm.config import ModelConfig
from llm.model import Transformer

WORDS = "the a cat dog sat on mat by".split()
V = 6


class Table:
    """Chances that hang on the whole text: on its tokens, their order and its length."""

    def __init__(self, seed: int):
        self.seed = seed

    def __call__(self, ids: list[int]) -> list[float]:
        random = Random(f"{self.seed} {list(ids)}")
        weights = [random.random() for _ in range(V)]
        return [weight / sum(weights) for weight in weights]

    def __repr__(self) -> str:
        return "chances_after"


class Rows:
    """A row of numbers for each token; ``reach`` says which others it sees."""

    def __init__(self, seed: int, reach: str):
        self.seed, self.reach = seed, reach

    def __call__(self, ids: list[int]) -> list[list[float]]:
        rows = []
        for i, token in enumerate(ids):
            seen = {"past": ids[: i + 1], "all": ids, "self": [token]}[self.reach]
            random = Random(f"{self.seed} {list(seen)} {i}")
            noise = 1e-9 * Random(f"{list(ids)}").random()  # as another order of a sum makes
            row = [random.random() + noise for _ in range(V)]
            if i % 2:
                row[0] = 0.5  # not every entry changes,
            if i % 4 == 0:
                row[2] = 0.5  # be it the first or another,
            if i % 3 == 0:
                row[1] += 9  # nor always the greatest
            rows.append(row)
        return rows

    def __repr__(self) -> str:
        return f"a model whose tokens see {self.reach}"


class Part(nn.Module):
    """A GPT that shows itself by its name and has no shortcut."""

    def __init__(self, model: Transformer):
        super().__init__()
        self.embeddings, self.blocks = model.embeddings, model.blocks
        self.final_norm, self.lm_head = model.final_norm, model.lm_head

    def __repr__(self) -> str:
        return "model"


def check_pencil(cat_after_a: float, bird_after_saw_a: float) -> Right:
    """Check two chances in ``a dog saw a cat. a cat saw a dog. a cat saw a bird.``"""
    n_words = 15
    wrong = {
        "this is a count; divide by how often a stands.": 3,
        f"of all {n_words} words? Look only at those that stand after an a.": 3 / n_words,
        "of words and full stops? Look only at words that stand after an a.": 3 / (n_words + 3),
        "three different words come after a, and not equally often; count each.": 1 / 3,
        "an a stands before every cat; but how often is it a cat that comes after an a?": 1.0,
        "this is in per cent; a chance lies between 0 and 1.": 50,
    }
    check_prediction("cat_after_a", cat_after_a, 1 / 2, wrong)
    wrong = {
        "this is a count; divide by how often saw a stands.": 1,
        "that is the chance after a; here the word before it is saw.": 1 / 6,
        f"of all {n_words} words? Look only at those that stand after saw a.": 1 / n_words,
    }
    check_prediction("bird_after_saw_a", bird_after_saw_a, 1 / 3, wrong)
    return Right("each chance")


def check_shapes(shapes: dict[str, tuple[int, ...]], n_predictions: int) -> Right:
    """Check the shapes of 3 texts of 7 tokens in a GPT, and how many predictions it makes."""
    B, T, C, n = 3, 7, 128, 980
    wrong: dict[str, dict] = {
        "ids": {"the texts come first, then the tokens of each.": (T, B)},
        "stream": {
            "there are three texts; each has its tokens, and each token a vector.": (T, C),
            "a vector has 128 numbers; 980 is the size of the vocabulary.": (B, T, n),
            "every token has a vector, not every text.": (B, C),
        },
        "logits": {
            "they have one number for each entry of the vocabulary.": (B, T, C),
            "every token has a row, not the last alone.": (B, n),
        },
        "newest": {
            "after each text comes one token: one row for each text.": (B, T, n),
            "the last row of each text is asked, without the axis of the tokens.": (B, 1, n),
            "there are three texts, and each has its row.": (n,),
            "no token is chosen yet; each text has a chance for every entry.": (B,),
        },
    }
    right = {"ids": (B, T), "stream": (B, T, C), "logits": (B, T, n), "newest": (B, n)}
    for name, shape in right.items():
        check_prediction(f"shapes[{name!r}]", shapes.get(name), shape, wrong[name])
    wrong_numbers = {
        "every row is a prediction, not the last of each text alone.": B,
        "that is one text; there are three.": T,
        "the last token of a text has a row too: it predicts what comes next.": B * (T - 1),
        "those are all chances; a prediction is a whole row of them.": B * T * n,
    }
    check_prediction("n_predictions", n_predictions, B * T, wrong_numbers)
    return Right("every shape")


def check_count_chances(
    count_chances: Callable[[known.Texts, int], known.Table], seed: int = 0, begin: bool = False
) -> Passed:
    """Check ``count_chances(texts, n)`` on short texts, for one word before and for two.

    With ``begin``, n marks ``<begin>`` stand before each text, so that its first words count too.
    """
    random, cases = Random(seed), []
    for n in (1, 2, 2):
        texts = [[random.choice(WORDS[: n + 2]) for _ in range(9)] for _ in range(2)]
        texts[0][:2], texts[1][-2:] = WORDS[:2], WORDS[-2:]
        cases.append((texts, n))
    bugs = known.BEGIN_BUGS if begin else known.COUNT_BUGS
    right = _named(known.count_from_begin if begin else known.count_chances, known.count_chances)
    return check_function(
        _rounded(count_chances, right),
        _rounded(right, right),
        {sentence: _rounded(bug, right) for sentence, bug in bugs.items()},
        cases,
    )


def check_to_ids(
    to_ids: Callable[[list[str], list[str]], list[int]], seed: int = 0, unknown: str = "error"
) -> Passed:
    """Check ``to_ids(words, vocabulary)``; an unknown word is an ``error`` or gets a ``mark``."""
    if unknown not in ("error", "mark"):
        raise ValueError(f"unknown is {unknown!r}: write error or mark")
    random, cases = Random(seed), []
    for foreign in (False, True, True):
        vocabulary = random.sample(WORDS, len(WORDS))
        vocabulary.insert(random.randint(2, 5), "<unk>")
        words = [random.choice(WORDS) for _ in range(random.randint(4, 6))]
        if foreign:
            words.insert(random.randint(1, 3), "llama")
        cases.append((words, vocabulary))
    if unknown == "error":
        return check_function(to_ids, known.to_ids, known.IDS_BUGS, cases)
    reference = _named(known.to_ids_or_mark, known.to_ids)
    return check_function(to_ids, reference, known.MARK_BUGS, cases)


def check_run_parts(run_parts: Callable[[nn.Module, Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``run_parts(model, ids)`` on small GPTs with random weights, norms included."""
    random, cases = Random(seed), []
    for n_layers in (2, 3):
        model = _gpt(random, n_layers)
        size = (random.randint(2, 3), random.randint(4, 6))
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        cases.append(
            Case(("model", "ids"), (model, torch.randint(0, 9, size, generator=generator)))
        )
    quiet = {sentence: _without_gradients(bug) for sentence, bug in known.RUN_BUGS.items()}
    return check_tensors(
        _without_gradients(run_parts), _without_gradients(known.run_parts), quiet, cases
    )


def check_newest_chances(newest_chances: Callable[[Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``newest_chances(logits)``, ``(B, T, V)`` to ``(B, V)``, with large logits too."""
    random, cases = Random(seed), []
    for size in (1.0, 3.0, 300.0):
        B, T, V = random.sample(range(2, 7), 3)
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        logits = size * torch.randn(B, T, V, generator=generator)
        cases.append(Case(("logits",), (logits,)))
    return check_tensors(newest_chances, known.newest_chances, known.NEWEST_BUGS, cases)


def check_choose(choose: Callable[[list[float], float], int], seed: int = 0) -> Passed:
    """Check ``choose(chances, die)``: the first token whose sum from the left exceeds the die."""
    random, cases = Random(seed), []
    for eighths in ([1, 4, 0, 3], [3, 1, 2, 2], [0, 5, 2, 1]):
        chances = [eighth / 8 for eighth in random.sample(eighths, 4)]
        cases += [(chances, i / 8 + step) for i in range(8) for step in (0.0, 0.0625)]
    cases.append(([0.25, 0.5, 0.1875], 0.96875))  # beyond the sum, as rounding may leave it
    return check_function(choose, known.choose, known.CHOOSE_BUGS, cases)


def check_continue_text(continue_text: Callable[..., list[int]], seed: int = 0) -> Passed:
    """Check ``continue_text(chances_after, ids, dice)`` on models that hang on the whole text."""
    random, cases = Random(seed), []
    for _ in range(4):
        ids = [random.randrange(V) for _ in range(random.randint(2, 4))]
        dice = [random.random() for _ in range(random.randint(5, 7))]
        cases.append((Table(random.randrange(10**6)), ids, dice))
    return check_function(continue_text, known.continue_text, known.CONTINUE_BUGS, cases)


def check_changed_rows(changed_rows: Callable[..., list[int]], seed: int = 0) -> Passed:
    """Check ``changed_rows(model, ids, place, token)`` on models that see more and less."""
    random, cases = Random(seed), []
    for reach in ("past", "all", "self", "past"):
        ids = random.sample(range(20), random.randint(5, 7))
        place = random.randint(1, len(ids) - 3)
        cases.append((Rows(random.randrange(10**6), reach), ids, place, 77))
    return check_function(changed_rows, known.changed_rows, known.CHANGED_BUGS, cases)


def check_mean_surprise(
    mean_surprise: Callable[[list[float]], float], seed: int = 0, unit: str = "nats"
) -> Passed:
    """Check ``mean_surprise(chances)`` in ``nats`` or ``bits``."""
    if unit not in ("nats", "bits"):
        raise ValueError(f"unit is {unit!r}: write nats or bits")
    random = Random(seed)
    cases = [([random.uniform(0.05, 0.95) for _ in range(n)],) for n in (3, 5, 8)]
    right, bugs = (log, known.NATS_BUGS) if unit == "nats" else (log2, known.BITS_BUGS)
    reference = _named(partial(known.mean_surprise, log=right), known.mean_surprise)
    return check_function(
        _number(mean_surprise, reference),
        _number(reference, reference),
        {sentence: _number(bug, reference) for sentence, bug in bugs.items()},
        cases,
    )


def _gpt(random: Random, n_layers: int) -> Part:
    """A GPT whose every part matters: large weights, norms that are not 1."""
    config = ModelConfig(
        vocab_size=9, max_seq_len=8, d_model=8, n_layers=n_layers, n_heads=2, d_ff=12
    )
    model = Transformer(config).eval()
    generator = torch.Generator().manual_seed(random.randrange(10**6))
    with torch.no_grad():
        for parameter in model.parameters():
            spread = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.4 * spread + (parameter.dim() == 1) * 0.7)
    return Part(model)


def _without_gradients(function: Callable) -> Callable:
    if not callable(function):
        return function

    def quiet(*arguments):
        with torch.no_grad():
            return function(*arguments)

    return _named(quiet, known.run_parts)


def _number(function: Callable, reference: Callable) -> Callable:
    """The same with its number compared closely, be it Python's or a tensor's."""
    if not callable(function):
        return function
    return _named(partial(look_at_number, function), reference)


def _rounded(function: Callable, reference: Callable) -> Callable:
    """The same with its numbers rounded, since sums in another order differ in the last digit."""
    if not callable(function):
        return function

    def answer(*arguments):
        return _round(function(*arguments))

    return _named(answer, reference)


def _round(value):
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    return round(float(value), 9) if isinstance(value, float | int) else value


def _named(function: Callable, reference: Callable) -> Callable:
    def named(*arguments):
        return function(*arguments)

    named.__name__ = reference.__name__
    return named
