"""Execute notebooks in place and leave in them only what a reader of a diff wants to see.

    python scripts/normalise_notebooks.py chapters/tokenization.ipynb …

The first code cell is that of ``chapters/bootstrap.py``, in every notebook. An assignment has
``assignments/how_to.md`` before it. Text results stay. The HTML of views and the PNG of plots go:
the site makes them anew. Execution counts run from 1, cell ids count up or are those of nbgrader,
and nothing says when or where a cell ran.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

KEPT_METADATA = {"kernelspec", "language_info", "chapter", "assignment"}
KEPT_CELL_METADATA = {"tags", "nbgrader"}
KEPT_OUTPUTS = {"text/plain"}
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
ROOT = Path(__file__).resolve().parents[1]
BOOTSTRAP = ROOT / "chapters" / "bootstrap.py"
HOW_TO = ROOT / "assignments" / "how_to.md"
# Not on the site; folded in Colab, which shows its @title, and in JupyterLab.
BOOTSTRAP_METADATA = {
    "tags": ["bootstrap", "remove-cell"],
    "cellView": "form",
    "jupyter": {"source_hidden": True},
}


def bootstrap_source() -> str:
    """What the cell says that finds or installs the book's code."""
    return BOOTSTRAP.read_text(encoding="utf-8").strip()


def put_bootstrap(notebook: nbformat.NotebookNode) -> None:
    """Make the bootstrap cell the first code cell, in place of one that is there."""
    cells = [cell for cell in notebook.cells if not is_bootstrap(cell)]
    first = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
    cell = nbformat.v4.new_code_cell(bootstrap_source())
    cell.metadata = BOOTSTRAP_METADATA
    notebook.cells = [*cells[:first], cell, *cells[first:]]


def how_to_source(name: str) -> str:
    """What each assignment says on how it is worked on and handed in, with its own badge."""
    return HOW_TO.read_text(encoding="utf-8").strip().replace("NAME", name)


def put_how_to(notebook: nbformat.NotebookNode, name: str) -> None:
    """Make the second cell of an assignment the one that says how it works."""
    cells = [cell for cell in notebook.cells if "how-to" not in cell.metadata.get("tags", [])]
    cell = nbformat.v4.new_markdown_cell(how_to_source(name), metadata={"tags": ["how-to"]})
    notebook.cells = [*cells[:1], cell, *cells[1:]]


def is_bootstrap(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell carries the tag of the bootstrap cell."""
    return "bootstrap" in cell.metadata.get("tags", [])


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run every cell from the top, as the site does, with ``folder`` as working directory."""
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Remove what changes from run to run or from machine to machine."""
    for key in set(notebook.metadata) - KEPT_METADATA:
        del notebook.metadata[key]
    notebook.metadata["kernelspec"] = KERNEL
    notebook.metadata["language_info"] = {"name": "python"}
    count = 0
    for index, cell in enumerate(notebook.cells):
        cell.id = cell.metadata.get("nbgrader", {}).get("grade_id", f"cell-{index:03d}")
        kept = BOOTSTRAP_METADATA if is_bootstrap(cell) else KEPT_CELL_METADATA
        cell.metadata = {key: cell.metadata[key] for key in kept if key in cell.metadata}
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = [_normalised(output, count) for output in cell.outputs]


def _normalised(output, count: int):
    if "data" in output:
        output.data = {kind: value for kind, value in output.data.items() if kind in KEPT_OUTPUTS}
        output.metadata = {}
    if "execution_count" in output:
        output.execution_count = count
    return output


def main(paths: list[str]) -> None:
    for path in map(Path, paths):
        notebook = nbformat.read(path, as_version=4)
        put_bootstrap(notebook)
        if "assignment" in notebook.metadata:
            put_how_to(notebook, path.stem)
        execute(notebook, path.parent)
        normalise(notebook)
        nbformat.write(notebook, path)
        print(f"{path}: {len(notebook.cells)} cells, {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
