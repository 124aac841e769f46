"""Checks of the assignment Build a generator: a cache, a mask, positions, a loop, a judge.

``cache`` is a dictionary from layer to ``(k, v)``; ``layout`` is ``"BHSD"`` for keys of shape
``(B, H, S, D)`` and ``"BSHD"`` for ``(B, S, H, D)``. ``real (B, S)`` is True for real tokens, the
cached ones included, of which the last ``n_new`` are new. The learner writes:

- ``update(cache, layer, k, v)``, which appends and returns all, and ``truncate(cache, n)``;
- ``visible(n_new, real)``: ``(B, n_new, S)``, which keys each new token may see;
- ``positions(real, n_new)``: ``(B, n_new)``, the positions of the new tokens;
- ``cached_attention(part, x, where, mask, remember)``: a layer's attention with a cache;
- ``write_on(read, ids, n, limit, stop)``: the greedy loop; ``read(new, keep)`` keeps the first
  ``keep`` tokens of what the model has read, reads the list ``new`` behind them and returns logits;
- ``pad_rows(rows, pad)``: ``ids (B, S)`` and ``real (B, S)``;
- ``judge(p, q, guesses, dice)``: how many guesses stay, and the chances of the next token;
- ``go_on(model, ids, n)``, ``speculate(model, guess, ids, n)``, ``chat(model, turns, n, stop)``:
  the mended exhibits.
"""

from builtins import (  # noqa: UP029  bound now, as elsewhere
    all,
    callable,
    dict,
    isinstance,
    len,
    list,
    range,
    sum,
    tuple,
    type,
    zip,
)
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from llm.attention import MultiHeadAttention
from llm.checks import generation_cache_bugs as known
from llm.checks.attention import Inputs
from llm.checks.base import Catalogue, Passed, check_function, same, shown
from llm.checks.generation import Table, check_tensors
from llm.checks.watching import Seen
from llm.config import ModelConfig
from llm.embeddings import RotaryPositionalEmbedding
from llm.model import Transformer

V, LIMIT = 7, 6
AXES = {"BHSD": 2, "BSHD": 1}
_isclose, _full, _stack = torch.isclose, torch.full, torch.stack


@dataclass(frozen=True, eq=False)
class Told(Inputs):
    """Arguments that words of their own describe."""

    words: str

    def __repr__(self) -> str:
        return self.words


def check_update(update: Callable, seed: int = 0, layout: str = "BHSD") -> Passed:
    """Check ``update(cache, layer, k, v)`` by calls for two layers, many tokens and one."""
    draw, axis, cases = _Draw(seed), _axis(layout), []
    for first in (3, 1):
        B, H, D = draw.random.sample([2, 4, 5, 6], 3)
        calls = [(layer, draw.keys(B, H, T, D, axis)) for T in (first, 1, 1) for layer in (0, 1)]
        sizes = [tuple(k.shape) for _, (k, _) in calls[:4:2]]
        words = f"k and v {sizes[0]}, then {sizes[1]} twice, for the layers 0 and 1 in turn"
        cases.append(Told({"calls": calls}, words))
    look = partial(_look_at_update, axis=axis)
    return check_seen(update, _bound(known.update, axis), known.update_bugs(axis), cases, look)


def check_truncate(truncate: Callable, seed: int = 0, layout: str = "BHSD") -> Passed:
    """Check ``truncate(cache, n)``, which changes ``cache`` and returns nothing."""
    draw, axis, cases = _Draw(seed), _axis(layout), []
    for S, n in ((7, 5), (5, 2), (8, 0)):
        B, H, D = draw.random.sample([9, 10, 11, 12], 3)
        cache = {layer: draw.keys(B, H, S, D, axis) for layer in (0, 1)}
        words = f"two layers of k and v {tuple(cache[0][0].shape)}, n={n}"
        cases.append(Told({"cache": cache, "n": n}, words))
    bugs = known.truncate_bugs(axis)
    return check_seen(truncate, _bound(known.truncate, axis), bugs, cases, _look_at_truncate)


