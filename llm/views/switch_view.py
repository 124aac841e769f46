"""What do six switches cost, from GPT to LLaMA? All 64 ways, counted for three sizes.

The losses are those that `scripts/llama_steps.py` measured, for the small size alone.
"""

import csv
from functools import cache
from statistics import mean, stdev

from llm.config import GPT_STYLE, ModelConfig
from llm.llama import SWITCHES, flops_per_token, switch
from llm.pretrained import ASSETS
from llm.scaling import kv_cache_bytes
from llm.views.attention_view import _table
from llm.views.view import View, strings

SIZES = {  # a GPT of each size, the width of SwiGLU where it is published, the queries on a key
    "small": ({"vocab_size": 653, "max_seq_len": 64, "d_model": 64, "n_layers": 3}, None, 2),
    "gpt2": ({"vocab_size": 50257, "max_seq_len": 1024, "d_model": 768, "n_layers": 12}, None, 2),
    "llama2_70b": (
        {"vocab_size": 32000, "max_seq_len": 4096, "d_model": 8192, "n_layers": 80},
        28672,
        8,
    ),
}
HEADS = {"small": 4, "gpt2": 12, "llama2_70b": 64}
FIGURES = ("params", "flops", "kv_bytes", "loss")


class SwitchView(View):
    """GPT with some of six switches turned: the lines of code that change, costs, measured loss.

    ``on`` are the switches turned at first, of :data:`llm.llama.SWITCHES`; ``size`` is
    ``"small"``, whose losses were measured, ``"gpt2"`` or ``"llama2_70b"``. Raises ``ValueError``
    for others.

    >>> SwitchView(("positions", "norm"))
    SwitchView(size='small', on='positions,norm')
    """

    name = "switch"

    def __init__(
        self,
        on: tuple[str, ...] | list[str] = (),
        size: str = "small",
        *,
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        unknown = [name for name in on if name not in SWITCHES]
        if unknown or size not in SIZES:
            raise ValueError(
                f"on={tuple(on)} must be of {', '.join(SWITCHES)}, size={size!r} one of "
                f"{', '.join(SIZES)}"
            )
        self.on, self.size = tuple(name for name in SWITCHES if name in on), size

    def __repr__(self) -> str:
        return f"SwitchView(size={self.size!r}, on={','.join(self.on)!r})"

    def payload(self, inline: bool = True) -> dict:
        """For each size and each set of switches, a number in binary, what it costs."""
        sizes = []
        for name in SIZES:
            gpt = config_of(name, ())
            heads = [gpt.n_heads, config_of(name, ("heads",)).n_kv_heads, gpt.head_dim]
            rows = [[*costs(name, on), measured(name, on)] for on in _ways()]
            sizes.append({"name": name, "heads": heads, "rows": rows})
        state = {"size": self.size, "on": ",".join(self.on), "shown": 1}
        return {"state": state, "switches": list(SWITCHES), "sizes": sizes, "chance": chance()}

    def describe(self) -> str:
        """GPT, each switch alone, all six: parameters, FLOPs, cache and loss."""
        return "\n".join([repr(self), *("  ".join(f"{c:>14}" for c in r) for r in self._rows())])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        head = (words["column_on"], *(words[f"figure_{name}"] for name in FIGURES))
        caption = words["table_caption"].format(size=words[f"size_{self.size}"])
        return f'<p class="llm-question">{words["question"]}</p>' + _table(
            caption, head, self._rows()
        )

    def figure(self):
        """What each switch did to the loss."""
        from llm.plots import switch_effects

        return switch_effects(changes(), chance())

    def _rows(self) -> list[tuple[str, ...]]:
        words = strings(self.name)
        ways = {words["gpt"]: (), **{words[f"switch_{n}"]: (n,) for n in SWITCHES}}
        ways[words["llama"]] = tuple(SWITCHES)
        return [
            (
                label,
                *(f"{n:,}" for n in costs(self.size, on)),
                str(measured(self.size, on) or words["not_measured"]),
            )
            for label, on in ways.items()
        ]


def config_of(size: str, on: tuple[str, ...]) -> ModelConfig:
    """The configuration of a size with some switches turned."""
    fields, width, group = SIZES[size]
    gpt = ModelConfig(**GPT_STYLE | fields | {"n_heads": HEADS[size]})
    config = switch(gpt, *on, group=group)
    return config.replace(d_ff=width) if width and "activation" in on else config


def costs(size: str, on: tuple[str, ...]) -> tuple[int, int, int]:
    """Parameters, FLOPs a token at the full context, bytes of the cache a token."""
    config = config_of(size, on)
    flops = flops_per_token(config, config.max_seq_len)
    return config.n_params(), flops, kv_cache_bytes(config, 1)


def measured(size: str, on: tuple[str, ...]) -> float | None:
    """The loss of the small model with these switches."""
    return _losses()["+".join(on) or "none"][0] if size == "small" else None


def chance() -> float:
    """How far two runs typically are apart that differ in their seed alone."""
    repeated = [losses for losses in _losses().values() if len(losses) > 1]
    return round(2**0.5 * mean(stdev(losses) for losses in repeated), 4)


def changes() -> dict[str, list[float]]:
    """For each switch, what turning it changed in the loss, all else being equal."""
    return {
        name: [
            measured("small", on) - measured("small", tuple(n for n in on if n != name))
            for on in _ways()
            if name in on
        ]
        for name in SWITCHES
    }


def _ways() -> list[tuple[str, ...]]:
    """All sets of switches; bit i of a set's place says whether switch i is turned."""
    names = list(SWITCHES)
    return [tuple(n for i, n in enumerate(names) if mask >> i & 1) for mask in range(64)]


@cache
def _losses() -> dict[str, list[float]]:
    """The losses after equal training, by switches, one for each seed."""
    losses: dict[str, list[float]] = {}
    with open(ASSETS / "llama_steps.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["steps"] == rows[0]["steps"]:
            losses.setdefault(row["on"], []).append(float(row["loss"]))
    return losses
