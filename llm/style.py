"""The one palette of the book, for matplotlib figures, views and the site's CSS.

A role has a colour for marks (Okabe and Ito, 2008) and two darker or lighter twins for text, which
reach a contrast of 4.5:1 on the light and on the dark page. No role is shown by colour alone.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

MARKS = {"q": "#0072B2", "k": "#D55E00", "v": "#009E73", "output": "#CC79A7"}
LETTERS = {"q": "Q", "k": "K", "v": "V", "output": "O"}
PAPER = {"light": "#ffffff", "dark": "#14181e"}
INK = {"light": "#1d2430", "dark": "#e6e9ee"}
MUTED = {"light": "#586172", "dark": "#a3adbd"}
LINE = {"light": "#d5dae2", "dark": "#39424f"}
PANEL = {"light": "#f5f6f9", "dark": "#1c222b"}
ACCENT = {"light": "#0b62a0", "dark": "#6db8ee"}
SEQUENTIAL = "cividis"


def contrast(first: str, second: str) -> float:
    """WCAG 2.2 contrast ratio of two ``#rrggbb`` colours, from 1 (equal) to 21 (black on white)."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def text_twin(colour: str, mode: str, minimum: float = 4.5) -> str:
    """The nearest shade of ``colour`` that can be read on the ``light`` or ``dark`` page and panel.

    The colour is mixed with black (light page) or white (dark page) in steps of 2 % until both
    backgrounds give at least ``minimum`` contrast.
    """
    end = {"light": 0, "dark": 255}[mode]
    channels = _channels(colour)
    for step in range(51):
        mixed = [round(c + (end - c) * step / 50) for c in channels]
        shade = "#{:02x}{:02x}{:02x}".format(*mixed)
        if min(contrast(shade, PAPER[mode]), contrast(shade, PANEL[mode])) >= minimum:
            return shade
    raise ValueError(f"no shade of {colour} reaches {minimum}:1 on the {mode} page")


def css_variables(mode: str) -> str:
    """The palette of one mode as CSS custom properties, ``--llm-q: #0072B2; …``."""
    return " ".join(f"--llm-{name}: {value};" for name, value in _palette(mode).items())


def css_colours(svg: str) -> str:
    """``svg`` with each colour of the light palette replaced by its custom property."""
    names = {colour.lower(): name for name, colour in _palette("light").items()}
    known = re.compile("|".join(names), re.IGNORECASE)
    return known.sub(lambda c: f"var(--llm-{names[c[0].lower()]}, {c[0]})", svg)


def _palette(mode: str) -> dict[str, str]:
    plain = {"paper": PAPER, "ink": INK, "muted": MUTED, "line": LINE, "panel": PANEL}
    values = {name: colours[mode] for name, colours in plain.items()} | {"accent": ACCENT[mode]}
    for role, colour in MARKS.items():
        values |= {f"{role}-text": text_twin(colour, mode), role: colour}
    return values


@contextmanager
def figure_style(mode: str = "light") -> Iterator[None]:
    """Matplotlib settings of the book inside a ``with`` block; nothing global is changed."""
    import matplotlib.pyplot as plt

    with plt.rc_context(
        {
            "figure.facecolor": PAPER[mode],
            "axes.facecolor": PAPER[mode],
            "axes.edgecolor": LINE[mode],
            "axes.labelcolor": INK[mode],
            "axes.titlecolor": INK[mode],
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.prop_cycle": plt.cycler(color=list(MARKS.values())),
            "grid.color": LINE[mode],
            "grid.linewidth": 0.6,
            "xtick.color": MUTED[mode],
            "ytick.color": MUTED[mode],
            "text.color": INK[mode],
            "font.size": 10.5,
            "figure.dpi": 120,
            "figure.constrained_layout.use": True,
            "image.cmap": SEQUENTIAL,
            "svg.fonttype": "none",
            "svg.hashsalt": "inside-an-llm",
        }
    ):
        yield


def _channels(colour: str) -> list[int]:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise ValueError(f"colour must be written #rrggbb, got {colour!r}")
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _luminance(colour: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
