"""The figures of the book, one function a figure; each returns a matplotlib ``Figure``.

Every colour and font comes from :mod:`llm.style`. Nothing is shown or saved here.
"""

import hashlib
import html
import io
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import cos, radians, sin
from statistics import mean

import matplotlib.figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Circle, FancyBboxPatch

from llm.style import ACCENT, INK, MARKS, MUTED, css_colours, figure_style, text_twin

LOSS_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10)
_K_TEXT = text_twin(MARKS["k"], "light")
_OFFSET = {"textcoords": "offset points", "size": 8}


class Figure(matplotlib.figure.Figure):
    """A figure that follows the colours of the page it stands on, and can be heard.

    In HTML it is an SVG whose colours are those of the page and whose text is text; elsewhere a
    PNG. ``description`` says what it shows, for those who do not see it.
    """

    description = ""

    def __repr__(self) -> str:
        return f"<Figure: {self.description}>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/plain": repr(self), "text/html": self.svg(), "image/png": self._png()}

    def _png(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    def svg(self) -> str:
        """What stands in a page: the picture with its description, in the page's colours."""
        buffer = io.StringIO()
        with figure_style():
            self.savefig(buffer, format="svg", metadata={"Date": None})
        svg = buffer.getvalue()
        svg = _own_ids(css_colours(svg[svg.index("<svg") :]))
        label = html.escape(self.description, quote=True)
        return svg.replace("<svg ", f'<svg class="llm-figure" role="img" aria-label="{label}" ', 1)


def token_rows(rows: Mapping[str, Sequence[str]], width: float = 8.0) -> Figure:
    """Pieces of a text as boxes in the order of reading, one block of lines for each entry."""
    columns = int(width * 11)  # letters that fit on a line
    lines = {label: _wrap([_drawable(piece) for piece in rows[label]], columns) for label in rows}
    height = sum(len(block) + 1.2 for block in lines.values())
    with figure_style():
        figure = Figure(figsize=(width, 0.32 * height + 0.2))
        axes = figure.add_subplot(xlim=(0, columns), ylim=(height, 0))
        axes.axis("off")
        top = 0.6
        for label, block in lines.items():
            axes.text(0, top, label, color=MUTED["light"], va="center", size=9)
            for i, line in enumerate(block):
                _draw_line(axes, line, top + i + 1)
            top += len(block) + 1.2
    figure.description = "; ".join(f"{label}: {' '.join(rows[label])}" for label in rows)
    return figure


def next_words(prompt: str, rows: Sequence[tuple[str, float, float | None]]) -> Figure:
    """What may follow ``prompt``: (token, chance, true chance or None); the truth is hollow."""
    tokens = [_drawable(token) for token, _, _ in rows]
    with figure_style():
        figure = Figure(figsize=(7.0, 0.34 * len(rows) + 1.0))
        axes = figure.add_subplot(title=_drawable(prompt[-60:]), xlabel="chance")
        axes.barh(tokens, [p for _, p, _ in rows], color=ACCENT["light"], alpha=0.6)
        truth = [0 if true is None else true for _, _, true in rows]
        if any(truth):
            axes.barh(tokens, truth, fill=False, edgecolor=INK["light"], linewidth=1.5)
        axes.invert_yaxis()
    parts = (f"{token.strip()} {p:.1%}" for token, p, _ in rows)
    figure.description = f"After {prompt[-60:]!r}: {', '.join(parts)}"
    return figure


def vocabulary_curve(
    sizes: Sequence[int], characters_per_token: Sequence[float], reference: float
) -> Figure:
    """How far each vocabulary of ``sizes`` entries shortens a text, against GPT-2's 50,257."""
    with figure_style():
        figure = Figure(figsize=(7.0, 3.4))
        top = 1.15 * max(*characters_per_token, reference)
        axes = figure.add_subplot(xscale="log", ylim=(0, top))
        axes.plot(sizes, characters_per_token, "o-", color=MARKS["q"], linewidth=2)
        axes.axhline(reference, color=MARKS["k"], linestyle="--")
        above = {"xytext": (0, 7), "textcoords": "offset points"}
        axes.annotate("GPT-2, 50,257 entries", (sizes[0], reference), color=_K_TEXT, **above)
        for point in zip(sizes, characters_per_token, strict=True):
            axes.annotate(f"{point[1]:.2f}", point, ha="center", **above)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_xticks([], minor=True)
        axes.set(xlabel="entries in our vocabulary", ylabel="characters per token")
    values = (f"{v:.2f} with {n:,}" for n, v in zip(sizes, characters_per_token, strict=True))
    figure.description = f"Characters per token: {', '.join(values)} entries; GPT-2 {reference:.2f}"
    return figure


def loss_curves(history, floor: float | None = None) -> Figure:
    """Training and validation loss against the step, and the floor that no model can pass."""
    with figure_style():
        figure = Figure(figsize=(7.0, 3.4))
        axes = figure.add_subplot(yscale="log", xlabel="step", ylabel="loss (nats a token)")
        steps, losses = history.column("step"), history.column("loss")
        measured = [row for row in history.rows if row.get("val_loss") is not None]
        axes.plot(steps, losses, color=MARKS["q"], linewidth=1, alpha=0.6, label="training")
        axes.plot(
            [row["step"] for row in measured],
            [row["val_loss"] for row in measured],
            "o-",
            color=MARKS["k"],
            markersize=3,
            label="validation",
        )
        if floor is not None:
            axes.axhline(floor, color=MARKS["v"], linestyle="--", label="floor (entropy)")
        low, high = axes.get_ylim()
        ticks = [tick for tick in LOSS_TICKS if low <= tick <= high]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks([], minor=True)
        axes.legend(frameon=False)
    end = f", validation {measured[-1]['val_loss']:.3f}" if measured else ""
    figure.description = f"Loss over {steps[-1]} steps: {losses[0]:.3f} to {losses[-1]:.3f}{end}"
    return figure


def stairs(film: dict, kinds: Sequence[str] = ("pronoun", "name", "colour", "owner")) -> Figure:
    """When each kind of word was learned, and when the heads that copy appeared.

    ``film`` is what :func:`llm.films.load_film` returns. Above, the share of determined words of
    each of ``kinds`` that are the model's first choice; below, the attention of the head that looks
    most at earlier mentions of the word that comes next.
    """
    moments = film["moments"]
    steps = [max(moment["step"], 5) for moment in moments]  # a logarithmic axis has no 0
    present = [kind for kind in kinds if kind in moments[0]["kinds"]]
    known = {kind: [m["kinds"][kind][0] for m in moments] for kind in present}
    looked = [max(max(layer) for layer in m["answer"]) for m in moments]
    with figure_style():
        figure = Figure(figsize=(7.0, 4.6))
        above, below = figure.subplots(2, sharex=True, height_ratios=[3, 2])
        for (kind, shares), mark, colour in zip(
            known.items(), "osv^", MARKS.values(), strict=False
        ):
            above.plot(steps, shares, f"{mark}-", color=colour, markersize=4, label=kind)
        above.set(xscale="log", ylim=(-0.03, 1.05), title="share of determined words known")
        above.legend(frameon=False, loc="upper left")
        below.plot(steps, looked, "D-", color=INK["light"], markersize=3)
        below.set(ylim=(0, None), xlabel="step", title="the most that a head looks at the answer")
    found = (f"{kind} {_first_step(steps, values)}" for kind, values in known.items())
    figure.description = f"Steps at which nine in ten are known: {', '.join(found)}"
    return figure


def attention_map(
    weights, tokens: Sequence[str], title: str = "", keys: Sequence[str] | None = None
) -> Figure:
    """The weights ``(T, S)`` of one head as squares: each row is a token that looks at others.

    ``keys`` are the S tokens of the columns, where they are of another text.
    """
    keys = tokens if keys is None else keys
    rows, columns = weights.shape
    with figure_style():
        figure = Figure(figsize=(2.4 + 0.17 * columns, 1.6 + 0.17 * rows))
        axes = figure.add_subplot(title=title, xlabel="keys", ylabel="queries")
        axes.grid(False)
        picture = axes.imshow(weights, vmin=0, vmax=1)
        labels, across = ([_drawable(token) for token in each] for each in (tokens, keys))
        style = {"fontsize": 7, "family": "DejaVu Sans Mono", "parse_math": False}
        axes.set_xticks(range(columns), across, rotation=90, **style)
        axes.set_yticks(range(rows), labels, **style)
        figure.colorbar(picture, shrink=0.6, label="weight")
    most = zip(tokens, weights.argmax(-1).tolist(), strict=True)
    figure.description = f"{title}: " + "; ".join(f"{q} at {keys[k]}" for q, k in most)
    return figure


def sampling_errors(points: Mapping[str, Sequence[tuple[str, float, float]]]) -> Figure:
    """How each way of drawing errs: (setting, distance from the truth, share of impossible words).

    ``points`` are by name of the setting, in order from none of it to much. Both numbers are
    shares; the first point of each is the same, drawing from the model as it is.
    """
    with figure_style():
        figure = Figure(figsize=(7.0, 4.0))
        axes = figure.add_subplot(xscale="log", yscale="log")
        for (name, row), mark, colour in zip(points.items(), "os^D", MARKS.values(), strict=False):
            apart, impossible = [p[1] for p in row], [1000 * p[2] for p in row]
            axes.plot(apart, impossible, f"{mark}-", color=colour, markersize=5, label=name)
            axes.annotate(row[-1][0], (apart[-1], impossible[-1]), xytext=(6, 4), **_OFFSET)
        axes.annotate("as trained", (apart[0], impossible[0]), xytext=(8, 8), **_OFFSET)
        axes.set(xlabel="total variation between what is drawn and the truth")
        axes.set(ylabel="impossible words\nin 1,000 draws")
        axes.set_xticks((0.02, 0.05, 0.1, 0.2), ("0.02", "0.05", "0.1", "0.2"))
        axes.set_xticks([], minor=True)
        axes.set_yticks((0.1, 1, 10), ("0.1", "1", "10"))
        axes.margins(x=0.14, y=0.12)
        axes.legend(frameon=False, loc="lower left")
    ends = (f"{row[-1][0]} {row[-1][1]:.3f} {row[-1][2]:.2%}" for row in points.values())
    start = next(iter(points.values()))[0]
    figure.description = (
        "Distance from the truth and share of impossible words, as trained "
        f"{start[1]:.3f} {start[2]:.2%}; at the far ends: {'; '.join(ends)}"
    )
    return figure


def calibration(bins: Mapping[str, Sequence[tuple[float, float, int]]]) -> Figure:
    """Whether what is given a chance comes as often: (mean chance, share that came, number)."""
    with figure_style():
        figure = Figure(figsize=(5.4, 4.6))
        axes = figure.add_subplot(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.plot([0, 1], [0, 1], color=MUTED["light"], linestyle="--", label="as often as said")
        for (name, row), mark, colour in zip(bins.items(), "os^D", MARKS.values(), strict=False):
            said, came = [b[0] for b in row], [b[1] for b in row]
            axes.plot(said, came, f"{mark}-", color=colour, markersize=5, label=name)
        axes.set(xlabel="probability that was given", ylabel="share that came")
        axes.legend(frameon=False, loc="upper left")
    lines = (
        f"{name}: {', '.join(f'{said:.2f} came {came:.2f}' for said, came, _ in row)}"
        for name, row in bins.items()
    )
    figure.description = "; ".join(lines)
    return figure


def stream_lengths(by_dice: Sequence[float], sure: Sequence[float]) -> Figure:
    """How long the vectors are before words left to chance, and before words that are certain."""
    shortest, longest = min(*by_dice, *sure), max(*by_dice, *sure)
    edges = [shortest * (longest / shortest) ** (n / 30) for n in range(31)]
    groups = {"certain": (sure, MARKS["q"]), "left to dice": (by_dice, MARKS["k"])}
    with figure_style():
        figure = Figure(figsize=(7.0, 3.2))
        axes = figure.add_subplot(xscale="log", xlabel="length of the vector", ylabel="places")
        for (name, (lengths, colour)), hatch in zip(groups.items(), ("", "//"), strict=True):
            style = {"color": colour, "alpha": 0.55, "edgecolor": colour, "hatch": hatch}
            axes.hist(lengths, edges, label=f"the next word is {name}", **style)
        ticks = [n for n in (1, 3, 10, 30, 100, 300, 1000) if shortest <= n <= longest]
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.set_xticks([], minor=True)
        axes.legend(frameon=False)
    parts = (f"{name}: {min(x):.0f} to {max(x):.0f}" for name, (x, _) in groups.items())
    figure.description = f"Lengths of vectors before a word that is {', '.join(parts)}"
    return figure


def activation_curves() -> Figure:
    """ReLU, GELU and SiLU: what each makes of a number."""
    import torch
    from torch.nn import functional

    x = torch.linspace(-5, 3, 161)
    with figure_style():
        figure = Figure(figsize=(7.0, 3.2))
        axes = figure.add_subplot(xlabel="what goes in", ylabel="what comes out")
        for name, line, colour in zip(
            ("ReLU", "GELU", "SiLU"), ("-", "--", "-."), MARKS.values(), strict=False
        ):
            y = getattr(functional, name.lower())(x)
            axes.plot(x, y, line, color=colour, linewidth=2, label=name)
        axes.legend(frameon=False)
    figure.description = "ReLU is 0 up to 0, then x; GELU and SiLU are the same with a round dip"
    return figure


def norm_places(runs: Sequence[Mapping[str, str]]) -> Figure:
    """Loss after training against the learning rate, a line for each place of the norms.

    ``runs`` are rows of ``norm_places.csv``: norm, warmup, rate, seed, loss. A line joins the means
    of the seeds, which stand as points.
    """
    settings = dict.fromkeys((r["norm"], int(r["warmup"])) for r in runs)
    with figure_style():
        figure = Figure(figsize=(7.0, 3.4))
        axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="loss (nats a word)")
        told = []
        for (place, warmup), mark, colour in zip(settings, "osv", MARKS.values(), strict=False):
            mine = [r for r in runs if (r["norm"], int(r["warmup"])) == (place, warmup)]
            points = [(float(r["rate"]), float(r["loss"])) for r in mine]
            rates = sorted({rate for rate, _ in points})
            means = [mean(loss for rate, loss in points if rate == r) for r in rates]
            label = f"{place}-norm" + (f", {warmup} steps of warmup" if warmup else "")
            axes.plot(rates, means, color=colour, linewidth=1.5)
            axes.plot(*zip(*points, strict=True), mark, color=colour, label=label)
            told.append(f"{label} {', '.join(f'{loss:.2f}' for loss in means)}")
        axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
        axes.set_xticks([], minor=True)
        axes.set_ylim(0, None)
        axes.legend(frameon=False)
    figure.description = f"Mean loss at rates {rates[0]:g} to {rates[-1]:g}: {'; '.join(told)}"
    return figure


def switch_effects(changes: Mapping[str, Sequence[float]], chance: float) -> Figure:
    """What each switch did to the loss: a dot for each pair of runs, a diamond for their mean.

    ``chance`` is how far two runs typically are apart that differ in their seed alone: shaded.
    """
    with figure_style():
        figure = Figure(figsize=(7.0, 3.2))
        axes = figure.add_subplot(xlabel="change of the loss when it is turned (nats a word)")
        axes.axvspan(-chance, chance, color=MUTED["light"], alpha=0.2, linewidth=0)
        for y, values in enumerate(changes.values()):
            axes.plot(values, [y] * len(values), "o", color=MARKS["q"], alpha=0.35, markersize=5)
            axes.plot(mean(values), y, "D", color=MARKS["k"], markersize=8)
        axes.set_yticks(range(len(changes)), list(changes))
        axes.invert_yaxis()
    told = (f"{name} {mean(values):+.3f}" for name, values in changes.items())
    figure.description = f"Mean change of the loss: {', '.join(told)}; chance {chance:.3f}"
    return figure


def fine_tuning(rows: Sequence[Mapping[str, str]]) -> Figure:
    """Questions answered, and the loss on stories, along ``rows`` of ``fine_tune.csv``."""
    ways, told = list(dict.fromkeys(row["way"] for row in rows)), []
    with figure_style():
        figure = Figure(figsize=(7.0, 3.4), layout="constrained")
        asked, lost = figure.subplots(1, 2, subplot_kw={"xlabel": "step"})
        asked.set(ylabel="right answers of 100", ylim=(0, 103))
        lost.set(ylabel="loss on stories (nats a token)", ylim=(0, 11.5))
        for way, mark, colour in zip(
            ways, "osv^D", (*MARKS.values(), MUTED["light"]), strict=False
        ):
            mine = [row for row in rows if row["way"] == way]
            steps = [int(row["step"]) for row in mine]
            for axes, name in ((asked, "right"), (lost, "stories")):
                values = [float(row[name]) for row in mine]
                axes.plot(steps, values, f"{mark}-", color=colour, label=way, markersize=4)
            told.append(f"{way} {mine[-1]['right']} right, stories {mine[-1]['stories']}")
        figure.legend(
            *asked.get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False
        )
    figure.description = f"After {steps[-1]} steps: {'; '.join(told)}"
    return figure


def stream_sum(token: str, rows: Sequence[tuple[str, float, str]]) -> Figure:
    """What each part of a model adds to the vector of ``token``: (part, length, word it favours).

    The word is what the model would say if it ended there.
    """
    with figure_style():
        figure = Figure(figsize=(7.0, 0.34 * len(rows) + 1.2))
        title = f"What is added to {_drawable(token.strip())}"
        axes = figure.add_subplot(xscale="log", xlabel="length of what is added", title=title)
        lengths = [max(length, 0.01) for _, length, _ in rows]
        bars = axes.barh([part for part, _, _ in rows], lengths, color=ACCENT["light"], alpha=0.6)
        axes.bar_label(bars, [_drawable(word.strip()) for _, _, word in rows], padding=4, size=9)
        axes.set_xlim(min(lengths) / 2, max(lengths) * 4)
        axes.invert_yaxis()
    parts = (f"{part} {length:.1f}, says {word.strip()}" for part, length, word in rows)
    figure.description = f"Added to {token.strip()}: {'; '.join(parts)}"
    return figure


def head_grid(values, title: str = "") -> Figure:
    """One number between 0 and 1 for each head, ``(n_layers, H)``, as a table of squares."""
    values = [[float(value) for value in row] for row in values]
    with figure_style():
        figure = Figure(figsize=(7.0, 0.9 + 0.5 * len(values)))
        axes = figure.add_subplot(title=title, xlabel="head", ylabel="block")
        axes.grid(False)
        axes.imshow(values, vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(values[0])))
        axes.set_yticks(range(len(values)))
        for edge in range(1, len(values[0])):
            axes.axvline(edge - 0.5, color="#fefefe", linewidth=1.5)
        for edge in range(1, len(values)):
            axes.axhline(edge - 0.5, color="#fefefe", linewidth=1.5)
        for layer, row in enumerate(values):
            for head, value in enumerate(row):
                colour = "#101010" if value > 0.5 else "#fefefe"  # on squares that no mode changes
                style = {"ha": "center", "va": "center", "size": 9, "color": colour}
                axes.text(head, layer, f"{value:.2f}", **style)
    low = min((value, (i, j)) for i, row in enumerate(values) for j, value in enumerate(row))
    figure.description = f"{title}: lowest {low[0]:.3f} at head {low[1][0]}.{low[1][1]}"
    return figure


