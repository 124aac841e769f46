"""How does a model know where a token stands? Waves, distances, learned rows, arrows and slopes.

All but the learned table is worked out in the page; a browser test holds its numbers to
`llm.embeddings`.
"""

import base64
import gzip
import html
from math import cos, pi, sin

import torch
from torch import Tensor

from llm.embeddings import SinusoidalPositionalEncoding, rotation_frequencies
from llm.model import Transformer
from llm.pretrained import load
from llm.views.view import View, strings

KINDS = ("sinusoidal", "offset", "learned", "rope", "alibi")
WIDTHS = (4, 8, 16, 32)  # features that positions are written in
BASES = (100, 1000, 10_000, 500_000)
POSITIONS = 128
LARGEST = 512  # rows of a learned table, and its columns
HEADS = 8  # whose slopes ALiBi's figure shows


class PositionView(View):
    """Five ways to look at positions, with numbers to check by hand.

    ``kind`` is the one shown first: ``"sinusoidal"`` (waves), ``"offset"`` (products of two
    positions), ``"learned"``, ``"rope"`` (arrows that turn) or ``"alibi"`` (slopes). ``p`` and
    ``p + k`` are two positions, ``d_model`` the number of features, ``theta`` the base of the
    frequencies. ``model`` has learned positions: a :class:`llm.Transformer`, called ``name``, or a
    name for :func:`llm.load`. Raises ``ValueError`` for other kinds, sizes, places and models.

    >>> PositionView("rope", p=5, k=-2)
    PositionView(kind='rope', p=5, k=-2, d_model=16, theta=10000)
    """

    name = "positions"

    def __init__(
        self,
        kind: str = "sinusoidal",
        *,
        p: int = 20,
        k: int = 6,
        d_model: int = 16,
        theta: int = 10_000,
        model: Transformer | str = "gpt-storyteller",
        name: str = "model",
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        chosen = {"kind": (kind, KINDS), "d_model": (d_model, WIDTHS), "theta": (theta, BASES)}
        for what, (value, allowed) in chosen.items():
            if value not in allowed:
                raise ValueError(
                    f"{what} must be one of {', '.join(map(str, allowed))}, got {value!r}"
                )
        self.model_name = model if isinstance(model, str) else name
        self.learned = _learned(load(model)[0] if isinstance(model, str) else model)
        room = len(self.learned) if kind == "learned" else POSITIONS
        if (
            type(p) is not int
            or type(k) is not int
            or not 0 <= min(p, p + k) <= max(p, p + k) < room
        ):
            raise ValueError(
                f"p and p + k must be whole numbers from 0 to {room - 1}, got {p!r} and k={k!r}"
            )
        self.kind, self.p, self.k, self.d_model, self.theta = kind, p, k, d_model, theta

    def __repr__(self) -> str:
        place = f"p={self.p}, k={self.k}, d_model={self.d_model}, theta={self.theta}"
        return f"PositionView(kind={self.kind!r}, {place})"

    def payload(self, inline: bool = True) -> dict:
        """What is shown first, what can be chosen, and the shape of the learned table."""
        start = {"kind": self.kind, "d": self.d_model, "theta": self.theta}
        start |= {"p": self.p, "k": self.k, "pair": 1, "head": 1}
        rows, columns = self.learned.shape
        learned = {"file": self._file, "rows": rows, "columns": columns}
        return {
            "state": start,
            "widths": WIDTHS,
            "bases": BASES,
            "positions": POSITIONS,
            "learned": learned,
        }

    def shared(self, inline: bool = True) -> dict[str, str]:
        """The learned table in 32 bits, packed."""
        data = self.learned.numpy().astype("<f4").tobytes()
        return {self._file: base64.b64encode(gzip.compress(data, mtime=0)).decode()}

    @property
    def _file(self) -> str:
        return "positions-" + "".join(
            c if c.isascii() and c.isalnum() else "-" for c in self.model_name
        )

    def describe(self) -> str:
        """Rate, wavelength, sine and cosine of each pair at both positions."""
        lines = ["  ".join(f"{cell:>10}" for cell in row) for row in (self._head(), *self._rows())]
        return "\n".join([repr(self), *lines])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in self._head())
        body = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in self._rows()
        )
        caption = words["table_waves"].format(d=self.d_model, theta=f"{self.theta:,}")
        return (
            f'<p class="llm-question">{words["question"]}</p><table><caption>{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def figure(self):
        """The table of waves, and the products of two positions over their distance."""
        from llm.plots import position_waves

        encoding = SinusoidalPositionalEncoding(self.d_model, POSITIONS)
        return position_waves(encoding(torch.arange(POSITIONS)))

    def _head(self) -> list[str]:
        words = strings(self.name)
        places = [f"{wave} {p}ω" for p in (self.p, self.p + self.k) for wave in ("sin", "cos")]
        return [words["pair"], "ω", words["wavelength"], *places]

    def _rows(self) -> list[list[str]]:
        rates = rotation_frequencies(self.d_model, float(self.theta), torch.float64).tolist()
        return [
            [str(i), f"{rate:.4g}", f"{2 * pi / rate:,.2f}"]
            + [f"{f(p * rate):.4f}" for p in (self.p, self.p + self.k) for f in (sin, cos)]
            for i, rate in enumerate(rates)
        ]


def _learned(model: Transformer) -> Tensor:
    """The table of learned positions of a model, ``(max_seq_len, C)``."""
    if not isinstance(model, Transformer) or model.config.position != "learned":
        kind = model.config.position if isinstance(model, Transformer) else type(model).__name__
        raise ValueError(
            f'model must be a Transformer with position="learned", got {kind}: leave it out to see '
            "that of gpt-storyteller"
        )
    table = model.embeddings.position.weight.detach().float().cpu()
    if max(table.shape) > LARGEST:
        raise ValueError(
            f"the table has shape {tuple(table.shape)}, a page takes {LARGEST} each way"
        )
    return table
