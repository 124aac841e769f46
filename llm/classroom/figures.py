"""The pictures of the class page, small enough to be read on a telephone."""

import textwrap
from collections.abc import Sequence

from llm.plots import Figure
from llm.style import INK, LINE, MARKS, MUTED, figure_style

WIDTH = 3.4  # inches; the page shows them larger where it has room
LETTERS = 50  # that fit on a line
_TEXT = {"size": 8.5, "va": "center", "parse_math": False}
Bar = tuple[str, float, float, str]  # what, how much, of how much at most, the same in words


def histogram(points: Sequence[float], most: float, n_bins: int = 10) -> Figure:
    """How many students have how many points."""
    edges = [round(most * i / n_bins, 1) for i in range(n_bins + 1)]
    index = [min(int(p * n_bins / most), n_bins - 1) if most else 0 for p in points]
    counts = [index.count(i) for i in range(n_bins)]
    with figure_style():
        figure = Figure(figsize=(WIDTH, 2.2))
        axes = figure.add_subplot(xlim=(0, most or 1), xlabel="points", ylim=(0, max(counts) + 1))
        axes.bar(edges[:-1], counts, most / n_bins * 0.92, align="edge", color=MARKS["q"])
        axes.bar_label(axes.containers[0], [f"{n or ''}" for n in counts], padding=2, size=9)
        axes.set(xticks=edges[::2], yticks=[])
        axes.grid(False)
        axes.spines["left"].set_visible(False)
    told = [f"{edges[i]:g} to {edges[i + 1]:g}: {n}" for i, n in enumerate(counts) if n]
    figure.description = f"How many students have how many points. {'; '.join(told)}"
    return figure


def bars(title: str, rows: Sequence[Bar], colour: str) -> Figure:
    """One bar a row below its words, in a track as long as it could be."""
    labels = [textwrap.wrap(label, LETTERS) for label, *_ in rows]
    tops = [sum(len(above) + 1.35 for above in labels[:i]) for i in range(len(rows) + 1)]
    with figure_style():
        figure = Figure(figsize=(WIDTH, 0.185 * tops[-1]))
        figure.get_layout_engine().set(w_pad=0, h_pad=0)
        axes = figure.add_subplot(xlim=(0, 1), ylim=(tops[-1], 0))
        axes.axis("off")
        room = 0.97 - 0.02 * max(len(words) for *_, words in rows)
        scale = room / (max(most for _, _, most, _ in rows) or 1)
        for top, lines, row in zip(tops, labels, rows, strict=False):
            _draw_bar(axes, top, lines, row, scale, MARKS[colour])
    told = "; ".join(f"{label}: {words}" for label, _, _, words in rows)
    figure.description = f"{title}. {told}"
    return figure


def _draw_bar(axes, top: float, lines: list[str], row: Bar, scale: float, colour: str) -> None:
    _, length, most, words = row
    for i, line in enumerate(lines):
        axes.text(0, top + i + 0.5, line, color=INK["light"], **_TEXT)
    y = top + len(lines) + 0.4
    axes.barh(y, most * scale, 0.5, color=LINE["light"])
    axes.barh(y, length * scale, 0.5, color=colour)
    axes.text(most * scale + 0.02, y, words, color=MUTED["light"], **_TEXT)
