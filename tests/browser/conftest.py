"""Fixtures of the browser tests: Chromium, the built site, and a server for it.

With ``LLM_SITE_ZIP=_build/inside-an-llm.zip`` the site is that of the zip, and what would be asked
of the server is opened as a file: what a reader does who unpacks it and clicks twice.
"""

import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tools import ROOT, serve

sys.path.append(str(ROOT / "scripts"))
from screenshots import FLAGS, chromium  # noqa: E402


@pytest.fixture(scope="session")
def chromium_browser() -> Iterator[Browser]:
    """The system's Chromium, headless. Without one the tests are skipped, or fail if CI=true."""
    executable = chromium()
    if executable is None:
        message = "browser tests need Chromium: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """Folder of the built site."""
    if packed := os.environ.get("LLM_SITE_ZIP"):
        unpacked = tmp_path_factory.mktemp("unpacked")
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(unpacked)
        return unpacked / "inside-an-llm"
    folder = ROOT / "_build" / "html"
    if not (folder / "chapters" / "index.html").exists():
        pytest.fail(f"no built site in {folder.relative_to(ROOT)}: run `make book` first")
    return folder


@pytest.fixture(scope="session")
def server(site: Path) -> Iterator[str]:
    """Address of a local web server for the site, such as ``http://127.0.0.1:41234``."""
    if "LLM_SITE_ZIP" in os.environ:
        yield site.as_uri()
        return
    with serve(site) as address:
        yield address