def text_map(values, rows: Sequence[str], tokens: Sequence[str], words=None, title="") -> Figure:
    """A number from 0 to 1 for each row and token, as shades, with a word on each if there are any.

    ``values`` and ``words`` are ``(rows, tokens)``. Numbers beyond 0 … 1 get the shade of the end.
    """
    values, names = [[float(v) for v in row] for row in values], [t.strip() for t in tokens]
    with figure_style():
        figure = Figure(figsize=(min(9.0, 2.0 + (0.17, 0.85)[words is not None] * len(names)), 3.2))
        axes = figure.add_subplot(title=title)
        axes.grid(False)
        axes.imshow(values, vmin=0, vmax=1, aspect="auto")
        axes.set_yticks(range(len(rows)), list(rows), size=8)
        axes.set_xticks(range(len(names)), map(_drawable, names), rotation=90, size=7)
        for i, row in enumerate(words or ()):
            for j, word in enumerate(row):
                style = {"ha": "center", "va": "center", "size": 7}
                colour = "#101010" if values[i][j] > 0.5 else "#fefefe"
                axes.text(j, i, _drawable(word.strip()), color=colour, **style)
    best = [max(range(len(row)), key=row.__getitem__) for row in values]
    told = (f"{r} {names[j]} {row[j]:.2f}" for r, row, j in zip(rows, values, best, strict=True))
    figure.description = f"{title}; the highest of each row: {'; '.join(told)}"
    return figure


