"""How fast the views' engine runs in a browser: ``python benchmarks/engine.py``.

Needs Chromium on the machine. The slow pace is a quarter of the usual one, as on an old phone.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from llm.data import stories
from llm.pretrained import load
from llm.views.language_model import ViewModel, tokens_of

sys.path.append(str(Path(__file__).parents[1] / "tests" / "browser"))
from engine_page import PACE, put_model, write_page  # noqa: E402

ROUNDS = 5


def main() -> None:
    executable = shutil.which("chromium")
    if executable is None:
        print("the engine's pace needs Chromium: apt-get install chromium")
        return
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(write_page(Path(folder) / "engine.html").as_uri())
        client = page.context.new_cdp_session(page)
        for name in ("storyteller", "bard"):
            model, tokenizer = load(name)
            put_model(page, ViewModel(name, model, tokenizer), inline=False)
            ids = tokens_of(model, tokenizer, stories(1, seed=4).documents[0])
            for rate in (1, 4):
                client.send("Emulation.setCPUThrottlingRate", {"rate": rate})
                best = max(page.evaluate(PACE, ids) for _ in range(ROUNDS))
                print(f"{name} in the browser, at 1/{rate} of the pace: {best:,.0f} tokens/s")
        browser.close()


if __name__ == "__main__":
    main()
