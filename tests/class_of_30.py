"""A class of thirty as the grader leaves it: names, bugs of the catalogues, and odd submissions."""

import json
from pathlib import Path
from random import Random

from llm.checks.attention_bugs import (
    ATTENTION_BUGS,
    MASK_BUGS,
    MERGE_BUGS,
    MULTI_HEAD_BUGS,
    ROPE_BUGS,
    SPLIT_BUGS,
)

PEOPLE = (
    "abara.ngozi bianchi.luca chen.wei dubois.amelie eriksson.nils ferrari.giulia garcia.mateo "
    "haddad.layla ivanova.olga jansen.pieter kowalski.ewa lopez.carmen mueller.jan nakamura.yui "
    "okafor.chidi petrov.ivan quispe.rosa rossi.elena sato.kenji tanaka.hiro ueda.mika vargas.luis "
    "weber.anna xu.ming yilmaz.deniz zhang.li almeida.rui bakker.sanne costa.joana dahl.freya"
).split()
STEPS = {  # grade_id: heading, points, function, catalogue
    "mask-test": ("1 · What a token may see", 4, "causal_mask", MASK_BUGS),
    "scale-test": ("2 · The scores", 4, "attention", ATTENTION_BUGS),
    "one-head-test": ("2 · The scores", 6, "attention", ATTENTION_BUGS),
    "split-test": ("3 · Into heads", 4, "split_heads", SPLIT_BUGS),
    "merge-test": ("4 · And back", 4, "merge_heads", MERGE_BUGS),
    "many-heads-test": ("5 · Many heads at once", 6, "multi_head", MULTI_HEAD_BUGS),
    "rope-test": ("6 · Positions, by turning", 6, "rope", ROPE_BUGS),
    "exhibit-test": ("7 · Bug museum: the story that knew its end", 4, "attention", ATTENTION_BUGS),
    "predict-test": ("8 · Before you run it", 4, "", {}),
}
ANSWERS = (
    "Without the root the scores grow with head_dim, so softmax puts all weight on one key.\n"
    "Its gradient is then close to 0, and training stands still.",
    "Dividing keeps the variance of the scores at 1: a product of D terms, each of variance 1.",
    "Because it says so in the paper.",
    '=HYPERLINK("http://example.org";"see here")',
    "If <b>T</b> is large & D small, then q·k < 1 mostly. <script>alert(1)</script>",
    "",
)


def make_class(root: Path, assignment: str = "attention", seed: int = 0) -> Path:
    """Fill a course folder with thirty graded submissions of one assignment."""
    random = Random(seed)
    for i, student in enumerate(PEOPLE):
        write_result(root, student, assignment, cells=cells(random, random.choice([0, 1, 2, 4, 7])))
        if i % 6 == 0:
            change(root, student, assignment, notes=[NOTES[i // 6]])
    return root


NOTES = (
    "The answer scale imports llm.attention, the book's own code.",
    "The locked cell rope-test was edited; it was put back as given out.",
    "3 cells of your own, which define helper, do not count: only answer cells are graded.",
    "Copy of attention.ipynb is not a whole notebook (312 bytes). Please hand it in again.",
    "The cell many-heads ran longer than 8 seconds and was stopped.",
)


def cells(random: Random, n_bugs: int) -> list[dict]:
    """Graded cells in which so many tests fail, as they do in classes: mostly the same ones."""
    likely = [1, 6, 3, 3, 4, 5, 6, 5, 2]
    wrong = set(random.choices(list(STEPS), likely, k=n_bugs))
    return [_check(random, grade_id, grade_id in wrong) for grade_id in STEPS] + [
        written(random.choice(ANSWERS))
    ]


def written(answer: str, points: float | None = None) -> dict:
    """The written question."""
    question = {"grade_id": "written", "title": "9 · In your words", "kind": "written"}
    return question | {"points": points, "max_points": 8, "message": "", "answer": answer}


def _check(random: Random, grade_id: str, wrong: bool) -> dict:
    title, most, function, bugs = STEPS[grade_id]
    known = list(bugs)[:5]
    message = _message(random, function, known) if wrong else ""
    points = {"points": 0 if wrong else most, "max_points": most}
    return {"grade_id": grade_id, "title": title, "kind": "check", **points, "message": message}


def _message(random: Random, function: str, sentences: list[str]) -> str:
    T, D = random.randint(2, 7), random.randint(2, 7)
    example = f"{function}(q: ({T}, {D}), k: ({T}, {D})) should be tensor {D}.25, yours is {T}.5"
    if not sentences:
        return f"{T} weights differ; the softmax runs over the keys, so each row adds up to 1."
    if random.random() < 0.2:
        return f"RuntimeError: The size of tensor a ({T}) must match the size of tensor b ({D})"
    likely = [8, 4, 2, 1, 1][: len(sentences)]
    return f"{function}: {random.choices(sentences, likely)[0]} {example}"


def write_result(root: Path, student: str, assignment: str = "attention", **fields) -> Path:
    """One result file, and the folder of what was handed in."""
    handed_in = root / "submitted" / student / f"{assignment}.ipynb"
    handed_in.parent.mkdir(parents=True, exist_ok=True)
    handed_in.write_text("{}")
    path = root / "graded" / student / assignment / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    usual = {"assignment": assignment, "variant": 0, "student": student, "key": "0", "seconds": 6.1}
    path.write_text(json.dumps(usual | {"notes": [], "cells": []} | fields), encoding="utf-8")
    return path


def change(root: Path, student: str, assignment: str = "attention", **fields) -> None:
    """Change some fields of a result."""
    path = root / "graded" / student / assignment / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields), encoding="utf-8")