def reach(losses: Mapping[str, Mapping[str, float]]) -> Figure:
    """Loss at each range of places, one line for each way to tell a model about positions."""
    with figure_style():
        figure = Figure(figsize=(7.0, 3.6))
        axes = figure.add_subplot(yscale="log", xlabel="place in the window", ylabel="loss (nats)")
        looks = zip(losses, "osv^D", [*MARKS.values(), INK["light"]], strict=False)
        for name, mark, colour in looks:
            places, values = losses[name].keys(), losses[name].values()
            axes.plot(places, values, f"{mark}-", color=colour, markersize=5, label=name)
        ticks = [tick for tick in LOSS_TICKS if tick <= max(axes.get_ylim())]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks([], minor=True)
        axes.set_ylim(0.8 * min(min(values.values()) for values in losses.values()))
        axes.legend(frameon=False)
    parts = (
        f"{name} {', '.join(f'{value:.2f}' for value in values.values())}"
        for name, values in losses.items()
    )
    figure.description = f"Loss at {', '.join(next(iter(losses.values())))}: {'; '.join(parts)}"
    return figure


def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
    ylabel: str,
    log: str = "",
) -> Figure:
    """Lines called by name, each (across, up); ``log`` is "x", "y" or "xy" for logarithmic axes."""
    with figure_style():
        figure = Figure(figsize=(7.0, 3.6))
        scales = {f"{axis}scale": "log" for axis in log}
        axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel, **scales)
        looks = zip(lines, "osv^D", [*MARKS.values(), INK["light"]], strict=False)
        for name, mark, colour in looks:
            axes.plot(*lines[name], f"{mark}-", color=colour, markersize=5, label=name)
        axes.legend(frameon=False)
    ends = (f"{n}: {y[0]:.3g} at {x[0]:,}, {y[-1]:.3g} at {x[-1]:,}" for n, (x, y) in lines.items())
    figure.description = f"{ylabel} against {xlabel}. {'; '.join(ends)}"
    return figure


