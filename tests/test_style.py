"""llm.style: one palette, readable on both pages."""

import colorsys
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from llm import style

MODES = ["light", "dark"]


def test_contrast_has_the_values_of_wcag():
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#777777", "#777777") == pytest.approx(1)
    assert style.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert style.contrast("#ffffff", "#ff0000") == pytest.approx(3.998, abs=0.001)


def test_roles_have_the_colours_of_okabe_and_ito():
    assert style.MARKS == {"q": "#0072B2", "k": "#D55E00", "v": "#009E73", "output": "#CC79A7"}
    assert style.LETTERS.keys() == style.MARKS.keys()  # a role is never shown by colour alone
    assert len(set(style.LETTERS.values())) == 4


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("role", style.MARKS)
def test_marks_reach_3_and_their_text_4_5_to_1(mode, role):
    paper, panel, mark = style.PAPER[mode], style.PANEL[mode], style.MARKS[role]
    twin = style.text_twin(mark, mode)
    assert min(style.contrast(twin, paper), style.contrast(twin, panel)) >= 4.5
    assert style.contrast(mark, paper) >= 3 - 0.1 * (role == "output"), style.contrast(mark, paper)

    def hue(colour):
        return colorsys.rgb_to_hsv(*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)))[0]

    assert hue(twin) == pytest.approx(hue(mark), abs=0.03)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["INK", "MUTED", "ACCENT"])
def test_text_reaches_4_5_to_1_on_page_and_panel(mode, name):
    colour = getattr(style, name)[mode]
    for ground in (style.PAPER, style.PANEL):
        assert style.contrast(colour, ground[mode]) >= 4.5


@pytest.mark.parametrize("mode", MODES)
def test_css_variables_name_every_colour_once(mode):
    css = style.css_variables(mode)
    found = dict(re.findall(r"--llm-([a-z-]+): (#[0-9a-fA-F]{6});", css))
    roles = set(style.MARKS) | {f"{role}-text" for role in style.MARKS}
    assert set(found) == roles | {"paper", "ink", "muted", "line", "panel", "accent"}
    assert css.count("--llm-") == len(found)
    assert found["q-text"] == style.text_twin(style.MARKS["q"], mode)


def test_a_colour_must_be_written_in_full():
    with pytest.raises(ValueError, match="#rrggbb, got 'red'"):
        style.contrast("red", "#ffffff")


@pytest.mark.parametrize("mode", MODES)
def test_figures_take_the_palette_and_leave_global_settings_alone(mode):
    before = dict(mpl.rcParams)
    with style.figure_style(mode):
        figure, axes = plt.subplots()
        assert mpl.colors.to_hex(figure.get_facecolor()) == style.PAPER[mode]
        (line,) = axes.plot([0, 1])
        assert line.get_color() == style.MARKS["q"]
        plt.close(figure)
    assert dict(mpl.rcParams) == before
    assert style.SEQUENTIAL in ("viridis", "cividis")
