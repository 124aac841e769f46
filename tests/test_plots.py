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


def test_a_grid_of_heads_writes_each_number_and_names_the_lowest():
    figure = plots.head_grid([[1.0, 0.25, 0.999], [0.5, 0.004, 1.0]], "Without")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == "1.00 0.25 1.00 0.50 0.00 1.00".split()
    assert figure.description == "Without: lowest 0.004 at head 1.1"


def test_reach_draws_one_line_for_each_way():
    figure = plots.reach({"rope": {"near": 0.5, "far": 1.0}, "alibi": {"near": 0.4, "far": 0.45}})
    rope, alibi = figure.axes[0].get_lines()
    assert list(rope.get_ydata()) == [0.5, 1.0] and alibi.get_label() == "alibi"
    assert figure.axes[0].get_ylim()[0] < 0.4
    assert figure.description == "Loss at near, far: rope 0.50, 1.00; alibi 0.40, 0.45"
