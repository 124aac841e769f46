"""The package as a whole: light to import, arrows one way, one name for one thing."""

import ast
import json
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import llm

PACKAGE = Path(llm.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "chapters").rglob("*.ipynb"))

IMPORT = """
import sys, time, torch

opened = []
sys.addaudithook(lambda event, _: opened.append(event) if event.startswith("socket.") else None)
times = []
for _ in range(5):
    for name in [name for name in sys.modules if name.split(".")[0] == "llm"]:
        del sys.modules[name]
    start = time.perf_counter()
    import llm
    times.append(time.perf_counter() - start)
llm.Transformer(llm.ModelConfig(vocab_size=5))
heavy = {"transformers", "matplotlib", "ipywidgets", "IPython", "tiktoken", "pooch"}
print(min(times), *(heavy & set(sys.modules)), *opened, sep="\\n")
"""


def test_importing_is_quick_silent_and_offline():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    seconds, *unwanted = done.stdout.split("\n")[:-1]
    assert float(seconds) < 0.1
    assert not unwanted


@pytest.mark.parametrize("name", llm.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(llm, name).__name__ == name
    assert name in dir(llm)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'llm' has no attribute 'Transfromer'"):
        _ = llm.Transfromer


def test_the_package_says_which_it_is():
    assert llm.__book__ == "Inside an LLM" and re.fullmatch(r"\d+\.\d+\.\d+", llm.__version__)


LEVELS = [  # a module may import from the lines above its own, and from its own without a cycle
    "config probes device style",
    "tokenization embeddings",
    "attention",
    "layer_block output",
    "generation initialization",
    "model",
    "training pretrained huggingface architectures bert_and_t5 scaling finetuning interpretability"
    " checkpoint optimizers llama data runs story_scores speculative",
    "train films views plots checks",
]
LEVEL = {name: i for i, names in enumerate(LEVELS) for name in names.split()}


def imports(source: str) -> set[str]:
    """The modules of the package that some source imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "llm":
            found |= {f"llm.{llm._HOME.get(alias.name, alias.name)}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.split(".")[1] for name in found if name.startswith("llm.")}


def arrows() -> dict[str, set[str]]:
    """For each module (or folder) of the package, what it imports of the others."""
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        name = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if name != "__init__":
            graph.setdefault(name, set()).update(imports(path.read_text()) - {name})
    return graph


def test_imports_are_found():
    source = "from llm.model import GPT\nfrom llm import softmax\ndef f():\n    import llm.data\n"
    assert imports(source) == {"model", "output", "data"}


def test_arrows_run_one_way():
    graph = arrows()
    assert {"config", "attention", "model"} <= set(graph)
    upward = [
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in others
        if name in LEVEL and LEVEL.get(other, 0) > LEVEL[name]
    ]
    assert not upward
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


FORBIDDEN = re.compile(r"\b(n_embd|block_size|num_heads|hidden_size)\b")
NAME_MAP = {"config.py", "huggingface.py", "bert_and_t5.py", "notation.md"}
NAME_MAP |= {
    "llama.ipynb",
    "llama_bugs.py",
    "llama_loading.py",
    "llama_loading_bugs.py",
}  # how to read a config.json
TEXTS = [
    path
    for folder in (PACKAGE, ROOT / "chapters")
    for path in sorted(folder.rglob("*"))
    if path.suffix in {".py", ".js", ".json", ".ipynb", ".md"} and path.name not in NAME_MAP
]


def test_other_projects_names_stay_in_the_name_map():
    assert len(TEXTS) > 20 and FORBIDDEN.search("x.n_embd")
    found = [
        f"{path.name}: {word}" for path in TEXTS for word in FORBIDDEN.findall(path.read_text())
    ]
    assert not found


DOCUMENTED = [path for path in MODULES if not path.name.endswith("_bugs.py")]  # faults on purpose


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_everything_public_has_a_docstring(path):
    tree = ast.parse(path.read_text())
    kinds = ast.FunctionDef | ast.ClassDef
    public = [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]
    missing = [node.name for node in public if not ast.get_docstring(node)]
    if path.stat().st_size and not ast.get_docstring(tree):
        missing.append("the module itself")
    assert not missing


def redefined(notebook: dict) -> set[str]:
    """Public names of the package that a notebook defines anew."""
    found = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            code = "\n".join("pass" if line.startswith(("%", "!")) else line for line in lines)
            nodes = ast.walk(ast.parse(code))
            found |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return found & set(llm.__all__)


def test_notebooks_define_no_public_name_anew():
    planted = "%matplotlib inline\ndef softmax(x):\n    return x\ndef mine(): pass"
    assert redefined({"cells": [{"cell_type": "code", "source": [planted]}]}) == {"softmax"}
    found = {path.name: redefined(json.loads(path.read_text())) for path in NOTEBOOKS}
    assert not {name: names for name, names in found.items() if names}
