"""Figures: what they show is what they were given, and two can stand on one page."""

import re

from handmade_film import handmade_film

from llm import plots
from llm.history import History

RUN = [
    {"step": 10 * i, "loss": 4.0 / i, "val_loss": 4.2 / i if i % 2 else None} for i in range(1, 9)
]


def html(figure) -> str:
    return figure._repr_mimebundle_()["text/html"]


def test_the_curve_shows_every_row_and_the_floor():
    figure = plots.loss_curves(History(RUN), floor=0.4)
    training, validation, floor = figure.axes[0].get_lines()
    assert list(training.get_ydata()) == [row["loss"] for row in RUN]
    assert list(validation.get_xdata()) == [10, 30, 50, 70]
    assert set(floor.get_ydata()) == {0.4}
    assert "4.000 to 0.500, validation 0.600" in figure.description


def test_stairs_show_the_shares_of_the_film():
    figure = plots.stairs(handmade_film(), ("pronoun", "owner", "colour"))
    above, below = figure.axes
    assert [line.get_label() for line in above.get_lines()] == ["pronoun", "owner"]
    assert list(above.get_lines()[1].get_ydata()) == [0.2, 0.2, 0.2, 1.0]
    assert [round(float(y), 2) for y in below.get_lines()[0].get_ydata()] == [0.3, 0.4, 0.5, 0.6]
    assert figure.description.endswith("pronoun 10, owner 1000")


def test_figures_share_no_id_and_refer_to_their_own():
    pages = [html(plots.loss_curves(History(RUN[:n]))) for n in (4, 8)]
    ids = [set(re.findall(r'\bid="([^"]+)"', page)) for page in pages]
    assert len(ids[0]) > 10 and not ids[0] & ids[1]
    for page, own in zip(pages, ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= own


def test_errors_of_sampling_begin_together_and_are_drawn_per_thousand():
    rows = {
        "top-k": [("top-k 9", 0.02, 0.004), ("top-k 2", 0.1, 0.001)],
        "top-p": [("top-p 1", 0.02, 0.004), ("top-p 0.5", 0.05, 0.0005)],
    }
    figure = plots.sampling_errors(rows)
    first, second = figure.axes[0].get_lines()
    assert list(first.get_xdata()) == [0.02, 0.1] and list(second.get_ydata()) == [4.0, 0.5]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["top-k 2", "top-p 0.5", "as trained"]
    assert figure.description.startswith(
        "Distance from the truth and share of impossible words, as"
    )
    assert "as trained 0.020 0.40%; at the far ends: top-k 2 0.100 0.10%" in figure.description


def test_calibration_has_a_diagonal_and_a_line_for_each():
    figure = plots.calibration({"a": [(0.1, 0.2, 60), (0.9, 0.7, 50)]})
    diagonal, line = figure.axes[0].get_lines()
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    assert list(line.get_xdata()) == [0.1, 0.9] and list(line.get_ydata()) == [0.2, 0.7]
    assert figure.description == "a: 0.10 came 0.20, 0.90 came 0.70"