def word_losses(words: Sequence[str], losses: Mapping[str, Sequence[float]]) -> Figure:
    """What each word of a text costs each model, in nats, as bars side by side."""
    labels, places = [_drawable(word) for word in words], range(len(words))
    with figure_style():
        figure = Figure(figsize=(8.0, 3.2))
        axes = figure.add_subplot(ylabel="loss (nats)")
        width = 0.8 / len(losses)
        for i, (name, row) in enumerate(losses.items()):
            colour, left = list(MARKS.values())[i], [place + i * width for place in places]
            axes.bar(left, row, width, label=name, color=colour, hatch=("", "//", "..")[i])
        axes.set_xticks([place + 0.4 - width / 2 for place in places], labels, rotation=40)
        axes.legend(frameon=False)
    each = (
        f"{name}: {', '.join(f'{w} {x:.2f}' for w, x in zip(labels, row, strict=True))}"
        for name, row in losses.items()
    )
    figure.description = f"Loss at each word. {'; '.join(each)}"
    return figure


def cosine_maps(groups: Mapping[str, Sequence[str]], tables: Mapping[str, Sequence]) -> Figure:
    """How alike the words of some groups are: for each table the cosines of all with all.

    Each table holds a vector for each word, in the order of the groups.
    """
    ends = list(accumulate(len(words) for words in groups.values()))
    blocks = [
        slice(end - len(words), end) for end, words in zip(ends, groups.values(), strict=True)
    ]
    told = []
    with figure_style():
        figure = Figure(figsize=(6.4, 3.3))
        panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
        for axes, (title, table) in zip(panels, tables.items(), strict=True):
            unit = table / table.norm(dim=-1, keepdim=True)
            cosines = unit @ unit.T  # (words, words)
            picture = axes.imshow(cosines.numpy(), vmin=0, vmax=1)
            axes.grid(False)
            axes.set(title=title, xticks=[])
            axes.set_yticks([(b.start + b.stop - 1) / 2 for b in blocks], list(groups))
            means = [float(_others(cosines[block, block]).mean()) for block in blocks]
            told.append((title, zip(groups, means, strict=True)))
        figure.colorbar(picture, ax=panels, shrink=0.6, label="cosine")
    lists = (f"{title}: {', '.join(f'{g} {m:.2f}' for g, m in row)}" for title, row in told)
    figure.description = f"Mean cosine within a group. {'; '.join(lists)}"
    return figure


