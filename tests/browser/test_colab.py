"""Notebooks as in Colab: old IPython and ipywidgets, and each output in a frame without rights.

The environment is that of constraints-colab.txt. The book comes into it as it does in Colab, by
the first cell of a notebook; then the views are run, saved, and opened from what was saved.
"""

import html
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Frame
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from tools import network_faults, visit

sys.path.append(str(Path(__file__).parents[1]))
import environments  # noqa: E402

pytestmark = pytest.mark.browser

VIEWS = [  # a line for each, as in a cell; what is typed or pressed first must change the view
    'TokenizerView("The cat sat on the mat.")',
    'TrainingFilmView("storyteller")',
    'Quiz("tokenization")',
    "Playground()",
    "AttentionView()",
    "OutputView()",
    "BlockView()",
    "LensView()",
    "ScaleView()",
    "CacheView()",
    "EmbeddingView()",
    "PositionView()",
    "FineTuneView()",
]
COLAB = {  # of constraints-colab.txt, with the torch of .venv
    name: version
    for name, version in re.findall(
        r"^(\w+)==(\S+)", environments.CONSTRAINTS.read_text(), re.MULTILINE
    )
} | {"torch": metadata.version("torch")}
VERSIONS = f"""
from importlib.metadata import version
{{name: version(name) for name in {list(COLAB)}}}
"""
LIVE = """
import torch

from llm import GPT, TrainConfig, Trainer, live_training

data = torch.arange(400) % 7
model = GPT(vocab_size=7, max_seq_len=16, d_model=8, n_layers=1, n_heads=1)
live = live_training(Trainer(model, data, data, TrainConfig(steps=5, batch_size=2, seq_len=8)))
live.start()
live.wait(60)
live.panel.message.value, live.error
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment like Colab's."""
    return environments.overlay(
        tmp_path_factory.mktemp("colab") / "environment", environments.colab()
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> str:
    """The package as pip builds it."""
    source = environments.sources(tmp_path_factory.mktemp("source"))
    return str(environments.build_wheel(source, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def cells(python, wheel, tmp_path_factory) -> list[nbformat.NotebookNode]:
    """Those of a notebook that has set itself up, said its versions, trained, shown the views."""
    codes = [f"from llm import views\n\nviews.{view}" for view in VIEWS]
    path = tmp_path_factory.mktemp("empty") / "views.ipynb"
    environments.write_notebook(path, environments.bootstrap(), VERSIONS, LIVE, *codes)
    return environments.execute(python, path, LLM_BOOK_SOURCE=wheel).cells


@pytest.fixture
def frame(request, cells, chromium_browser, tmp_path) -> Iterator[Frame]:
    """A view's output from the saved notebook, alone in a frame without rights."""
    notebook = nbformat.v4.new_notebook(cells=[cells[3 + VIEWS.index(request.param)]])
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
    inner = html.escape(head + body, quote=True)
    outer = (
        f'<iframe sandbox="allow-scripts" title="output" width="900" height="850" srcdoc="{inner}">'
    )
    page = tmp_path / "page.html"
    page.write_text(f"{head}{outer}</iframe>", encoding="utf-8")
    with visit(chromium_browser, page.as_uri()) as seen:
        yield seen.page.frames[1]
        assert not network_faults(seen)


def test_pip_leaves_what_colab_has(cells):
    setup, versions = cells[:2]
    assert [output.name for output in setup.outputs] == ["stdout"]
    assert eval(versions.outputs[0].data["text/plain"]) == COLAB


def test_training_with_buttons_works_with_old_widgets(cells):
    assert "Finished at step 5." in cells[2].outputs[0].data["text/plain"]
    assert cells[2].outputs[0].data["text/plain"].endswith("None)")


def test_every_view_gives_html_text_and_picture(cells):
    for view, cell in zip(VIEWS, cells[3:], strict=True):
        (output,) = cell.outputs
        assert set(output.data) == {"text/html", "text/plain", "image/png"}, view


@pytest.mark.parametrize("frame", VIEWS, indirect=True)
def test_a_saved_view_answers_in_a_frame_without_rights(frame):
    frame.wait_for_selector(".llm-view[data-state=ready]")
    assert frame.evaluate("() => self.origin") == "null"
    controls = frame.locator("textarea, input[type=text], input[type=range], button").all()
    assert any(_answers(frame, control) for control in controls if _usable(control))
    assert frame.locator(".llm-view-error").count() == 0


def _usable(control) -> bool:
    return control.is_visible() and control.is_enabled()


def _answers(frame: Frame, control) -> bool:
    """Whether typing into a control, or pressing it, changes what the view shows."""
    before = frame.locator(".llm-view").inner_text()
    kind = control.evaluate("node => node.type")
    if kind in ("textarea", "text"):
        control.fill("brown fox")
    else:
        control.press("ArrowRight" if kind == "range" else "Enter")
    try:
        frame.wait_for_function(
            "before => document.querySelector('.llm-view').innerText !== before",
            arg=before,
            timeout=2000,
        )
    except PlaywrightTimeout:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted((environments.ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem
)
def test_a_whole_chapter_runs_alone(path, wheel, tmp_path):
    """And leaves the versions of torch, numpy and the others as they were."""
    python = environments.overlay(tmp_path / "environment", environments.colab())
    (tmp_path / "empty").mkdir()
    alone = tmp_path / "empty" / path.name
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(VERSIONS, id="versions"))
    nbformat.write(notebook, alone)
    notebook = environments.execute(python, alone, LLM_BOOK_SOURCE=wheel)
    errors = [
        (cell.id, output.evalue)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", [])
    ]
    assert not errors
    assert eval(notebook.cells[-1].outputs[0].data["text/plain"]) == COLAB
