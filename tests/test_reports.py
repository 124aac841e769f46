"""Reports: pseudonyms, tables, bugs by name, the teacher's points, pages, and deletion."""

import csv
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from class_of_30 import PEOPLE, change, make_class, write_result, written
from hypothesis import given
from hypothesis import strategies as st

from llm.checks import attention_bugs
from llm.classroom import bugs
from llm.classroom.__main__ import main
from llm.classroom.assignments import Course
from llm.classroom.bugs import bug_in, in_words, to_read
from llm.classroom.names import ANIMALS, COLOURS, pseudonyms, read_names
from llm.classroom.report import grades, in_order, named_results, report, sheet
from llm.classroom.tables import LONGEST, Table, guarded, read_table, unguarded, write_table

ROOT = Path(__file__).resolve().parents[1]
SCALE = "the scores are not divided by the square root of head_dim."


@pytest.fixture(scope="module")
def reported(tmp_path_factory) -> Course:
    """A class of thirty with its reports. Tests read it only."""
    course = Course(make_class(tmp_path_factory.mktemp("course")))
    report(course)
    return course


@pytest.fixture
def course(tmp_path) -> Course:
    """Two students, one answer each."""
    for student in ("lovelace.ada", "hopper.grace"):
        write_result(tmp_path, student, cells=[check("scale"), written("Softmax is flat.")])
    return Course(tmp_path)


def check(name: str, points: float = 4, message: str = "", most: float = 4) -> dict:
    """A cell that a test has graded."""
    result = {"grade_id": f"{name}-test", "title": name.capitalize(), "kind": "check"}
    return result | {"points": points, "max_points": most, "message": message}


def rows(path: Path) -> list[dict[str, str]]:
    """A table as a spreadsheet reads it."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def fill_in(course: Course, student: str, **cells: str) -> None:
    """What a teacher does to ``written.csv``."""
    path = course.reports / "written.csv"
    table, name = rows(path), read_names(course.root)[student]
    for row in table:
        if row["pseudonym"] == name:
            row |= cells
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


def page_of(course: Course, student: str) -> str:
    name = read_names(course.root)[student]
    return (course.reports / "students" / f"{name}.html").read_text()


# --- pseudonyms -------------------------------------------------------------------------------


def test_pseudonyms_are_two_words_differ_and_stay(tmp_path):
    students = [f"s{i}" for i in range(300)]
    first = pseudonyms(tmp_path, students)
    assert len(set(first.values())) == 300
    assert all(re.fullmatch(r"[a-z]+-[a-z]+", name) for name in first.values())
    later = pseudonyms(tmp_path, ["a new one", *reversed(students)])
    assert {student: later[student] for student in students} == first
    assert later["a new one"] not in first.values()


def test_pseudonyms_tell_neither_name_nor_order(tmp_path):
    students = [f"s{i:02}" for i in range(40)]
    one, other = pseudonyms(tmp_path / "one", students), pseudonyms(tmp_path / "other", students)
    assert sum(one[s] == other[s] for s in students) < 5
    assert sorted(one.values()) != list(one.values())


def test_words_are_no_first_names_and_occur_once():
    words = [*COLOURS, *ANIMALS]
    assert len(set(words)) == len(words) and len(COLOURS) * len(ANIMALS) > 2000
    first_names = (
        "amber coral hazel jade jay martin olive pearl robin rose ruby scarlet violet wren"
    )
    assert not set(words) & set(first_names.split())


def test_a_student_who_is_called_like_a_pseudonym_confuses_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr("llm.classroom.names._ANY", ["red-fox", "blue-hare", "teal-owl"])
    drawn = pseudonyms(tmp_path, ["Red-Fox", "ann"])
    assert set(drawn.values()) == {"blue-hare", "teal-owl"}
    with pytest.raises(ValueError, match="1 pseudonyms are needed and 0 are left"):
        pseudonyms(tmp_path, ["bob"])


RACE = """
import sys, time
from pathlib import Path
from llm.classroom.names import pseudonyms

root, who = Path(sys.argv[1]), sys.argv[2]
(root / f"{who}.ready").touch()
while len(list(root.glob("*.ready"))) < 2:
    time.sleep(0.001)
for i in range(40):
    pseudonyms(root, [f"{who}{i}", f"both{i}"])