def _others(square):
    """The entries of a square that do not lie on its diagonal."""
    return square[~square.new_ones(square.shape).diag().diag().bool()]


def position_waves(table) -> Figure:
    """A table of positions ``(T, C)`` as a map, and the product of row 0 with every other."""
    with figure_style():
        figure = Figure(figsize=(8.0, 3.2))
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.3])
        left.grid(False)
        picture = left.imshow(table.numpy(), aspect="auto", vmin=-1, vmax=1)
        left.set(xlabel="features", ylabel="positions")
        figure.colorbar(picture, ax=left, shrink=0.7)
        products = (table @ table[0]).numpy()  # (T)
        right.plot(range(len(products)), products, color=MARKS["q"], linewidth=2)
        right.set(xlabel="distance", ylabel="product of two positions")
    shown = (f"{k}: {float(products[k]):.2f}" for k in range(0, len(products), 16))
    figure.description = f"Product of two positions at distance {', '.join(shown)}"
    return figure


def clock_hands(turns: Sequence[float], n_positions: int) -> Figure:
    """A dial for each position; hand i turns clockwise by ``turns[i]`` degrees a position."""
    styles = list(zip(MARKS.values(), (1.0, 0.65, 0.45, 0.3), (2.6, 4.5, 2, 2), strict=True))
    with figure_style():
        figure = Figure(figsize=(1.25 * n_positions, 1.75))
        for p, axes in enumerate(figure.subplots(1, n_positions)):
            axes.add_patch(Circle((0, 0), 1.12, fill=False, edgecolor=MUTED["light"]))
            for turn, (colour, length, width) in zip(turns, styles, strict=False):
                x, y = length * sin(radians(p * turn)), length * cos(radians(p * turn))
                axes.plot([0, x], [0, y], color=colour, linewidth=width, solid_capstyle="round")
            axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal", title=f"{p}")
            axes.axis("off")
    hands = " and ".join(f"{turn:g}°" for turn in turns)
    figure.description = f"Dials for positions 0 to {n_positions - 1}; hands turn by {hands} each"
    return figure


