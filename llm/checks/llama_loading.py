"""Checks of the assignment Build a LLaMA: its pieces, a config.json, a checkpoint by its names.

``sizes`` is a dictionary with the names of :class:`llm.ModelConfig`. The learner writes:

- ``rotate(x, positions, theta)``: x ``(B, H, T, D)`` turned by its positions ``(T,)``;
- ``network_width(d_model, multiple)``: the width of the feed-forward network;
- ``grouped_attention(q, k, v)``: q ``(B, H, T, D)``, k and v ``(B, H_kv, T, D)`` to
  ``(B, T, H·D)``, causal;
- ``read_config(config)``: ``sizes`` from a ``config.json``, a dictionary;
- ``params_of(sizes)`` and ``cache_bytes(sizes, n_tokens, n_bytes)``;
- ``convert(weight, n_heads)``: rows of a ``q_proj`` or ``k_proj`` in the other layout;
- ``translate(state, sizes)``: a checkpoint's tensors under the names of this book;
- ``count_tensors(state)``, the mended exhibit, and ``causes``, a diagnosis.
"""

from builtins import (  # noqa: UP029  bound now, as elsewhere
    dict,
    float,
    int,
    isinstance,
    len,
    range,
)
from collections.abc import Callable
from functools import partial, wraps
from random import Random

import torch
from torch import Tensor

from llm.checks import llama_loading_bugs as known
from llm.checks.attention import Inputs
from llm.checks.base import CheckFailed, Passed, check_function, same, shown
from llm.checks.generation_cache import check_seen, compare
from llm.checks.layer_block import CASES, Case, check_tensors
from llm.checks.llama import _randn, _Whole
from llm.checks.watching import Seen
from llm.llama import convert_rope
from llm.model import Transformer

FACTORS = {"llama": 1.0, "llama3": 1.3}


def check_rotate(rotate: Callable[..., Tensor], seed: int = 0, layout: str = "half") -> Passed:
    """Check ``rotate(x, positions, theta)`` with positions from anywhere."""
    random, cases = Random(seed), []
    for theta in (100.0, 500.0):
        T, D = random.randint(4, 6), random.choice([6, 8, 10])
        x, positions = _randn(random, 2, 3, T, D), torch.arange(T) + random.randint(3, 9)
        cases.append(Case(("x", "positions", "theta"), (x, positions, theta)))
    reference = _of(known.rotate, layout=_choice("layout", layout, known.CONVERT))
    return check_tensors(rotate, reference, known.rotate_bugs(layout), cases)


def check_network_width(
    network_width: Callable[[int, int], int], seed: int = 0, rule: str = "llama"
) -> Passed:
    """Check ``network_width(4096, 256)``: 11008 by LLaMA's rule, 14336 by Llama 3's."""
    random = Random(seed)
    factor = FACTORS[_choice("rule", rule, FACTORS)]
    cases = [(4096, 256 if rule == "llama" else 1024), (96, 4), (100, 64)]
    cases += [(random.randint(100, 999), random.choice([16, 32, 64])) for _ in range(3)]
    reference = _of(known.network_width, factor=factor)
    return check_function(network_width, reference, known.network_width_bugs(factor), cases)


