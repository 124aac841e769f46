"""A blank page with the views' engine in it, for tests that call it directly."""

import base64
import json
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from llm.views.language_model import ViewModel, story_words
from llm.views.view import FOLDER, _order, _strip

MODULES = ("language_model.js", "sampling.js", "stories.js")
EXPOSED = "loadModel, Cache, distribution, draw, generator, readStory"

# Tokens a second of the model, one after the other, as while it writes.
PACE = """(ids) => {
    model.read = null;
    const start = performance.now();
    for (let n = 1; n <= ids.length; n++) model.next(ids.slice(0, n));
    return (1000 * ids.length) / (performance.now() - start);
}"""


def write_page(path: Path) -> Path:
    """A page whose ``window.engine`` holds what the modules export."""
    files = dict.fromkeys(file for module in MODULES for file in _order(module))
    script = "".join(_strip((FOLDER / file).read_text(encoding="utf-8")) for file in files)
    body = f'<script type="module">\n{script}\nwindow.engine = {{{EXPOSED}}};\n</script>'
    words = f"<script>window.words = {story_words()};</script>"
    head = '<meta charset="utf-8"><link rel="icon" href="data:,">'
    path.write_text(f"<!doctype html>{head}{words}{body}", encoding="utf-8")
    return path


def put_model(page: Page, model: ViewModel, inline: bool) -> None:
    """Load ``model`` in the page as ``window.model``."""
    page.evaluate(
        """async ({spec, files}) => {
            window.model = await engine.loadModel({load: async (name) => files[name]}, spec);
        }""",
        {"spec": model.spec(inline), "files": model.files(inline)},
    )


def acts(page: Page, ids: list[int], edits: str = "{}") -> dict[str, np.ndarray]:
    """Every activation of ``ids`` by name; ``edits`` is JavaScript for an object of edits."""
    packed = page.evaluate(
        """([ids, edits]) => {
            const acts = model.trace(ids, (0, eval)(`(${edits})`));
            const text = (values) => {
                const bytes = new Uint8Array(Float32Array.from(values).buffer);
                let letters = "";
                for (let i = 0; i < bytes.length; i += 4096)
                    letters += String.fromCharCode(...bytes.subarray(i, i + 4096));
                return btoa(letters);
            };
            return Object.entries(acts).map(([k, {values, shape}]) => [k, shape, text(values)]);
        }""",
        [ids, edits],
    )
    return {
        name: np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)
        for name, shape, text in packed
    }


def call(page: Page, code: str, argument=None):
    """Evaluate a JavaScript function in the page."""
    return page.evaluate(code, json.loads(json.dumps(argument)))
