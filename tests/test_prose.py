"""Each rule for prose finds a fault that was planted, and lets good text pass."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import check_prose  # noqa: E402
from prose.citations import citations  # noqa: E402
from prose.glossary import first_bold, glossary  # noqa: E402
from prose.links import links, view_names, views_on  # noqa: E402
from prose.pages import Page, add_markdown, read_page  # noqa: E402
from prose.shape import headings, images, length  # noqa: E402
from prose.words import filler, spelling, terms  # noqa: E402

NAMES = {"Playground": "playground"}


def page(text: str, name: str = "page.md", code: str = "") -> Page:
    """A page that holds a piece of Markdown."""
    made = Page(Path(name), code=code)
    add_markdown(made, text)
    return made


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("We recieve it.", "We receive it."),
        ("Its color is grey.", "Its colour is grey."),
        ("A neighbor's behavior.", "A neighbour's behaviour."),
        ("Modeling text.", "Modelling text."),
        ("We normalise it.", "We normalize it."),
        ("A tokenised text.", "An exercise raises a promise, otherwise noise."),
    ],
)
def test_spelling_is_british_with_ize(wrong, right):
    assert len(list(spelling(page(wrong)))) == wrong.count("neighbor") + 1
    assert not list(spelling(page(right)))


def test_code_formulas_and_addresses_are_not_spelt():
    text = "`color`, $color$, [here](color.md) and\n\n```python\ncolor = 1\n```\n"
    assert not list(spelling(page(text))) and not list(filler(page("`just`")))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("a tokeniser", "a tokenizer"),
        ("the feed forward network", "the feed-forward network"),
        ("key/value pairs", "key–value pairs"),
        ("then a Softmax", "then a softmax. Softmax is smooth"),
        ("a layer norm", "a LayerNorm"),
        ("the dataset", "the data set"),
        ("Pytorch", "PyTorch"),
        ("LLaMA 2 70B", "Llama 2 70B"),
        ("at 5 % of it", "at 5% of it"),
        ("a top k of 5", "top-k 5"),
    ],
)
def test_a_term_has_one_form(wrong, right):
    assert len(list(terms(page(wrong)))) == 1
    assert not list(terms(page(right)))


def test_filler_may_stand_in_quotations_only():
    for word in ("Simply", "Obviously", "Of course", "Clearly", "Basically", "Just"):
        assert len(list(filler(page(f"{word} add them.")))) == 1
    assert not list(filler(page('It says "just add". The token just read. This is just right.')))
    assert not list(filler(page("> Just add them.")))


# --- shape ------------------------------------------------------------------------------------


def test_long_sentences_and_paragraphs_are_found():
    at_limit, too_long = "Word " * 39 + "end. ", "Word " * 40 + "end. "
    assert not list(length(page(at_limit))) and not list(length(page(at_limit * 3)))
    (fault,) = length(page(too_long))
    assert "sentence of 41 words" in fault
    (fault,) = length(page("Ten words are here, and then there is another. " * 17))
    assert "paragraph of 153 words" in fault


def test_folded_text_is_read_too():
    text = "<details><summary>Predict: simply what?</summary>\n\nIts color.\n\n</details>"
    assert len(list(filler(page(text)))) == len(list(spelling(page(text)))) == 1


def test_the_mark_of_a_track_is_no_word():
    (block,) = page('<span class="track code">Code</span> It *runs*.').blocks
    assert block.text == "It runs."


def test_a_heading_stands_once():
    assert not list(headings(page("# One\n\n## Two\n")))
    assert list(headings(page("# One\n\n## Two\n\n## Two\n"))) == ["heading: 'Two' stands twice"]


def test_images_have_a_text():
    assert len(list(images(page("![](a.svg)")))) == 1
    assert len(list(images(page("![A short text](a.svg)")))) == 1
    assert len(list(images(page("![attention-with-four-heads.svg](a.svg)")))) == 1
    assert len(list(images(page('<img src="a.svg" alt="">')))) == 1
    assert not list(images(page("![Four heads, each with a map of weights](a.svg)")))


# --- links ------------------------------------------------------------------------------------


def test_links_lead_to_files_sections_and_views(tmp_path):
    here, there = tmp_path / "here.md", tmp_path / "there.md"
    here.write_text(
        "# Here\n\n[a](#here) [b](there.md#one--two) [c](https://x.org) "
        '<a href="#playground?text=a">d</a>\n\n```{code-cell}\nPlayground()\n```\n'
    )
    there.write_text(
        "# There\n\n## One & `Two`\n\n[a](here.md#there) [b](no.md) [c](#playground?x) "
        "[d](../views/here-playground.html) [e](../views/there-playground.html)"
    )
    pages = {path: read_page(path) for path in (here, there)}
    assert not list(links(pages[here], pages, NAMES))
    faults = list(links(pages[there], pages, NAMES))
    assert len(faults) == 4 and "there is no no.md" in faults[1]
    assert "views/there-playground.html': no page has such a view" in faults[3]


def test_views_of_the_package_are_known_by_class():
    names = view_names(ROOT)
    assert names["Playground"] == "playground" and names["TokenizerView"] == "tokenizer"
    code = 'Playground()\nPlayground(anchor="mine")'
    assert views_on(page("", code=code), names) == {"playground", "mine"}


def test_citations_and_bibliography_agree(tmp_path):
    bibliography = tmp_path / "references.bib"
    entry = "@misc{%s, author = {A B}, title = {C}, year = {2020}, %s}\n"
    bibliography.write_text(entry % ("One2020", "doi = {1}") + entry % ("Two2020", "note = {1}"))
    faults = list(citations([page("Here {cite}`One2020, Three2020`.")], bibliography))
    assert ["Three2020" in faults[0], "Two2020" in faults[1]] == [True, True]
    assert faults[2].startswith("citation: Two2020 has no DOI") and len(faults) == 3
    bibliography.write_text(entry % ("One2020", "eprint = {1}"))
    assert not list(citations([page("{cite:t}`One2020` says so.")], bibliography))


# --- glossary ---------------------------------------------------------------------------------

ENTRIES = """```{glossary}
merge
  Two become one. [One](one.ipynb#one)

token
id
  A piece, with its place. [One](one.ipynb#one), [Two](two.ipynb#two)
```
"""
ONE = page(
    "# One\n\nA **token** has an **id**. We call it a **merge**. **1. Easy.** Go.", "one.ipynb"
)
TWO = page("# Two\n\n**Tokens.** They come.", "two.ipynb")


def faults_of(entries: str, *chapters: Page) -> list[str]:
    return list(glossary(page(entries).entries, list(chapters)))


def test_a_full_glossary_passes():
    assert first_bold([ONE, TWO]) == dict.fromkeys(("token", "id", "merge"), "one.ipynb#one")
    assert not faults_of(ENTRIES, ONE, TWO)


def test_a_bold_word_without_entry_is_found():
    (fault,) = faults_of(ENTRIES, ONE, TWO, page("# Three\n\nA **byte**.", "three.ipynb"))
    assert fault == "glossary: no entry for 'byte', bold in three.ipynb#three"


def test_an_entry_leads_to_where_its_term_is_bold_first():
    elsewhere = ENTRIES.replace("one. [One](one.ipynb#one)", "one. [Two](two.ipynb#two)")
    fault = "glossary: 'merge' is bold first in one.ipynb#one, where its entry does not lead"
    assert faults_of(elsewhere, ONE, TWO)[0] == fault
    faults = faults_of(ENTRIES.replace("[One](one.ipynb#one)\n\n", "It is.\n\n"), ONE, TWO)
    assert "glossary: 'merge' leads to no chapter" in faults


def test_a_term_waits_for_its_chapter():
    early = page("# Zero\n\nEach merge helps.\n\n## Deeper\n\nMore tokens.", "zero.ipynb")
    assert faults_of(ENTRIES, early, ONE, TWO) == [
        "glossary: 'merge' stands in zero.ipynb, before its chapter"
    ]


def test_entries_are_alphabetical():
    assert "glossary: 'token' stands after 'zip'" in faults_of(
        ENTRIES.replace("merge\n", "zip\n"), ONE, TWO
    )


# --- the whole --------------------------------------------------------------------------------


def test_a_notebook_is_read_as_a_page(tmp_path):
    path = tmp_path / "one.ipynb"
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# One\n", "\n", "A **token**."]},
        {"cell_type": "code", "metadata": {"tags": ["bootstrap"]}, "source": ["Playground()"]},
        {"cell_type": "code", "metadata": {}, "source": ["Quiz('one')"]},
    ]
    card = {"question": "Which color?", "minutes": 30, "objectives": ["say it"]}
    path.write_text(json.dumps({"metadata": {"chapter": card}, "cells": cells}))
    read = read_page(path)
    assert (read.headings, read.anchors, read.code) == (["One"], ["one"], "Quiz('one')\n")
    assert [block.kind for block in read.blocks] == ["card", "card", "heading", "paragraph"]
    assert len(list(spelling(read))) == 1


def test_a_quiz_is_read_as_a_page(tmp_path):
    path = tmp_path / "one.quiz.toml"
    path.write_text('[[questions]]\ntext = "Which color?"\nchoices = ["Simply `color`", "b"]\n')
    read = read_page(path)
    assert len(list(spelling(read))) == len(list(filler(read))) == 1


def test_a_repository_with_a_fault_fails(tmp_path, capsys):
    chapters = tmp_path / "chapters"
    chapters.mkdir()
    (chapters / "references.bib").write_text("")
    (tmp_path / "_toc.yml").write_text("root: chapters/index\n")
    (chapters / "index.md").write_text("# Good\n\nA colour.\n")
    assert check_prose.main(str(tmp_path)) == 0
    (chapters / "index.md").write_text("# Bad\n\nA color.\n")
    assert check_prose.main(str(tmp_path)) == 1
    assert "chapters/index.md: spelling: 'color', not 'colour'?" in capsys.readouterr().out


def test_the_book_keeps_the_rules():
    assert list(check_prose.faults_of(ROOT)) == []
