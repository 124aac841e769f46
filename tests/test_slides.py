"""Slides: which cells are marked, what is cut out of a page, where its links lead then."""

import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_cache.cache.main import JupyterCacheBase

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "theme"), str(ROOT / "scripts")]

import check_chapters  # noqa: E402
import inside_slides as slides  # noqa: E402


def markdown(source: str, *tags: str) -> dict:
    return {"cell_type": "markdown", "id": "m", "metadata": {"tags": [*tags]}, "source": source}


def code(*tags: str) -> dict:
    return {"cell_type": "code", "id": "c", "metadata": {"tags": [*tags]}, "source": "1 + 1"}


def notebook(*cells: dict) -> nbformat.NotebookNode:
    """A notebook of these cells, in the format of the chapters."""
    full = [
        {**cell, "outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell
        for cell in cells
    ]
    return nbformat.from_dict({"cells": full, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_the_mark_stands_under_the_heading_of_a_cell():
    (cell,) = slides.marked(markdown("## Norms\n\nA row\nof numbers.", "slide"))
    assert cell["source"] == "## Norms\n\n<!-- slide -->\n\n\nA row\nof numbers.\n\n<!-- /slide -->"
    (cell,) = slides.marked(markdown("A row.", "slide-continued"))
    assert cell["source"] == "<!-- slide-continued -->\n\nA row.\n\n<!-- /slide -->"


def test_a_cell_without_the_tag_stays_as_it_is():
    for cell in (markdown("Text"), code("nbval-check-output")):
        assert slides.marked(cell) == [cell]


def test_marks_around_code_are_cells_with_ids_of_their_own():
    before, cell, after = slides.marked(code("slide", "remove-input"))
    assert [before["source"], after["source"]] == ["<!-- slide -->", "<!-- /slide -->"]
    assert cell["metadata"] == {"tags": ["remove-input"]}
    nbformat.validate(notebook(before, cell, after))


def test_a_new_tag_runs_nothing_again(tmp_path):
    def key(cells: list[dict]) -> str:
        cache = JupyterCacheBase(str(tmp_path))
        return cache.create_hashed_notebook(notebook(*cells))[1]

    plain = {**code(), "metadata": {}}
    assert key([plain]) == key(slides.marked(code("slide")))
    assert key([plain]) != key([code("slide")])  # what would happen without taking the tag off


PAGE = """<section id="norms"><h1>Layer <code>block</code><a class="headerlink" href="#x">#</a></h1>
<p>Before</p><!-- slide --><p>One <a class="r" href="output.html#w">Output</a></p><!-- /slide -->
<!-- slide-continued --><pre>code</pre><!-- /slide --><p>Between</p>
<section id="two"><h2>Two<a class="headerlink" href="#two">#</a></h2><!-- slide -->
<a href="#block?row=2">set</a> <a href="#lens?row=2">other</a> <a href="#two">above</a>
<a href="https://doi.org/1">paper</a> <svg><use xlink:href="#glyph"/></svg>
<script type="application/json">{"view": {"anchor":"block"}, "text": "<a href='x'>"}</script>
<script>f('<a href="output.html">')</script><!-- /slide --></section></section>"""


def test_a_slide_has_the_heading_of_its_section_and_all_of_its_cells():
    first, second = slides.cut(PAGE, "chapters/layer_block")
    assert [first.title, second.title] == ["Layer <code>block</code>", "Two"]
    assert len(first.parts) == 2 and first.parts[1] == "<pre>code</pre>"
    assert not any("B" in part for part in first.parts)  # neither Before nor Between


def test_the_list_of_slides_says_what_each_holds():
    inside = ('<p>Text</p><div class="cell_input docutils">', '<div class="math notranslate">')
    held = [slides.Slide("", [part]).holds for part in ("<p>Text</p>", *inside)]
    held += [slides.Slide("", [*inside, '<details class="predict"><summary>']).holds]
    assert held == ["", "code", "formula", "prediction"]


def test_links_hold_on_the_page_of_slides():
    first, second = slides.cut(PAGE, "chapters/layer_block")
    assert 'href="../chapters/output.html#w"' in first.parts[0]
    part = second.parts[0]
    assert '<a href="#block?row=2">' in part  # that view is on the slide
    assert '<a href="../chapters/layer_block.html#lens?row=2">' in part  # this one is not
    assert '<a href="../chapters/layer_block.html#two">' in part
    assert 'href="https://doi.org/1"' in part and 'xlink:href="#glyph"' in part
    assert """f('<a href="output.html">')""" in part  # scripts stay as they are


def test_only_a_notebook_with_tagged_cells_has_slides(tmp_path):
    path = tmp_path / "scaling.ipynb"
    nbformat.write(notebook(code()), path)
    assert slides.link_to(path, str) == []
    nbformat.write(notebook(code("slide")), path)
    assert slides.link_to(path, str)[0]["url"] == "slides/scaling"
    assert slides.link_to(tmp_path / "index.md", str) == []


REMEMBER = markdown("## What to remember\n\nAll of it.", "slide")


@pytest.mark.parametrize(
    "cells, fault",
    [
        ([REMEMBER] * 5, "6 slides: 10 to 18"),
        ([REMEMBER] * 18, "19 slides: 10 to 18"),
        ([markdown("Text", "slide")] * 10, "its last slide is not what to remember"),
        ([markdown("word " * 111, "slide"), *[REMEMBER] * 9], "111 words on a slide"),
        ([markdown("Text\n\n## More", "slide"), *[REMEMBER] * 9], "a heading within a slide"),
    ],
)
def test_a_talk_that_is_no_talk_is_named(cells, fault):
    found = check_chapters._slide_faults(notebook(*cells).cells)
    assert [fault in text for text in found] == [True]


def test_folded_answers_and_formulas_are_no_words_to_be_read_aloud():
    folded = f"<details><summary>Predict</summary>{'word ' * 200}</details> $a b c$"
    cells = [markdown(folded, "slide"), *[REMEMBER] * 9]
    assert check_chapters._slide_faults(notebook(*cells).cells) == []
