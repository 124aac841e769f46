"""Figures: what they show is what they were given, and two can stand on one page."""

import math
import re

import pytest
import torch
from handmade_film import handmade_film

from llm import SinusoidalPositionalEncoding, plots
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


def test_maps_of_cosines_hold_every_pair_and_name_the_groups():
    table = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [0.0, -1.0]])
    groups = {"first": ["a", "b"], "second": ["c", "d"]}
    figure = plots.cosine_maps(groups, {"new": table, "old": table.flip(0)})
    new, old, _ = figure.axes
    root = 0.5**0.5
    shown = torch.tensor(new.images[0].get_array().tolist())
    right = torch.tensor(
        [[1, root, 0, 0], [root, 1, root, -root], [0, root, 1, -1], [0, -root, -1, 1]]
    )
    torch.testing.assert_close(shown, right)
    assert [label.get_text() for label in new.get_yticklabels()] == ["first", "second"]
    assert list(new.get_yticks()) == [0.5, 2.5]
    assert figure.description == (
        "Mean cosine within a group. new: first 0.71, second -1.00; old: first -1.00, second 0.71"
    )


def test_hands_stand_where_their_turns_lead():
    figure = plots.clock_hands([90, 10], 3)
    assert len(figure.axes) == 3
    fast, slow = figure.axes[1].get_lines()
    assert [round(float(v[1]), 6) for v in fast.get_data()] == [1.0, 0.0]
    x, y = (float(v[1]) for v in slow.get_data())
    assert math.degrees(math.atan2(x, y)) == pytest.approx(10)
    assert figure.description == "Dials for positions 0 to 2; hands turn by 90° and 10° each"


def test_waves_of_positions_show_the_table_and_its_products():
    table = SinusoidalPositionalEncoding(4, 40)(torch.arange(40))
    figure = plots.position_waves(table)
    left, right = figure.axes[:2]
    assert (left.images[0].get_array() == table.numpy()).all()
    (line,) = right.get_lines()
    assert line.get_ydata()[0] == 2 and len(line.get_ydata()) == 40
    assert "16: " in figure.description


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


def test_lengths_of_the_stream_are_all_counted():
    figure = plots.stream_lengths([30.0, 400.0, 900.0], [10.0, 20.0])
    heights = sum(bar.get_height() for bars in figure.axes[0].containers for bar in bars)
    assert heights == 5
    assert figure.description.endswith("certain: 10 to 20, left to dice: 30 to 900")


def test_activations_are_pytorch_s():
    lines = plots.activation_curves().axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["ReLU", "GELU", "SiLU"]
    for line in lines:
        x = torch.as_tensor(line.get_xdata())
        expected = getattr(torch.nn.functional, line.get_label().lower())(x)
        torch.testing.assert_close(torch.as_tensor(line.get_ydata()), expected)


def test_places_of_norms_have_a_line_each_through_the_means():
    rows = [("pre", 0, 0.1, 1.0), ("pre", 0, 0.1, 3.0), ("pre", 0, 0.2, 5.0), ("post", 9, 0.1, 7.0)]
    runs = [
        dict(zip(("norm", "warmup", "rate", "loss"), map(str, row), strict=True)) for row in rows
    ]
    figure = plots.norm_places(runs)
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == [2.0, 5.0]
    assert figure.description.endswith("pre-norm 2.00, 5.00; post-norm, 9 steps of warmup 7.00")


def test_the_sum_of_a_stream_has_a_bar_a_part():
    figure = plots.stream_sum(" red", [("embedding", 1.5, " y"), ("0.ffn", 900.0, "🦙")])
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1.5, 900.0]
    assert figure.description == "Added to red: embedding 1.5, says y; 0.ffn 900.0, says 🦙"


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


def test_a_map_over_a_text_names_the_highest_of_each_row():
    values = [[0.1, 0.9, 0.0], [1.2, -0.3, 0.5]]
    figure = plots.text_map(values, ["early", "late"], [" the", " $cat", "🦙"], title="Effects")
    (image,) = figure.axes[0].images
    assert image.get_array().tolist() == values and image.get_clim() == (0, 1)
    assert "early $cat 0.90; late the 1.20" in figure.description
    words = [["a", "b", "c"], ["d", "e", "f"]]
    figure = plots.text_map(values, ["early", "late"], ["x", "y", "z"], words)
    assert [text.get_text() for text in figure.axes[0].texts] == list("abcdef")
    colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colours["b"] == "#101010" and colours["a"] == "#fefefe"


def test_curves_have_a_line_each_and_the_axes_asked_for():
    lines = {"a": ([10, 1000], [0.1, 0.3]), "b": ([10, 1000], [0.2, 0.4])}
    figure = plots.curves(lines, "size", "loss", log="x")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert [line.get_ydata()[1] for line in axes.get_lines()] == [0.3, 0.4]
    assert figure.description == (
        "loss against size. a: 0.1 at 10, 0.3 at 1,000; b: 0.2 at 10, 0.4 at 1,000"
    )


def test_losses_by_word_are_bars_side_by_side():
    figure = plots.word_losses(["a", "b"], {"one": [0.5, 2.0], "other": [1.0, 0.0]})
    heights = [[bar.get_height() for bar in bars] for bars in figure.axes[0].containers]
    assert heights == [[0.5, 2.0], [1.0, 0.0]]
    assert figure.description.endswith("one: a 0.50, b 2.00; other: a 1.00, b 0.00")


def test_a_map_of_two_texts_names_both():
    weights = torch.tensor([[0.1, 0.7, 0.2], [0.9, 0.1, 0.0]])
    figure = plots.attention_map(weights, ["u", "v"], "across", keys=["a", "b", "c"])
    assert figure.description == "across: u at b; v at a"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["a", "b", "c"]


def test_fine_tuning_draws_a_line_for_each_way():
    rows = [
        {"way": way, "step": step, "right": right, "stories": "0.7"}
        for way in ("full", "lora")
        for step, right in (("0", "0"), ("200", "98"))
    ]
    figure = plots.fine_tuning(rows)
    asked, lost = figure.axes
    assert [list(line.get_ydata()) for line in asked.get_lines()] == [[0, 98]] * 2
    assert len(lost.get_lines()) == 2 and "lora 98 right, stories 0.7" in figure.description
    assert "lora" in html(figure)