def check_visible(visible: Callable[[int, Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``visible(n_new, real)`` for a prompt and for later passes, with padding."""
    cases = [(n, real) for real, n in _real_cases(seed)]
    return check_tensors(visible, known.visible, known.VISIBLE_BUGS, cases)


def check_positions(positions: Callable[[Tensor, int], Tensor], seed: int = 0) -> Passed:
    """Check ``positions(real, n_new)``; those of padding may be anything."""

    def of_real(function: Callable) -> Callable:
        @wraps(known.positions)
        def answer(real: Tensor, n_new: int):
            value, where = function(real, n_new), real[:, -n_new:]
            fits = isinstance(value, Tensor) and value.shape == where.shape
            return value.masked_fill(~where, 0) if fits else value

        return answer if callable(function) else function

    bugs = {sentence: of_real(bug) for sentence, bug in known.POSITIONS_BUGS.items()}
    reference = of_real(known.positions)
    return check_tensors(of_real(positions), reference, bugs, _real_cases(seed))


def check_cached_attention(
    cached_attention: Callable[..., Tensor], seed: int = 0, layout: str = "BHSD"
) -> Passed:
    """Check ``cached_attention(part, x, where, mask, remember)`` with some tokens in the cache."""
    draw, axis, cases = _Draw(seed), _axis(layout), []
    for n_past, n_new in ((0, 5), (4, 1), (3, 2)):
        H, D, B = draw.random.choice([3, 4]), draw.random.choice([6, 8]), 2
        real = torch.ones(B, n_past + n_new, dtype=torch.bool)
        real[0, :2] = False
        values = {"part": draw.part(H, D), "x": draw.normal(B, n_new, H * D)}
        values |= {"where": known.positions(real, n_new), "mask": known.visible(n_new, real)}
        words = f"{Inputs(values)}, remember with {n_past} tokens"
        cases.append(Told(values | {"past": draw.keys(B, H, n_past, D, axis)}, words))
    look, bugs = partial(_look_at_attention, axis=axis), known.cached_attention_bugs(axis)
    return check_seen(cached_attention, _bound(known.cached_attention, axis), bugs, cases, look)


def check_write_on(write_on: Callable[..., list], seed: int = 0, keep_stop: bool = True) -> Passed:
    """Check ``write_on(read, ids, n, limit, stop)``: the text, and what was read for it."""
    reference, random, cases = partial(known.write_on, keep_stop=keep_stop), Random(seed), []
    while len(cases) < 8:
        ids = [random.randrange(V) for _ in range(random.randint(2, 4))]
        table, n = Table(random.randrange(10**6)), random.randint(7, 9)
        free = known.write_on(_Reader(table), ids, n, LIMIT, -1)[len(ids) :]
        fresh = [t for t in free[1:-2] if t not in ids and free.index(t) > LIMIT - len(ids)]
        kind = len(cases) % 4
        if kind == 0 and fresh:  # ends past the window
            cases.append((table, ids, n, fresh[-1]))
        elif kind == 1:  # never ends
            cases.append((table, ids, n, V + 1))
        elif kind == 2 and ids[0] not in free:  # the stop token stands in the prompt
            cases.append((table, ids, n, ids[0]))
        elif kind == 3:  # stays in the window
            cases.append((table, ids, LIMIT - len(ids), V + 1))
    names = ("read", "ids", "n", "stop")
    cases = [Inputs(dict(zip(names, case, strict=True))) for case in cases]
    bugs = known.write_on_bugs(keep_stop)
    return check_seen(write_on, wraps(known.write_on)(reference), bugs, cases, _look_at_writing)


def check_pad_rows(pad_rows: Callable[..., tuple], seed: int = 0, side: str = "left") -> Passed:
    """Check ``pad_rows(rows, pad)``; some prompts hold the padding token themselves."""
    random, cases = Random(seed), []
    for _ in range(3):
        lengths = [random.randint(4, 5), random.randint(2, 3), random.randint(6, 7)]
        rows = [[random.randrange(1, V) for _ in range(length)] for length in lengths]
        rows[1][0] = rows[2][-1] = 0
        cases.append(Inputs({"rows": rows, "pad": 0}))
    reference = wraps(known.pad_rows)(partial(known.pad_rows, side=side))
    look = partial(_look_at_pair, names=("ids", "real"))
    return check_seen(pad_rows, reference, known.pad_rows_bugs(side), cases, look)


def check_judge(judge: Callable[..., tuple], seed: int = 0) -> Passed:
    """Check ``judge(p, q, guesses, dice)`` where all stay, and where a guess is refused."""
    random, draw, cases = Random(seed), _Draw(seed), []
    while len(cases) < 16:
        K = random.randint(3, 4)
        p, q = draw.normal(2, K + 1, V).softmax(-1).unbind()
        q = q[:K]
        guesses = q.multinomial(1, generator=draw.generator).flatten().tolist()
        dice = torch.rand(K, generator=draw.generator)
        kept, _ = known.judge(p, q, guesses, dice)
        wanted = (0, 1, K, K - 1)[len(cases) % 4]
        later = known.judge(p, q, guesses, dice, goes_on=True)[0]
        if kept == wanted and (kept < later or kept >= K - 1):
            cases.append(Inputs({"p": p, "q": q, "guesses": guesses, "dice": dice}))
    look = partial(_look_at_pair, names=("the number that stay", "chances"))
    return check_seen(judge, known.judge, known.JUDGE_BUGS, cases, look)


def check_go_on(go_on: Callable[..., list], seed: int = 0) -> Passed:
    """Check ``go_on(model, ids, n)``, the greedy loop with a cache, with a small model."""
    draw, cases = _Draw(seed), []
    while len(cases) < 2:
        ids = [draw.random.randrange(V) for _ in range(draw.random.randint(3, 5))]
        values = {"model": draw.model(), "ids": ids, "n": 8}
        if _tells(known.go_on, known.GO_ON_BUGS, values):
            cases.append(Inputs(values))
    return check_seen(go_on, known.go_on, known.GO_ON_BUGS, cases, _look_at_reading)


def check_speculate(speculate: Callable[..., list], seed: int = 0) -> Passed:
    """Check ``speculate(model, guess, ids, n)`` where guesses are refused, with a small model."""
    draw, cases = _Draw(seed), []
    while len(cases) < 3:
        model, ids = draw.model(), [draw.random.randrange(V) for _ in range(4)]
        text = known.speculate(model, lambda text: [], ids, 12)
        wrong = set(draw.random.sample(range(5, 12), 3))
        guess = _Guess([(t + 1) % V if i in wrong else t for i, t in enumerate(text)])
        values = {"model": model, "guess": guess, "ids": ids, "n": 9}
        if _tells(known.speculate, known.SPECULATE_BUGS, values):
            cases.append(Inputs(values))
    look = partial(_look_at_reading, guessed=True)
    return check_seen(speculate, known.speculate, known.SPECULATE_BUGS, cases, look)


def check_chat(chat: Callable[..., list], seed: int = 0) -> Passed:
    """Check ``chat(model, turns, n, stop)`` over three turns, with a small model."""
    draw, cases = _Draw(seed), []
    while len(cases) < 3:
        turns = [[draw.random.randrange(V) for _ in range(3)] for _ in range(3)]
        values = {"model": draw.model(), "turns": turns, "n": 4, "stop": draw.random.randrange(V)}
        if _tells(known.chat, known.CHAT_BUGS, values):
            cases.append(Inputs(values))
    return check_seen(chat, known.chat, known.CHAT_BUGS, cases, _look_at_reading)


class _Draw:
    """Numbers, keys and small models, all from one seed."""

    def __init__(self, seed: int):
        self.random = Random(seed)
        self.generator = torch.Generator().manual_seed(self.random.randrange(10**6))

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)

    def keys(self, B: int, H: int, T: int, D: int, axis: int) -> tuple[Tensor, ...]:
        shape = (B, H, T, D) if axis == 2 else (B, T, H, D)
        return self.normal(2, *shape).unbind()

    def part(self, H: int, D: int) -> MultiHeadAttention:
        rope = RotaryPositionalEmbedding(D, 32, theta=100.0)
        part = MultiHeadAttention(H * D, H, rope=rope, bias=False)
        return self._filled(part, 0.4)

    def model(self) -> Transformer:
        sizes = {"max_seq_len": 64, "d_model": 16, "n_layers": 1, "n_heads": 2}
        config = ModelConfig(V, position="learned", bias=False, **sizes)
        return self._filled(Transformer(config).eval(), 0.7)

    def _filled(self, module: nn.Module, std: float) -> nn.Module:
        for weight in module.parameters():
            with torch.no_grad():
                weight.copy_(std * self.normal(*weight.shape))
        return module


class _Guess:
    """Guesses up to three tokens from a text that is mostly right."""

    def __init__(self, text: list[int]):
        self.text = text

    def __call__(self, ids: list[int]) -> list[int]:
        return self.text[len(ids) : len(ids) + 3]


class _Reader:
    """``read(new, keep)``: what a model with a cache does, and a list of what it was asked."""

    def __init__(self, table: Table):
        self.table, self.held, self.calls = table, [], []

    def __call__(self, new: list[int], keep: int) -> Tensor:
        if not new:
            raise ValueError("read got no token; the newest token of the text is not read yet")
        if keep > len(self.held):
            raise ValueError(f"cannot keep {keep} tokens, {len(self.held)} have been read")
        self.calls.append((len(new), keep))
        self.held = self.held[:keep] + [int(token) for token in new]
        if len(self.held) > LIMIT:
            raise ValueError(f"{len(self.held)} tokens are more than the model can see, {LIMIT}")
        ends = range(keep + 1, len(self.held) + 1)
        return _stack([torch.tensor(self.table(self.held[:end])) for end in ends])


def _axis(layout: str) -> int:
    if layout not in AXES:
        raise ValueError(f"layout must be one of {', '.join(AXES)}, got {layout!r}")
    return AXES[layout]


def _bound(reference: Callable, axis: int) -> Callable:
    return wraps(reference)(partial(reference, axis=axis))


def _real_cases(seed: int) -> list[tuple[Tensor, int]]:
    """``(real, n_new)``: a padded prompt, then passes of one token and of several behind it."""
    random, cases = Random(seed), []
    for n_past, n_new in ((0, random.randint(5, 6)), (4, 1), (random.randint(3, 5), 3)):
        real = torch.ones(3, n_past + n_new, dtype=torch.bool)
        real[0, : random.randint(1, 2)] = False
        real[2, 2 : random.randint(3, 4)] = False  # padding on the right, with new tokens behind
        cases.append((real, n_new))
    return cases


def _tells(reference: Callable, bugs: Catalogue, values: dict) -> bool:
    """Whether every bug shows in this case."""
    right = reference(*values.values())
    return all([_run(bug, values) != right for bug in bugs.values()])


def _run(function: Callable, values: dict) -> Any:
    try:
        return function(*values.values())
    except Exception as error:
        return type(error).__name__


def check_seen(
    function: Callable, reference: Callable, bugs: Catalogue, cases: Sequence, look: Callable
) -> Passed:
    """Compare what ``look(function, reference, values)`` sees of functions in each case."""

    def seen(other: Callable) -> Callable:
        if not callable(other):
            return other

        @wraps(reference)
        def answer(inputs: Inputs) -> Seen | None:
            return look(other, reference, inputs.values)

        return answer

    known_bugs = {sentence: seen(bug) for sentence, bug in bugs.items()}
    return check_function(seen(function), seen(reference), known_bugs, [(case,) for case in cases])


def _look_at_update(update: Callable, reference: Callable, values: dict, axis: int) -> Seen | None:
    def act(function: Callable) -> dict | None:
        cache, found = {}, {}
        for i, (layer, (k, v)) in enumerate(values["calls"], start=1):
            pair = function(cache, layer, k.clone(), v.clone())
            if pair is None:
                return None
            found |= _pair(pair, f"call {i}, layer {layer}: ")
        return found

    return compare(act(update), act(reference))


def _look_at_truncate(truncate: Callable, reference: Callable, values: dict) -> Seen:
    def act(function: Callable) -> dict:
        cache = dict(values["cache"])
        function(cache, values["n"])
        found = {}
        for layer in cache:
            found |= _pair(cache[layer], f"layer {layer}: ")
        return found

    return compare(act(truncate), act(reference))


def _look_at_attention(
    cached_attention: Callable, reference: Callable, values: dict, axis: int
) -> Seen | None:
    part, x, where, mask, past = values.values()
    wanted = list(past[0].shape)
    wanted[axis] = x.shape[1]

    def act(function: Callable) -> dict | Seen | None:
        given: list = []

        def remember(k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
            given.extend([list(k.shape), list(v.shape)])
            if given != [wanted, wanted]:
                return k, v
            return tuple([torch.cat(pair, axis) for pair in zip(past, (k, v), strict=True)])

        with torch.no_grad():
            try:
                value = function(part, x.clone(), where.clone(), mask.clone(), remember)
            except RuntimeError:
                if given in ([], [wanted, wanted]):
                    raise
                value = x
        if given != [wanted, wanted]:
            asked = f"one with {wanted} for keys and for values"
            calls = f"a call of remember with {shown(given)}" if given else "no call of remember"
            return Seen(given, f"{calls} in place of {asked}")
        return None if value is None else {"the output": value}

    found = act(cached_attention)
    return found if isinstance(found, Seen) else compare(found, act(reference))


def _look_at_writing(write_on: Callable, reference: Callable, values: dict) -> Seen | None:
    def act(function: Callable) -> dict | Seen | None:
        reader, ids = _Reader(values["read"]), list(values["ids"])
        text = function(reader, ids, values["n"], LIMIT, values["stop"])
        if text is None:
            return None
        if ids != values["ids"]:
            return Seen([ids, text, reader.calls], f"the list ids changed to {shown(ids)}")
        return {"the text": text, "(new, keep) of each read": reader.calls}

    found = act(write_on)
    return found if isinstance(found, Seen) else compare(found, act(reference))


def _look_at_pair(
    function: Callable, reference: Callable, values: dict, names: tuple[str, str]
) -> Seen | None:
    def act(other: Callable) -> dict | Seen | None:
        arguments = [_copy(argument) for argument in values.values()]
        value = other(*arguments)
        for name, before, after in zip(values, values.values(), arguments, strict=True):
            if not same(before, after):
                return Seen(after, f"{name} changed to {shown(after)}; work on a copy")
        return None if value is None else _pair(value, "", names)

    found = act(function)
    return found if isinstance(found, Seen) else compare(found, act(reference))


def _look_at_reading(
    function: Callable, reference: Callable, values: dict, guessed: bool = False
) -> Seen | None:
    """The result and, where that is right, whether the model has read too much for it."""
    reads: list[int] = []

    def act(other: Callable) -> dict | None:
        reads.clear()
        with torch.no_grad():
            value = other(*[_copy(argument) for argument in values.values()])
        return None if value is None else {"the result": value}

    model = values["model"].embeddings
    hook = model.register_forward_pre_hook(lambda _, given: reads.append(given[0].shape[1]))
    try:
        right, found = act(reference), act(function)
    finally:
        hook.remove()
    if found is not None and same(right, found):
        rows, size = sum(reads), len(right["the result"])
        if guessed and len(reads) >= values["n"]:
            words = (
                f"right, but takes {len(reads)} passes for {values['n']} tokens; guesses save some"
            )
            return Seen(len(reads), words)
        if not guessed and rows > size:
            return Seen(
                rows, f"right, but reads {rows} tokens for a text of {size}; read each once"
            )
    return compare(found, right)


def _copy(argument: Any) -> Any:
    if isinstance(argument, list):
        return [_copy(item) for item in argument]
    return argument.clone() if isinstance(argument, Tensor) else argument


def _pair(value: Any, before: str, names: tuple[str, str] = ("k", "v")) -> dict[str, Any]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return {before + names[0]: f"{shown(value)}, not a pair"}
    return {before + name: item for name, item in zip(names, value, strict=True)}


def compare(given: dict | None, right: dict) -> Seen | None:
    """All that was found, and in words the first thing that is wrong."""
    if given is None:
        return None
    for name, item in right.items():
        if name not in given:
            return Seen(given, f"no {name}")
        if not same(item, given[name]):
            return Seen(given, f"{name} {_words(given[name], item)}")
    return Seen(given, ", ".join([f"{name} {_words(item, item)}" for name, item in right.items()]))


def _words(value: Any, right: Any) -> str:
    if not isinstance(value, Tensor):
        return shown(value)
    kind = f"{tuple(value.shape)}"
    if not isinstance(right, Tensor) or value.dtype != right.dtype:
        wanted = "" if isinstance(right, Tensor) else f" in place of {shown(right)}, no tensor"
        return f"{kind} of {value.dtype}{wanted}"
    if value.shape != right.shape:
        return kind
    wrong = (~_isclose(value, right, rtol=1e-5, atol=1e-5, equal_nan=True)).nonzero().tolist()
    if not wrong:
        return kind
    at = tuple(wrong[0])
    return f"{kind} with {value[at]:.4g} at {wrong[0]} in place of {right[at]:.4g}"
