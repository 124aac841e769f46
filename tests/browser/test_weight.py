"""What a page weighs and how soon it can be read, as a reader on slow 4G meets it: gzipped."""

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tools import NARROW, ROOT, built_pages

pytestmark = pytest.mark.browser

PAGES = [page for page in built_pages(ROOT / "_build" / "html") if page.startswith("chapters/")]
LIMIT, LIMIT_WITH_DATA = 2.0e6, 2.6e6  # bytes; films and GPT-2's ranks are data
DATA = ("film-", "bpe-gpt2")
SLOW_4G = {"latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}
READABLE = 1500  # milliseconds


class _Gzipped(http.server.SimpleHTTPRequestHandler):
    """Serves files as public hosts do: text is compressed, and a connection is kept."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        body, packed = path.read_bytes(), path.suffix in {".html", ".js", ".css", ".svg"}
        body = _compressed(body) if packed else body
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test output free of one line a request."""


@functools.cache
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, 6)


@pytest.fixture(scope="module")
def gzip_server(site: Path) -> Iterator[str]:
    """Address of a server that compresses."""
    handler = functools.partial(_Gzipped, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("page", PAGES)
def test_weight(chromium_browser: Browser, gzip_server: str, page: str):
    """A chapter with all its views, read to the end and with every part unfolded."""
    tab, sizes = _counted(chromium_browser)
    tab.goto(f"{gzip_server}/{page}", wait_until="networkidle")
    _read_to_the_end(tab)
    total = sum(sizes.values())
    print(f"\n{page}: {total / 1e3:,.0f} kB", _largest(sizes))
    with_data = any(name.startswith(DATA) for name in sizes)
    tab.context.close()
    assert total < (LIMIT_WITH_DATA if with_data else LIMIT), _largest(sizes)
    assert sizes[Path(page).name] > 1000, "nothing was counted"


def _counted(browser: Browser) -> tuple[Page, dict[str, float]]:
    """A new page, and the bytes that come over the wire for it, by name of file."""
    tab = browser.new_context(viewport={"width": NARROW, "height": 900}).new_page()
    session, names, sizes = tab.context.new_cdp_session(tab), {}, {}
    session.send("Network.enable")

    def name(event: dict) -> None:
        names[event["requestId"]] = event["response"]["url"].split("?")[0].rsplit("/", 1)[1]

    def count(event: dict) -> None:
        file = names.get(event["requestId"], "")
        sizes[file] = sizes.get(file, 0) + event["encodedDataLength"]

    session.on("Network.responseReceived", name)
    session.on("Network.loadingFinished", count)
    return tab, sizes


def _read_to_the_end(tab: Page) -> None:
    """Unfold all, bring every view into sight, and wait for what it loads."""
    tab.evaluate("() => document.querySelectorAll('details').forEach((box) => (box.open = true))")
    for view in tab.locator(".llm-view").all():
        view.scroll_into_view_if_needed()
        tab.wait_for_function("view => !('pending' in view.dataset)", arg=view.element_handle())
    tab.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
    tab.wait_for_load_state("networkidle")


def _largest(sizes: dict[str, float]) -> str:
    first = sorted(sizes.items(), key=lambda entry: -entry[1])[:5]
    return ", ".join(f"{name} {size / 1e3:,.0f}" for name, size in first)


@pytest.mark.parametrize("page", PAGES)
def test_readable_soon_on_slow_4g(chromium_browser: Browser, gzip_server: str, page: str):
    """Title and first paragraph are painted before scripts and data have arrived."""
    tab = chromium_browser.new_context(viewport={"width": NARROW, "height": 900}).new_page()
    session = tab.context.new_cdp_session(tab)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {"offline": False, **SLOW_4G})
    tab.add_init_script(_NOTE_TEXT)
    tab.goto(f"{gzip_server}/{page}", wait_until="load", timeout=60_000)
    tab.wait_for_function("() => textSeen.h1 && textSeen.p")
    seen = tab.evaluate(
        "() => ({...textSeen, fcp: performance.getEntriesByName("
        "'first-contentful-paint')[0].startTime})"
    )
    print(f"\n{page}: " + ", ".join(f"{name} {time:,.0f} ms" for name, time in seen.items()))
    tab.context.close()
    assert set(seen) == {"h1", "p", "fcp"}
    assert max(seen.values()) < READABLE, seen


# When the title and the first paragraph were first painted: looked at in each frame.
_NOTE_TEXT = """
globalThis.textSeen = {};
const look = () => {
    for (const [name, selector] of [["h1", "article h1"], ["p", "article p"]]) {
        const node = document.querySelector(selector);
        const painted = performance.getEntriesByName("first-contentful-paint").length > 0;
        if (!(name in textSeen) && painted && node?.getBoundingClientRect().height > 0)
            textSeen[name] = performance.now();
    }
    if (Object.keys(textSeen).length < 2) requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
