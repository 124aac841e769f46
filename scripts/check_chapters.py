"""Check the form of every chapter by the rules of CONTRIBUTING.md; print faults, fail on any.

python scripts/check_chapters.py
"""

import re
import statistics
import sys
from pathlib import Path

import nbformat
from normalise_notebooks import bootstrap_source, is_bootstrap

FIELDS = {
    "question": str,
    "surprise": str,
    "objectives": list,
    "prerequisites": list,
    "minutes": int,
}
CORE_WORDS = (1800, 2500)
SLIDES = (10, 18)  # of a chapter, its title among them
SLIDE_WORDS = 110


def faults_of(path: Path) -> list[str]:
    """Everything about one notebook that breaks a rule."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return [
        *_metadata_faults(notebook.metadata.get("chapter", {})),
        *_bootstrap_faults(code),
        *_cell_faults([cell for cell in code if not is_bootstrap(cell)]),
        *_length_faults("\n\n".join(prose)),
        *_slide_faults(notebook.cells),
    ]


def _metadata_faults(chapter: dict) -> list[str]:
    wrong = [name for name, kind in FIELDS.items() if not isinstance(chapter.get(name), kind)]
    faults = [f"metadata chapter.{name} is missing or of another type" for name in wrong]
    if len(chapter.get("objectives", [])) > 5:
        faults.append(f"{len(chapter['objectives'])} objectives: five at most")
    return faults


def _bootstrap_faults(code: list) -> list[str]:
    """The first code cell, and no other, finds or installs the book's code, without a word."""
    marked = [is_bootstrap(cell) for cell in code]
    if marked[:1] != [True] or sum(marked) > 1 or code[0].source != bootstrap_source():
        return ["its first code cell is not that of chapters/bootstrap.py: run `make notebooks`"]
    return ["the bootstrap cell is committed with an output"] if code[0].outputs else []


def _cell_faults(code: list) -> list[str]:
    lengths = [len(cell.source.splitlines()) for cell in code]
    faults = [
        f"{cell.id}: {n} lines, 20 at most" for cell, n in zip(code, lengths, strict=True) if n > 20
    ]
    if statistics.median(lengths) > 5:
        faults.append(f"median cell has {statistics.median(lengths)} lines: 5 at most")
    faults += [f"{cell.id} is not executed" for cell in code if cell.execution_count is None]
    faults += [
        f"{cell.id} committed with an error"
        for cell in code
        for output in cell.outputs
        if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", [])
    ]
    compared = sum("nbval-check-output" in cell.metadata.get("tags", []) for cell in code)
    if compared < 15:
        faults.append(f"{compared} compared fact cells (tag nbval-check-output): at least 15")
    return faults


def _length_faults(prose: str) -> list[str]:
    core = prose.split("\n## Deeper")[0]
    low, high = CORE_WORDS
    words = _words(core)
    return [] if low <= words <= high else [f"{words} words in the core: {low} to {high}"]


def _words(prose: str) -> int:
    """How many words a reader meets: those of links count, addresses and formulas do not."""
    prose = re.sub(r"<[^>]+>|\]\([^)]*\)|\$[^$]*\$", " ", prose)
    return len(re.findall(r"[^\W\d_][\w’'-]*", prose))


def _slide_faults(cells: list) -> list[str]:
    """A talk has a few slides, of a few words each, and ends with what to remember."""
    slides = _slides(cells)
    low, high = SLIDES
    faults = (
        [] if low <= len(slides) + 1 <= high else [f"{len(slides) + 1} slides: {low} to {high}"]
    )
    if not slides or not slides[-1].startswith("## What to remember"):
        faults.append("its last slide is not what to remember")
    for slide in slides[:-1]:
        words = _words(re.sub(r"</summary>.*?</details>|!\[.*?\]\(", " ", slide, flags=re.DOTALL))
        if words > SLIDE_WORDS:
            faults.append(f"{words} words on a slide, {SLIDE_WORDS} at most: {slide[:40]!r}")
        if re.search(r"\n#+ ", slide):
            faults.append(f"a heading within a slide, not at its beginning: {slide[:40]!r}")
    return faults


def _slides(cells: list) -> list[str]:
    """The prose of each slide; a cell tagged `slide` begins one, `slide-continued` goes on."""
    slides: list[str] = []
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        prose = cell.source.strip() if cell.cell_type == "markdown" else ""
        if "slide" in tags:
            slides.append(prose)
        elif "slide-continued" in tags and slides:
            slides[-1] += f"\n\n{prose}"
    return slides


def main() -> int:
    chapters = sorted(Path("chapters").glob("*.ipynb"))
    faults = [f"{path}: {fault}" for path in chapters for fault in faults_of(path)]
    print("\n".join(faults) or f"{len(chapters)} chapter(s) keep the rules")
    return int(bool(faults) or not chapters)


if __name__ == "__main__":
    sys.exit(main())