def check_grouped_attention(grouped_attention: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``grouped_attention(q, k, v)`` for groups of two and three query heads."""
    random, cases = Random(seed), []
    for group in (2, 3, 2):
        B, n_kv, T, D = random.randint(2, 3), random.randint(2, 3), random.randint(4, 5), 8
        q = _randn(random, B, group * n_kv, T, D)
        k, v = _randn(random, 2, B, n_kv, T, D)
        cases.append(Case(("q", "k", "v"), (q, k, v)))
    return check_tensors(grouped_attention, known.grouped_attention, known.GROUPED_BUGS, cases)


def check_read_config(read_config: Callable[[dict], dict], seed: int = 0) -> Passed:
    """Check ``read_config(config)`` on files that say all, little, and what nobody supports."""
    random = Random(seed)
    full, bare = _config(random, full=True), _config(random, full=False)
    scaled = _config(random, full=True) | {"rope_scaling": {"type": "linear", "factor": 4.0}}
    grouped = {name: value for name, value in full.items() if name != "head_dim"}
    other = _config(random, full=False) | {"hidden_act": "gelu"}
    cases = [Inputs({"config": config}) for config in (full, bare, grouped, scaled, other)]
    bugs = known.READ_CONFIG_BUGS
    return check_seen(read_config, known.read_config, bugs, cases, _look_at_sizes)


def check_params_of(params_of: Callable[[dict], int], seed: int = 0) -> Passed:
    """Check ``params_of(sizes)`` with a tied head and with one of its own."""
    cases = [(sizes,) for sizes in _sizes(seed)]
    return check_function(params_of, known.params_of, known.PARAMS_OF_BUGS, cases)


def check_cache_bytes(cache_bytes: Callable[[dict, int, int], int], seed: int = 0) -> Passed:
    """Check ``cache_bytes(sizes, n_tokens, n_bytes)``."""
    random = Random(seed)
    cases = [(sizes, random.randint(20, 40), random.choice([4, 8])) for sizes in _sizes(seed)]
    return check_function(cache_bytes, known.cache_bytes, known.CACHE_BYTES_BUGS, cases)


def check_convert(convert: Callable[..., Tensor], seed: int = 0, layout: str = "half") -> Passed:
    """Check ``convert(weight, n_heads)``, whose rows come out in ``layout``."""
    random, cases = Random(seed), []
    reference, bugs = known.CONVERT[_choice("layout", layout, known.CONVERT)]
    for _ in range(CASES):
        n_heads, head_dim = random.randint(2, 3), random.choice([6, 8])
        weight = _randn(random, n_heads * head_dim, 2 * random.randint(5, 7))
        cases.append(Case(("weight", "n_heads"), (weight, _Whole(n_heads))))
    return check_tensors(convert, _named(reference, "convert"), bugs, cases)


def check_translate(translate: Callable[..., dict], seed: int = 0, source: str = "meta") -> Passed:
    """Check ``translate(state, sizes)`` with a head of its own and, in 11 layers, a tied one."""
    random, cases = Random(seed), []
    reference = _of(known.translate, source=_choice("source", source, known.BLOCK))
    for sizes in _sizes(seed):
        sizes["n_layers"] = 11 if sizes["tie_embeddings"] else sizes["n_layers"]
        state = _State(_checkpoint(random, sizes, source))
        cases.append(Inputs({"state": state, "sizes": sizes}))
    return check_seen(translate, reference, known.translate_bugs(source), cases, _look_at_state)


def check_count_tensors(count_tensors: Callable[[dict], int], seed: int = 0) -> Passed:
    """Check ``count_tensors(state)`` with tensors that are shared, equal, or of one shape."""
    random, cases = Random(seed), []
    for tied in (True, False):  # a tied head is another object, as in a state_dict
        token = _randn(random, random.randint(5, 9), random.randint(3, 4))
        state = {"token.weight": token, "a.weight": torch.ones(random.randint(10, 20))}
        state |= {"b.weight": torch.ones_like(state["a.weight"])}
        state |= {"lm_head.weight": token.detach() if tied else _randn(random, *token.shape)}
        cases.append(Inputs({"state": _State(state)}))
    bugs = known.COUNT_TENSORS_BUGS
    return check_seen(count_tensors, known.count_tensors, bugs, cases, _look_at_count)


def check_causes(causes: dict[str, str], right: dict[str, str]) -> None:
    """Check a diagnosis, letter by letter; a wrong one hears what its cause would show."""
    for letter, cause in causes.items():
        if cause is None:
            raise CheckFailed(f"causes: {letter} is still None; write one of the five words")
        if cause not in known.FINGERPRINTS:
            words = ", ".join(known.FINGERPRINTS)
            raise CheckFailed(f"causes: {letter} is {shown(cause)}; the words are {words}")
        if cause != right[letter]:
            raise CheckFailed(f"causes: {letter} is not {cause}: then {known.FINGERPRINTS[cause]}.")


def as_checkpoint(model: Transformer, source: str) -> tuple[dict[str, Tensor], dict]:
    """A LLaMA under the names of ``source``, in its layout, and its ``config.json``.

    What a file may leave out is left out: as many key heads as heads, a head that is tied.
    """
    c, layout = model.config, {"meta": "interleaved", "hf": "half"}[source]
    ours = convert_rope(model, layout).state_dict()
    state = {theirs: ours[name] for theirs, name in known.names_of(source, c.n_layers).items()}
    if c.tie_embeddings:
        state.pop(next(n for n in state if n in ("output.weight", "lm_head.weight")))
    return state, {
        "vocab_size": c.vocab_size,
        "hidden_size": c.d_model,
        "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads,
        "intermediate_size": c.d_ff,
        "max_position_embeddings": c.max_seq_len,
        "hidden_act": "silu",
        "rms_norm_eps": c.norm_eps,
        "rope_theta": c.rope_theta,
        "tie_word_embeddings": c.tie_embeddings,
    } | ({} if c.n_kv_heads == c.n_heads else {"num_key_value_heads": c.n_kv_heads})


class _State(dict):
    """Tensors by name, shown by their number."""

    def __repr__(self) -> str:
        return f"{len(self)} tensors"


def _choice(what: str, name: str, choices: dict) -> str:
    if name not in choices:
        raise ValueError(f"{what} must be one of {', '.join(choices)}, got {name!r}")
    return name


def _of(reference: Callable, **options) -> Callable:
    return wraps(reference)(partial(reference, **options))


def _named(reference: Callable, name: str) -> Callable:
    @wraps(reference)
    def answer(*arguments):
        return reference(*arguments)

    answer.__name__ = name
    return answer


def _config(random: Random, full: bool) -> dict:
    heads, head_dim = 2 * random.randint(2, 3), 6
    config = {
        "vocab_size": random.randint(50, 90),
        "hidden_size": heads * head_dim,
        "num_hidden_layers": random.choice([3, 5]),
        "num_attention_heads": heads,
        "intermediate_size": random.randint(60, 90),
        "max_position_embeddings": random.randint(100, 200),
    }
    if not full:
        return config
    more = {"num_key_value_heads": heads // 2, "head_dim": head_dim + 2, "hidden_act": "silu"}
    more |= {"rope_theta": 500000.0, "rms_norm_eps": 1e-5, "tie_word_embeddings": True}
    return config | more | {"rope_scaling": None}


def _sizes(seed: int) -> list[dict]:
    random, found = Random(seed), []
    for tied in (True, False):
        sizes = known.read_config(_config(random, full=True))
        found.append(sizes | {"tie_embeddings": tied})
    return found


def _checkpoint(random: Random, sizes: dict, source: str) -> dict[str, Tensor]:
    C, D, F = sizes["d_model"], sizes["head_dim"], sizes["d_ff"]
    rows = {"q_proj": (sizes["n_heads"] * D, C), "out_proj": (C, sizes["n_heads"] * D)}
    rows |= dict.fromkeys(("k_proj", "v_proj"), (sizes["n_kv_heads"] * D, C))
    rows |= {"gate_proj": (F, C), "up_proj": (F, C), "down_proj": (C, F)}
    rows |= dict.fromkeys(("token", "lm_head"), (sizes["vocab_size"], C))
    state = {}
    for theirs, ours in known.names_of(source, sizes["n_layers"]).items():
        state[theirs] = _randn(random, *rows.get(ours.split(".")[-2], (C,)))
    if sizes["tie_embeddings"]:
        state = {n: t for n, t in state.items() if n not in ("output.weight", "lm_head.weight")}
    return state


def _look_at_state(translate: Callable, reference: Callable, values: dict) -> Seen | None:
    def act(function: Callable) -> dict | None:
        value = function(dict(values["state"]), dict(values["sizes"]))
        if value is None or isinstance(value, dict):
            return value
        raise ValueError(f"{shown(value)} is not a dictionary")

    found, right = act(translate), act(reference)
    extra = [name for name in found or {} if name not in right]
    if extra:
        return Seen(found, f"a tensor {shown(extra[0])}, which the book's model does not have")
    return Seen(right, f"{len(right)} tensors") if same(right, found) else compare(found, right)


def _look_at_sizes(read_config: Callable, reference: Callable, values: dict) -> Seen | None:
    def act(function: Callable) -> dict | None:
        value = function(dict(values["config"]))
        if not isinstance(value, dict):
            return None if value is None else {"the result": value}
        return {n: float(v) if n in ("rope_theta", "norm_eps") else v for n, v in value.items()}

    found = act(read_config)
    try:
        right = act(reference)
    except ValueError:  # the learner's function should have refused this file as well
        return None if found is None else Seen(found, "sizes, and no ValueError")
    extra = [name for name in found or {} if name not in right]
    if extra:
        return Seen(found, f"an entry {shown(extra[0])}, which is not one of the eleven")
    return compare(found, right)


def _look_at_count(count: Callable, reference: Callable, values: dict) -> Seen | None:
    value = count(dict(values["state"]))
    return None if value is None else Seen(value, shown(value))