"""


def test_two_processes_at_once_give_no_name_twice(tmp_path):
    command = [sys.executable, "-c", RACE, f"{tmp_path}"]
    running = [subprocess.Popen([*command, who], cwd=ROOT) for who in "ab"]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    known = read_names(tmp_path)
    assert len(known) == len(set(known.values())) == 120


@pytest.mark.parametrize("pseudonym", ["../../etc", "Red Fox", ""])
def test_a_pseudonym_that_is_no_file_name_is_refused(tmp_path, pseudonym):
    (tmp_path / "names.csv").write_text(f"student,pseudonym\nann,{pseudonym}\n")
    with pytest.raises(ValueError, match="row 2: .* is no pseudonym"):
        pseudonyms(tmp_path, ["bob"])


def test_a_pseudonym_given_twice_is_refused(tmp_path):
    (tmp_path / "names.csv").write_text("student,pseudonym\nann,red-fox\nbob,red-fox\n")
    with pytest.raises(ValueError, match="row 3: bob, red-fox twice"):
        pseudonyms(tmp_path, ["ann"])


# --- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\n=1", "\t=1", "＝1"])
def test_no_cell_is_a_formula(text):
    assert guarded(text) == "'" + text
    assert unguarded(guarded(text)) == text


@given(st.text())
def test_guarding_can_be_undone(text):
    assert unguarded(guarded(text)) == text


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))))
def test_a_table_comes_back_as_it_was(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    table = [{"n": f"{i}", "text": text} for i, text in enumerate(texts)]
    write_table(path, Table(table, ("n", "text")))
    assert read_table(path, ("n", "text")).rows == table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_of_a_spreadsheet_is_kept(tmp_path, separator):
    path = tmp_path / "table.csv"
    path.write_text(separator.join(["name", "text"]) + "\r\n" + separator.join(["a", "b"]) + "\r\n")
    table = read_table(path, ("name",))
    assert table.rows == [{"name": "a", "text": "b"}]
    write_table(path, table)
    assert separator.join(["a", "b"]) in path.read_text("utf-8-sig")


def test_other_files_are_refused_with_a_way_out(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes("name\nFran\xe7ois".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8 .* save it again"):
        read_table(path, ("name",))
    path.write_text("nom\nann\n")
    with pytest.raises(ValueError, match="no column 'name'"):
        read_table(path, ("name",))


def test_a_file_that_would_stay_the_same_is_not_touched(course):
    report(course)
    path = course.reports / "written.csv"
    before = path.stat().st_mtime_ns
    report(course)
    assert path.stat().st_mtime_ns == before


# --- bugs -------------------------------------------------------------------------------------


def test_every_sentence_of_every_catalogue_is_found():
    sentences = bugs._catalogues()
    assert len(sentences) > 550 and SCALE in sentences
    for sentence in sentences:
        bug = bug_in(f"some_name: {sentence} some_name(3) should be 7, yours is 8")
        assert (bug.function, bug.sentence) == ("some_name", sentence)


def test_a_real_message_names_its_bug():
    from llm.checks import check_attention

    messages = []
    for seed in (0, 5):
        with pytest.raises(AssertionError) as failed:
            check_attention(attention_bugs.ATTENTION_BUGS[SCALE], seed=seed)
        messages.append(f"{failed.value}")
    assert messages[0] != messages[1]
    assert {bug_in(message).sentence for message in messages} == {SCALE}
    function, sentence, example = in_words(messages[0])
    assert (function, sentence) == ("attention", SCALE)
    assert example and SCALE not in example and example in messages[0]


@pytest.mark.parametrize(
    "messages, sentence",
    [
        (["TypeError: f() takes 2", "TypeError: can't add"], "it stops with a TypeError."),
        (["IndexError: 3, in line 2 of the cell scale"], "it stops with an IndexError."),
        (["f: f(3) should be 7, yours raises KeyError: 3"], "it stops with a KeyError."),
        (["f: f(3) should be 7, yours is 8"], bugs.UNKNOWN),
        (["not written yet", "f: not written yet; replace the line"], bugs.NOT_WRITTEN),
        (["x: 4.5 is too much. So it is.", "x: -3 is too much."], "4.5 is too much."),
    ],
)
def test_other_messages_are_grouped_by_kind(messages, sentence):
    found = list(map(bug_in, messages))
    assert found[0].sentence == sentence and set(found) == {found[0]}


def test_messages_of_other_functions_or_words_are_other_bugs():
    messages = ["x: 4 is too much.", "y: 4 is too much.", "x: 4 is too little.", "KeyError: 4"]
    assert len(set(map(bug_in, messages))) == 4


def test_a_sentence_of_a_notebook_is_told_as_it_stands():
    assert in_words("rows: 4.5 comes when rows count.") == (
        "rows",
        "4.5 comes when rows count.",
        "",
    )


def headings(chapter: str) -> list[str]:
    notebook = json.loads((ROOT / "chapters" / f"{chapter}.ipynb").read_text())
    texts = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    return re.findall(r"^#{1,3} (.+)$", "\n".join(texts), re.MULTILINE)


def test_what_to_read_again_stands_in_the_book():
    for chapter, sections in bugs._sections().items():
        assert not set(sections.values()) - set(headings(chapter)), chapter
        assert sections["chapter"] == headings(chapter)[0]


def test_every_catalogue_leads_to_its_chapter_and_nearly_all_to_a_section():
    catalogues = set(bugs._catalogues().values())
    found = [to_read(bugs.Bug("", "", "", catalogue)) for catalogue in catalogues]
    assert all(chapter for chapter, _ in found)
    assert sum(bool(section) for _, section in found) > 0.8 * len(found)


def test_a_catalogue_for_each_convention_gives_its_sentences():
    assert list(bugs._sentences({"one": {"a b": len, "c d": len}, "e f": len})) == [
        "a b",
        "c d",
        "e f",
    ]


def test_an_unknown_message_sends_nobody_to_read():
    assert to_read(bug_in("KeyError: 3")) == ("", "")


def test_a_sentence_begins_large_but_no_name_does():
    sentences = ["ran too long", "cat_after is None", "shapes['ids'] is None", "x is 3", ""]
    begun = [bugs.begun(sentence) for sentence in sentences]
    assert begun == ["Ran too long", *sentences[1:]]


# --- grades -----------------------------------------------------------------------------------


def test_columns_follow_the_notebook_in_all_variants():
    assert in_order([["a", "c"], ["a", "b", "c"], ["d", "c", "e"]]) == ["a", "b", "d", "c", "e"]


def test_grades_by_hand(tmp_path):
    first = [check("scale"), check("mask", 0, "wrong"), written("Yes.")]
    write_result(tmp_path, "ann", cells=first)
    write_result(tmp_path, "bob", variant=1, cells=[check("base", 2.5), *first[:2]])
    write_result(tmp_path, "bob", "training", cells=[check("warm", 3)])
    (tmp_path / "submitted" / "eve").mkdir()
    report(Course(tmp_path), real_names=True)
    ann, bob, eve = rows(tmp_path / "reports" / "grades.csv")
    test, attention = "attention: {}-test", "attention: {}"
    assert list(ann)[:4] == ["student", *map(test.format, ("base", "scale", "mask"))]
    assert [ann[attention.format(c)] for c in ("written", "total", "open")] == ["", "4", "8"]
    assert [bob[test.format(c)] for c in ("base", "scale", "mask")] == ["2.5", "4", "0"]
    assert ann[test.format("base")] == "" and bob["total"] == "9.5" and ann["open"] == "8"
    assert (eve["student"], eve[attention.format("total")], eve["total"]) == ("eve", "", "0")


def test_rows_are_in_the_order_of_pseudonyms(reported):
    names = [row["student"] for row in rows(reported.reports / "grades.csv")]
    assert names == sorted(names) and set(names) == set(read_names(reported.root).values())


def test_totals_are_the_sum_of_the_columns(reported):
    for row in rows(reported.reports / "grades.csv"):
        tests = [float(v) for k, v in row.items() if k.endswith("-test") and v]
        assert sum(tests) == float(row["total"]) and row["open"] == "8"


def test_a_broken_result_is_named(course):
    path = course.root / "graded" / "hopper.grace" / "attention" / "result.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"hopper\.grace.*remove it and grade again"):
        report(course)


# --- written answers --------------------------------------------------------------------------


def test_points_and_comments_reach_grades_and_page(course):
    report(course)
    fill_in(course, "lovelace.ada", points="6,5", comment="- good\n=and short")
    report(course, real_names=True)
    hopper, ada = rows(course.reports / "grades.csv")
    assert (ada["attention: written"], ada["total"], ada["open"]) == ("6.5", "10.5", "0")
    assert (hopper["attention: written"], hopper["open"]) == ("", "8")
    assert "- good\n=and short" in page_of(course, "lovelace.ada")
    assert "Your teacher will read this" in page_of(course, "hopper.grace")
    assert "Your teacher will read this" not in page_of(course, "lovelace.ada")


def test_what_the_teacher_wrote_stays(course):
    report(course)
    fill_in(course, "lovelace.ada", points="7", comment="Clear.")
    write_result(course.root, "turing.alan", cells=[written("=cmd|' /C calc'!A0")])
    report(course)
    table = {row["pseudonym"]: row for row in rows(course.reports / "written.csv")}
    names = read_names(course.root)
    ada, alan = table[names["lovelace.ada"]], table[names["turing.alan"]]
    assert (ada["points"], ada["comment"], ada["changed"]) == ("7", "Clear.", "")
    assert (alan["points"], alan["answer"]) == ("", "'=cmd|' /C calc'!A0")
    assert len(table) == 3


def test_an_answer_that_changed_after_its_points_is_flagged(course):
    report(course)
    fill_in(course, "lovelace.ada", points="7")
    for student in ("lovelace.ada", "hopper.grace"):
        change(course.root, student, cells=[written("Softmax is steep.")])
    report(course)
    flags = {row["pseudonym"]: row["changed"] for row in rows(course.reports / "written.csv")}
    names = read_names(course.root)
    assert "has changed" in flags[names["lovelace.ada"]] and not flags[names["hopper.grace"]]
    fill_in(course, "lovelace.ada", changed="")
    report(course)
    table = rows(course.reports / "written.csv")
    assert not any(row["changed"] for row in table)
    assert {row["answer"] for row in table} == {"Softmax is steep."}


def test_columns_of_the_teacher_are_kept(course):
    report(course)
    path = course.reports / "written.csv"
    lines = path.read_text("utf-8-sig").splitlines()
    path.write_text("\n".join([f"{lines[0]},mine", *(f"{line},note" for line in lines[1:])]))
    change(course.root, "lovelace.ada", cells=[written("Another answer.")])
    report(course)
    assert [row["mine"] for row in rows(path)] == ["note", "note"]


@pytest.mark.parametrize("points", ["many", "9", "-1", "nan", "1e9"])
def test_a_slip_of_the_teacher_is_named_and_changes_nothing(course, points):
    report(course)
    fill_in(course, "hopper.grace", points=points)
    name = read_names(course.root)["hopper.grace"]
    before = (course.reports / "written.csv").read_bytes()
    with pytest.raises(ValueError, match=rf"row [23] \({name}, written\).*'{points}'.* 0 to 8"):
        report(course)
    assert (course.reports / "written.csv").read_bytes() == before


def test_a_row_that_stands_there_twice_is_refused(course):
    report(course)
    path = course.reports / "written.csv"
    text = path.read_text("utf-8-sig")
    path.write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(ValueError, match="row 4: .* twice"):
        report(course)


def test_an_endless_answer_fits_into_a_cell(course):
    change(course.root, "hopper.grace", cells=[written("long " * LONGEST)])
    report(course)
    report(course)
    cells = [row["answer"] for row in rows(course.reports / "written.csv")]
    assert max(map(len, cells)) < 32_767
    assert not any(row["changed"] for row in rows(course.reports / "written.csv"))


def test_an_answer_that_was_not_written_waits_for_nobody(course):
    empty = written("Your answer here.", points=0) | {"message": "not written yet"}
    change(course.root, "hopper.grace", cells=[empty])
    report(course)
    assert len(rows(course.reports / "written.csv")) == 1
    assert "You have not written an answer." in page_of(course, "hopper.grace")


# --- pages ------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The tags of a page, where its links lead, and its text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.links, self.ids, self.text = [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.links += [found[name] for name in ("href", "src") if name in found]
        self.ids += [found["id"]] if "id" in found else []

    def handle_data(self, data):
        self.text += data


def made_files(course: Course) -> list[Path]:
    return [path for path in course.reports.rglob("*") if path.is_file()]


def test_no_page_table_or_title_holds_a_real_name(reported):
    files = made_files(reported)
    assert len(files) == 33
    for path in files:
        text = path.read_text("utf-8") + path.name
        assert not [name for name in PEOPLE if name in text or name.split(".")[0] in text.lower()]


def test_a_name_in_a_note_or_an_error_becomes_the_pseudonym(course):
    note = "More notebooks were handed in; submitted/lovelace.ada/a.ipynb was taken."
    cells = [check("scale", 0, "OSError: no file /home/lovelace.ada/x, lovelace.ada2")]
    change(course.root, "lovelace.ada", notes=[note], cells=cells)
    report(course)
    page, name = page_of(course, "lovelace.ada"), read_names(course.root)["lovelace.ada"]
    assert f"submitted/{name}/a.ipynb" in page and f"/home/{name}/x" in page
    assert "lovelace.ada2" in page and "lovelace.ada/" not in page


def test_real_names_stand_in_the_table_of_grades_alone(course):
    report(course, real_names=True)
    held = [path.name for path in made_files(course) if "lovelace" in path.read_text("utf-8")]
    assert held == ["grades.csv"]
    report(course)
    assert "lovelace" not in (course.reports / "grades.csv").read_text()


def test_students_text_is_never_markup(reported):
    page = (reported.reports / "class.html").read_text()
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page
    for path in (reported.reports / "students").glob("*.html"):
        tags = Page(path.read_text()).tags
        assert not {"script", "img", "iframe", "b"} & set(tags), path.name


def test_markup_in_a_message_note_or_title_is_text_too(course):
    evil = "<img src=x onerror=alert(1)>"
    cells = [check("scale", 0, f"f: {evil}") | {"title": evil}, written(evil)]
    change(course.root, "hopper.grace", notes=[evil], cells=cells)
    report(course)
    for text in (page_of(course, "hopper.grace"), (course.reports / "class.html").read_text()):
        assert "img" not in Page(text).tags and evil in Page(text).text


def test_dollars_and_long_words_do_not_stop_a_picture(course):
    odd = "x: $\\frac{$ costs $1 " + "long" * 300
    cells = [check("scale", 0, odd) | {"title": "$\\frac{$ of $x$"}]
    change(course.root, "hopper.grace", cells=cells)
    page = Page(report(course).read_text())
    assert "$\\frac{$ of $x$" in page.text and "$\\frac{$ costs" in page.text


def test_a_sentence_that_differs_by_numbers_is_shown_without_them(course):
    for student, value in {"hopper.grace": 3, "lovelace.ada": 4}.items():
        change(course.root, student, cells=[check("scale", 0, f"x: {value} is too much.")])
    change(course.root, "hopper.grace", cells=[check("scale", 0, "x: 3 is too much.")])
    assert "x: … is too much." in report(course).read_text()
    change(course.root, "lovelace.ada", cells=[check("scale")])
    assert "x: 3 is too much." in report(course).read_text()


def test_a_student_page_links_to_nobody(reported):
    for path in (reported.reports / "students").glob("*.html"):
        assert Page(path.read_text()).links == ["data:,"]


def test_the_class_page_links_to_pages_that_are_there(reported):
    page = Page((reported.reports / "class.html").read_text())
    links = {link for link in page.links if link.startswith("students/")}
    assert len(links) == 30
    assert all((reported.reports / link).is_file() for link in links)
    assert len(page.ids) == len(set(page.ids))


def test_a_page_names_the_bug_and_what_to_read_again(course):
    message = f"attention: {SCALE} attention(q) should be 1, yours is 2"
    cells = [check("scale", 0, message), check("mask", 2), written("Yes.")]
    change(course.root, "hopper.grace", cells=cells)
    report(course)
    text = " ".join(Page(page_of(course, "hopper.grace")).text.split())
    assert f"In attention: {SCALE} attention(q) should be 1, yours is 2" in text
    assert "Read again: Attention, section “The same in code and in symbols”." in text
    assert "One step is left: Scale." in text and "2 of 16 points" in text
    assert "8 to come" in text and "2 of 4" in text


def test_tests_under_one_heading_are_one_step(course):
    message = f"attention: {SCALE} attention({{}}) should be 1, yours is 2"
    cells = [check("scale", 0, message.format(1)), check("mask"), check("rope", 0, "x: no.")]
    cells += [check("bias", 0, message.format(2)), check("last")]
    cells = [cell | {"title": "2 · Scores"} for cell in cells[:4]] + cells[4:]
    change(course.root, "hopper.grace", cells=cells)
    report(course)
    text = " ".join(Page(page_of(course, "hopper.grace")).text.split())
    assert text.count("2 · Scores") == 2 and "2 · Scores 4 of 16" in text
    assert text.count(SCALE) == 1 and "In x: no." in text and "One step is left" in text


def test_the_title_of_an_assignment_comes_from_its_notebook(course):
    notebook = {"cells": [], "nbformat": 4, "nbformat_minor": 5}
    notebook["metadata"] = {"assignment": {"title": "Build attention"}}
    course.release("attention").parent.mkdir(parents=True)
    course.release("attention").write_text(json.dumps(notebook))
    assert "<h2>Build attention</h2>" in report(course).read_text()


def test_pages_of_students_who_are_gone_are_removed(course):
    old = course.reports / "students" / "old-fox.html"
    old.parent.mkdir(parents=True)
    old.write_text("")
    report(course)
    assert not old.exists() and len(list(old.parent.iterdir())) == 2


def test_the_class_page_counts(course):
    message = f"attention: {SCALE} attention(q: ({{}}, 2)) should be 1, yours is 2"
    for student, size in {"lovelace.ada": 3, "hopper.grace": 4, "turing.alan": 5}.items():
        cells = [check("scale", 0, message.format(size)), check("mask", 3), written("Yes.")]
        write_result(course.root, student, cells=cells)
    change(course.root, "turing.alan", cells=[check("scale"), check("mask", 1), written("No.")])
    write_result(course.root, "babbage.charles").unlink()
    results, names = named_results(course)
    seen = sheet(course, "attention", results, names)
    assert seen["waiting"] == [names["babbage.charles"]]
    (bug, who), *others = seen["bugs"]
    assert bug.sentence == SCALE and not others
    assert who == sorted([names["lovelace.ada"], names["hopper.grace"]])
    assert [row[:3] for row in seen["lost"]] == [("Scale", 8 / 3, 4), ("Mask", 5 / 3, 4)]
    assert "points. 1.6 to 3.2: 2; 4.8 to 6.4: 1" in seen["histogram"]
    assert (seen["median"], seen["n_open"], seen["looks"]) == (3, 3, [])
    page = report(course).read_text()
    assert f"Not graded yet: {names['babbage.charles']}." in page
    assert page.count('role="img"') == 3


def test_a_written_part_counts_as_lost_once_all_answers_are_read(course):
    report(course)
    fill_in(course, "hopper.grace", points="6")
    assert list(lost_titles(course)) == ["Scale"]
    fill_in(course, "lovelace.ada", points="8")
    assert lost_titles(course)["9 · In your words"] == "1.0 of 8"


def lost_titles(course: Course) -> dict[str, str]:
    results, names = named_results(course)
    return {row[0]: row[3] for row in sheet(course, "attention", results, names)["lost"]}


@pytest.mark.parametrize(
    "change_of, reason",
    [
        ({"notes": ["scale.ipynb is not a whole notebook (3 bytes)."]}, "not a whole notebook"),
        ({"notes": ["Your code replaced torch.allclose; it was put back."]}, "torch.allclose"),
        ({"notes": ["The answer scale imports llm, the book's own code."]}, "book's own code"),
        ({"notes": ["The locked cell scale-test was edited; it was put back."]}, "scale-test"),
        ({"notes": ["The locked cell setup was edited; it was put back."]}, None),
        ({"notes": ["3 cells of your own, do not count: only answer cells are graded."]}, None),
        ({"cells": [check("scale", 0, "ran longer than 8 seconds: an endless loop?")]}, "endless"),
        ({"cells": [check("scale", 0, "f: wrong.")]}, "No test passed"),
        ({"cells": [check("scale", 0, "f: wrong."), check("mask")]}, None),
    ],
)
def test_what_is_worth_a_look(course, change_of, reason):
    change(course.root, "hopper.grace", **change_of)
    results, names = named_results(course)
    looks = sheet(course, "attention", results, names)["looks"]
    assert bool(looks) == bool(reason)
    if reason:
        assert looks[0][0].student == "hopper.grace" and reason in " ".join(looks[0][1])


def test_a_course_without_results_says_so(tmp_path):
    assert "Nothing is graded yet" in report(Course(tmp_path)).read_text()


def test_a_notebook_without_tests_stops_nothing(tmp_path):
    write_result(tmp_path, "ann", cells=[])
    write_result(tmp_path, "ann", "training", cells=[check("free", 0, most=0)])
    assert "median of 0 points" in " ".join(report(Course(tmp_path)).read_text().split())


def test_grades_of_nobody(tmp_path):
    assert grades([], {}).rows == []


# --- deleting ---------------------------------------------------------------------------------


def everything(root: Path) -> dict[str, bytes]:
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def full(course) -> Course:
    """The two students with all that a course can hold, reported."""
    for folder in ("source/attention", "release/attention", "clean/hopper.grace/attention"):
        (course.root / folder).mkdir(parents=True)
        (course.root / folder / "note.txt").write_text("kept")
    report(course)
    return course


def run(course: Course, *arguments: str) -> int:
    return main(["delete", *arguments, "--course", f"{course.root}"])


def test_without_yes_nothing_is_deleted(full, capsys):
    before = everything(full.root)
    assert run(full, "hopper.grace") == 0
    told, name = capsys.readouterr().out, read_names(full.root)["hopper.grace"]
    assert everything(full.root) == before
    for line in ("submitted/hopper.grace/", "clean/hopper.grace/", "graded/hopper.grace/"):
        assert line in told
    for line in (f"students/{name}.html", "names.csv: rows 1", "grades.csv: rows 1", "add --yes"):
        assert line in told
    assert "written.csv: rows 1" in told and "lovelace" not in told


@pytest.mark.parametrize("by_pseudonym", [False, True])
def test_deleting_removes_one_student_and_nobody_else(full, by_pseudonym):
    before, gone = everything(full.root), read_names(full.root)["hopper.grace"]
    assert run(full, gone if by_pseudonym else "hopper.grace", "--yes") == 0
    after = everything(full.root)
    for name, data in after.items():
        assert b"hopper.grace" not in data and gone.encode() not in data, name
        assert "hopper.grace" not in name and gone not in name
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"names.csv", "reports/grades.csv", "reports/written.csv"}
    assert len(before) - len(after) == 5  # handed in, put back, graded, two pages
    report(full)
    assert gone not in (full.reports / "class.html").read_text()


def test_points_of_others_survive_a_deletion(full):
    fill_in(full, "lovelace.ada", points="7")
    run(full, "hopper.grace", "--yes")
    (row,) = rows(full.reports / "written.csv")
    assert row["points"] == "7"


def test_deleting_everyone_leaves_the_assignments(full):
    assert run(full, "--all", "--yes") == 0
    assert {name.split("/")[0] for name in everything(full.root)} == {
        "names.csv",
        "reports",
        "source",
        "release",
    }
    left = everything(full.root)
    assert not any(b"hopper" in data or b"lovelace" in data for data in left.values())
    assert "reports/class.html" not in left and not rows(full.reports / "grades.csv")


def test_an_unknown_student_deletes_nothing(full, capsys):
    before = everything(full.root)
    for name in ("hoper.grace", "../source", "", ".", "source"):
        assert run(full, name, "--yes") == 1
    assert "did you mean hopper.grace?" in capsys.readouterr().err
    assert run(full) == 1 and run(full, "hopper.grace", "--all", "--yes") == 1
    assert everything(full.root) == before


@pytest.mark.parametrize("link", ["submitted/hopper.grace", "submitted", "clean/evil", "reports"])
def test_links_out_of_the_course_are_not_followed(full, tmp_path_factory, link, capsys):
    outside = tmp_path_factory.mktemp("outside")
    place = full.root / link
    if place.exists():
        place.rename(outside / "moved")
    (outside / "moved").mkdir(exist_ok=True)
    place.symlink_to(outside / "moved")
    before = everything(full.root), everything(outside)
    assert run(full, "--all", "--yes") == 1
    assert "leads to" in capsys.readouterr().err
    assert (everything(full.root), everything(outside)) == before


def test_a_link_inside_a_students_folder_is_removed_and_its_target_stays(full, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "kept.txt").write_text("kept")
    (full.root / "submitted" / "hopper.grace" / "link").symlink_to(outside)
    assert run(full, "hopper.grace", "--yes") == 0
    assert not (full.root / "submitted" / "hopper.grace").exists()
    assert (outside / "kept.txt").exists()


def test_report_as_a_command(course, capsys):
    assert main(["report", "--names", "--course", f"{course.root}"]) == 0
    assert "class.html" in capsys.readouterr().out
    assert "lovelace.ada" in (course.reports / "grades.csv").read_text()