def _own_ids(svg: str) -> str:
    """``svg`` with ids that no other figure of a page has."""
    own = hashlib.sha256(svg.encode()).hexdigest()[:8]
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>f{own}-", svg)


def _first_step(steps: Sequence[int], shares: Sequence[float]) -> int | str:
    known = [step for step, share in zip(steps, shares, strict=True) if share >= 0.9]
    return known[0] if known else "never"


def _draw_line(axes, pieces: Sequence[str], y: float) -> None:
    """Boxes side by side, tinted in turn."""
    x = 0.0
    for i, piece in enumerate(pieces):
        box = FancyBboxPatch(
            (x + 0.25, y - 0.38),
            len(piece) + 0.7,
            0.76,
            boxstyle="round,pad=0,rounding_size=0.15",
            facecolor=(ACCENT["light"], (0.08, 0.2)[i % 2]),
            edgecolor=ACCENT["light"],
            linewidth=0.7,
        )
        axes.add_patch(box)
        style = {"family": "DejaVu Sans Mono", "size": 9, "color": INK["light"]}
        middle = x + 0.6 + len(piece) / 2
        axes.text(middle, y, piece, ha="center", va="center", parse_math=False, **style)
        x += len(piece) + 1.2


def _wrap(pieces: Sequence[str], columns: int) -> list[list[str]]:
    """Pieces in lines of at most ``columns`` letters, borders counted."""
    lines, used = [[]], 0.0
    for piece in pieces:
        if lines[-1] and used + len(piece) + 1.2 > columns:
            lines.append([])
            used = 0.0
        lines[-1].append(piece)
        used += len(piece) + 1.2
    return lines


def _drawable(text: str) -> str:
    """``text`` with code points in place of what the figure's font cannot draw."""
    font = get_font(findfont("DejaVu Sans Mono"))
    return "".join(c if font.get_char_index(ord(c)) else f"U+{ord(c):04X}" for c in text)
