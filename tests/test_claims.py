"""The page of claims and the table of coverage: what is planted wrong in them is found."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import claims  # noqa: E402
import coverage_table  # noqa: E402

ROW = """
[[claim]]
id = "sum"
claim = "Two and two are four."
verdict = "holds"
kind = "measured"
chapter = "sums"
section = "a-sum"
cell = "2 + 2"
figures = ['(?P<sum>\\d+)']
rising = [["sum", 5]]
figure = "The sum is {sum}."
"""
LINE = "| Two and two are four. | *holds* | The sum is 4. | [Sums: A sum](sums.ipynb#a-sum) |"


def notebook(source="2 + 2", result="4", count=1, copies=1):
    made = nbformat.v4.new_notebook()
    output = nbformat.v4.new_output("execute_result", {"text/plain": result})
    code = [
        nbformat.v4.new_code_cell(f"a = 1\n{source}", outputs=[output], execution_count=count)
        for _ in range(copies)
    ]
    prose = nbformat.v4.new_markdown_cell("# Sums\n\n## A sum\n\nCount.")
    made.cells = [prose, *code, nbformat.v4.new_markdown_cell("## Sources")]
    return made


@pytest.fixture
def book(tmp_path):
    """A function that lays a book of one chapter into a folder."""

    def lay(row=ROW, line=LINE, **cell):
        for name in ("chapters", "scripts"):
            (tmp_path / name).mkdir(exist_ok=True)
        nbformat.write(notebook(**cell), tmp_path / "chapters/sums.ipynb")
        (tmp_path / "scripts/claims.toml").write_text(row)
        (tmp_path / "chapters/claims.md").write_text("\n".join(["# Claims", *claims.HEAD, line]))
        return tmp_path

    return lay


def test_a_good_book_has_no_faults(book):
    assert claims.check(book()) == []


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ({"source": "2 + 3"}, "0 cells of sums have the line '2 + 2'"),
        ({"copies": 2}, "2 cells of sums have the line '2 + 2'"),
        ({"count": None}, "its cell is not executed"),
        ({"result": "four"}, "prints nothing like"),
        ({"result": "7"}, "sum (7) is not less than 5 (5)"),
    ],
)
def test_a_cell_that_bears_nothing_out_is_found(book, cell, fault):
    assert fault in claims.check(book(**cell))[0]


def test_a_line_within_a_longer_one_is_not_the_cell(book):
    assert "0 cells" in claims.check(book(source="12 + 2 + 2"))[0]


@pytest.mark.parametrize(
    "wrong",
    [
        LINE.replace("is 4", "is 3"),
        LINE.replace("#a-sum", "#another"),
        LINE.replace("*holds*", "*does not hold*"),
    ],
)
def test_a_row_of_the_page_that_differs_is_found(book, wrong):
    missing, unborne = claims.check(book(line=wrong))
    assert LINE in missing and wrong in unborne


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('section = "a-sum"', 'section = "a-product"', "no section #a-product"),
        ('section = "a-sum"', 'section = "sources"', "stands under #a-sum, not #sources"),
        ('chapter = "sums"', 'chapter = "products"', "there is no chapters/products.ipynb"),
        ('verdict = "holds"', 'verdict = "perhaps"', "verdict 'perhaps'"),
        ('kind = "measured"', 'kind = "guessed"', "kind 'guessed'"),
        ('rising = [["sum", 5]]', "", "nothing says which figure is the smaller"),
        ("{sum}", "{product}", "product"),
    ],
)
def test_a_row_that_leads_nowhere_is_found(book, old, new, fault):
    assert any(fault in found for found in claims.check(book(row=ROW.replace(old, new))))


def test_write_makes_what_check_asks_for(book):
    root = book(line="| Two and two are five. | | | |")
    assert claims.check(root) and claims.write(root) == [] == claims.check(root)
    assert (root / "chapters/claims.md").read_text().startswith("# Claims\n| Claim |")


@pytest.mark.parametrize(("kind", "faults"), [("measured", 0), ("counted", 1)])
def test_what_is_measured_again_may_differ_but_not_what_is_counted(book, kind, faults):
    root = book(row=ROW.replace('"measured"', f'"{kind}"'), result="3")
    ((row, figure, wrong),) = claims.measured_again(root, ["sums"])
    assert (row["id"], figure, len(wrong)) == ("sum", "The sum is 4.", faults)


def test_an_order_that_fails_when_measured_again_is_found(book):
    root = book(row=ROW.replace('["sum", 5]', '["sum", 3.5]'), result="3")
    ((_, _, wrong),) = claims.measured_again(root, ["sums"])
    assert claims.check(book(row=ROW.replace('["sum", 5]', '["sum", 4.5]'))) == []
    assert wrong == ["sum (4) is not less than 3.5 (3.5)"]


def test_nan_is_in_no_order():
    assert list(claims.disorder({"rising": [["x", 1]]}, {"x": "nan"}))
    assert not list(claims.disorder({"rising": [[0, "x", 1]]}, {"x": "0.5"}))


def test_this_book_has_no_faults():
    assert claims.check() == [] == coverage_table.check()


def test_a_section_that_teaches_nothing_is_found(tmp_path):
    for name in ("chapters", "scripts"):
        (tmp_path / name).mkdir()
    nbformat.write(notebook(), tmp_path / "chapters/sums.ipynb")
    shutil.copy(tmp_path / "chapters/sums.ipynb", tmp_path / "chapters/others.ipynb")
    items = '[sums]\n"adding" = "a-sum"\n"halving" = "a-half"\n'
    (tmp_path / "scripts/coverage.toml").write_text(items)
    dead, silent = coverage_table.check(tmp_path)
    assert "'halving': there is no section #a-half" in dead and silent.endswith("of others")
    assert list(coverage_table.lines(tmp_path))[1].endswith("chapters/sums.ipynb#a-sum |")
