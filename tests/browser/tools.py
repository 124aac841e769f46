"""What the browser tests look for. Every check returns a list of faults, empty when all is well."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

ROOT = Path(__file__).resolve().parents[2]
WIDE, NARROW = 1280, 360
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
NOT_PAGES = {"_static", "_sources", "_images", "views"}  # views: copies of pages of _shared


@dataclass
class Visit:
    """An open page with what it asked for and what it complained about so far."""

    page: Page
    origin: str
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)


@contextmanager
def visit(browser: Browser, url: str, width: int = WIDE, mode: str = "light") -> Iterator[Visit]:
    """Open ``url`` in a fresh profile and wait until math and views have settled."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=mode, reduced_motion="reduce"
    )
    page = context.new_page()
    seen = Visit(page, origin=_origin(url))
    _listen(seen)
    page.goto(url, wait_until="load")
    settle(page)
    yield seen
    context.close()


def settle(page: Page) -> None:
    """Wait for MathJax and two frames, so that what is measured is what a reader sees."""
    page.evaluate(
        """async () => {
            if (window.MathJax?.startup) await MathJax.startup.promise;
            await document.fonts.ready;
            for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
        }"""
    )


def set_mode(page: Page, mode: str) -> None:
    """Follow a reader whose system changes to ``light`` or ``dark``."""
    page.emulate_media(color_scheme=mode)
    settle(page)


def set_width(page: Page, width: int) -> None:
    """Resize the window."""
    page.set_viewport_size({"width": width, "height": 900})
    settle(page)


def built_pages(site: Path) -> list[str]:
    """Addresses, relative to the site, of every page that a reader can open."""
    pages = (path.relative_to(site) for path in sorted(site.rglob("*.html")))
    return [page.as_posix() for page in pages if page.parts[0] not in NOT_PAGES]


class serve:
    """Serve a folder on a free port of this machine, as a context manager."""

    def __init__(self, folder: Path):
        handler = functools.partial(_QuietHandler, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep the test output free of one line a request."""


# --- what the page asked for and said ---------------------------------------------------------


def other_host_requests(seen: Visit) -> list[str]:
    """Requests that leave the site: nothing may be loaded from another host."""
    own = ("data:", "blob:", "about:", seen.origin)
    return [f"asks another host: {url}" for url in seen.requests if not url.startswith(own)]


def failed_requests(seen: Visit) -> list[str]:
    """Requests that failed or were answered with an error."""
    return [f"request failed: {failure}" for failure in seen.failures]


def console_faults(seen: Visit) -> list[str]:
    """Errors and warnings in the console, and exceptions that nobody caught."""
    return [f"console {message}" for message in seen.console]


def network_faults(seen: Visit) -> list[str]:
    """All of the above."""
    return other_host_requests(seen) + failed_requests(seen) + console_faults(seen)


# --- what stands on the page ------------------------------------------------------------------


def math_faults(page: Page) -> list[str]:
    """Formulas that were not typeset, went wrong, or have no MathML for a screen reader."""
    return page.evaluate(
        r"""() => {
            const faults = [];
            const short = (node) => node.textContent.trim().slice(0, 60);
            for (const node of document.querySelectorAll(".math:not(.track)"))
                if (!node.querySelector("mjx-container"))
                    faults.push("math not typeset: " + short(node));
            for (const node of document.querySelectorAll("mjx-container")) {
                if (!node.querySelector("mjx-assistive-mml math"))
                    faults.push("math without MathML: " + short(node));
                if (node.querySelector("mjx-merror, [data-mjx-error]"))
                    faults.push("math with an error: " + short(node));
            }
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const skip = "pre, code, script, style, textarea, .llm-view, .math, mjx-container";
            while (walker.nextNode()) {
                const text = walker.currentNode;
                if (/\\\(|\\\[|\\begin\{/.test(text.data) && !text.parentElement.closest(skip))
                    faults.push("raw TeX in the text: " + text.data.trim().slice(0, 60));
            }
            return faults;
        }"""
    )


def axe_faults(page: Page) -> list[str]:
    """Violations of WCAG 2.2 A and AA that axe-core finds."""
    page.evaluate("source => { if (!window.axe) (0, eval)(source); }", AXE_SCRIPT)
    violations = page.evaluate(
        """async tags => {
            const options = {runOnly: tags, preload: false, resultTypes: ["violations"]};
            const found = await axe.run(options);
            return found.violations.flatMap(v => v.nodes.slice(0, 5).map(n =>
                [v.id, n.target.join(" "), n.failureSummary.split("\\n").slice(1).join(";")]));
        }""",
        AXE_TAGS,
    )
    return [f"axe {rule}: {where}: {why.strip()}" for rule, where, why in violations]


def sideways_scroll(page: Page) -> list[str]:
    """What makes the page wider than its window."""
    return page.evaluate(
        """() => {
            const limit = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= limit) return [];
            const inScroller = (node) => {
                const box = node.parentElement;
                if (!box || box === document.body) return false;
                return getComputedStyle(box).overflowX !== "visible" || inScroller(box);
            };
            const wide = [...document.body.querySelectorAll("*")].filter(
                (node) => node.getBoundingClientRect().right > limit + 0.5 && !inScroller(node));
            const names = wide.slice(0, 5).map((node) => node.cloneNode().outerHTML).join(", ");
            return [`page scrolls sideways at ${innerWidth} px: ${names}`];
        }"""
    )


def image_alt_faults(page: Page) -> list[str]:
    """Images whose alternative text is missing or is only a file's name."""
    return page.evaluate(
        r"""() => [...document.querySelectorAll("img, [role=img]")].flatMap((node) => {
            const text = node.getAttribute("alt") ?? node.getAttribute("aria-label")
                ?? (node.hasAttribute("aria-labelledby") ? "labelled" : null);
            const decorative = node.matches('img[alt=""]') && !node.closest("main");
            const source = (node.getAttribute("src") ?? node.localName).slice(0, 80);
            if (decorative) return [];
            if (text === null || text.trim() === "") return [`image without alt text: ${source}`];
            const path = /^\S*\.(png|jpe?g|svg|gif|webp)$|^[._\/]\S*\//i;
            return path.test(text.trim()) ? [`image whose alt text is a file name: ${text}`] : [];
        })"""
    )


def heading_faults(page: Page) -> list[str]:
    """One ``h1`` a page, no level left out on the way down, no empty heading."""
    headings = page.evaluate(
        """() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
            .filter((node) => !node.closest("dialog") && node.checkVisibility())
            .map((node) => [Number(node.localName[1]), node.textContent.trim()])"""
    )
    faults = [f"empty h{level}" for level, text in headings if not text]
    if sum(level == 1 for level, _ in headings) != 1:
        faults.append(f"a page has one h1, this has {[t for n, t in headings if n == 1]}")
    for (above, _), (level, text) in zip(headings, headings[1:], strict=False):
        if level > above + 1:
            faults.append(f"h{above} is followed by h{level} {text!r}")
    return faults


def page_faults(page: Page) -> list[str]:
    """Title, language, description, landmarks and a skip link."""
    return page.evaluate(
        """() => {
            const needed = {
                "html[lang]": "language", "title": "title", "meta[name=viewport]": "viewport",
                'meta[name=description][content]:not([content=""])': "description",
                "main": "main landmark",
            };
            if (document.querySelector("nav")) needed["a.skip-link[href^='#']"] = "skip link";
            const faults = Object.entries(needed)
                .filter(([selector]) => !document.querySelector(selector))
                .map(([, name]) => "page without " + name);
            const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
            const twice = new Set(ids.filter((id, i) => ids.indexOf(id) !== i));
            return faults.concat([...twice].map((id) => "id used twice: " + id));
        }"""
    )


def view_faults(page: Page) -> list[str]:
    """Views that did not mount: empty, or showing the message that a broken view leaves."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".llm-view")].flatMap((view) => {
            const name = view.dataset.view || view.id || "view";
            if (view.querySelector(".llm-view-error")) return [`${name}: shows an error`];
            if (view.dataset.state === "ready") return [];
            return [`${name}: not mounted (data-state is ${view.dataset.state ?? "missing"})`];
        })"""
    )


def unanswered_views(page: Page) -> list[str]:
    """Views in which nothing changes when their first field is typed in or their buttons pressed.

    Works through fields and buttons until one has an effect; leaves the views changed, and the
    sections open in which they were folded away.
    """
    page.evaluate("() => document.querySelectorAll('details').forEach((box) => (box.open = true))")
    faults = []
    for view in page.locator(".llm-view").all():
        controls = view.locator("textarea, input[type=text], button:not([disabled])").all()
        if not any(_answers(view, control) for control in controls if control.is_visible()):
            faults.append(f"{view.get_attribute('data-view')}: does not answer")
    return faults


def _answers(view: Locator, control: Locator) -> bool:
    """Whether using a control changes what the view shows."""
    before = view.inner_text()
    if control.evaluate("node => node.localName") == "button":
        control.click()
    else:
        control.fill("brown fox")
    try:
        view.page.wait_for_function(
            "([view, before]) => view.innerText !== before",
            arg=[view.element_handle(), before],
            timeout=2000,
        )
    except PlaywrightTimeout:
        return False
    return True


def load_views(page: Page) -> None:
    """Bring every view that is not folded away into sight, and wait until it has its data."""
    for view in page.locator(".llm-view").all():
        if view.is_visible():
            view.scroll_into_view_if_needed()
            loaded = "view => !('pending' in view.dataset)"
            page.wait_for_function(loaded, arg=view.element_handle())


def keyboard_faults(page: Page) -> list[str]:
    """Press Tab through the page: everything that can be seen is reached, seen, and left again."""
    expected = page.evaluate(_MARK_FOCUSABLE)
    page.evaluate(_BEGIN_AT_TOP)
    reached: dict[str, str] = {}
    for _ in range(2 * len(expected) + 20):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUSED)
        if stop is None or stop["key"] in reached:
            break
        reached[stop["key"]] = stop["fault"]
    faults = [fault for fault in reached.values() if fault]
    faults += [f"Tab never reaches {expected[key]}" for key in expected.keys() - reached.keys()]
    return faults


_MARK_FOCUSABLE = """() => {
    const names = {};
    const selector = "a[href], button, input, select, textarea, summary, [tabindex], iframe, audio";
    let count = 0;
    for (const node of document.querySelectorAll(selector)) {
        if (node.tabIndex < 0 || node.disabled || !node.checkVisibility({visibilityProperty: true}))
            continue;
        if (node.closest("[inert]")) continue;
        if (node.type === "radio" && node.name) {
            const group = [...document.getElementsByName(node.name)];
            const stop = group.find((radio) => radio.checked) ?? group[0];
            if (node !== stop) continue;
        }
        node.dataset.walk = count++;
        names[node.dataset.walk] = node.outerHTML.slice(0, 90);
    }
    return names;
}"""

_BEGIN_AT_TOP = """() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    scrollTo(0, 0);
}"""

_FOCUSED = """() => {
    const node = document.activeElement;
    if (!node || node === document.body || node === document.documentElement) return null;
    const style = getComputedStyle(node);
    const marked = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0)
        || style.boxShadow !== "none";
    const box = node.getBoundingClientRect();
    const inWindow = box.bottom > 0 && box.right > 0
        && box.top < innerHeight && box.left < innerWidth;
    const count = document.querySelectorAll("[data-walk]").length;
    node.dataset.walk ??= "extra-" + count;
    const name = node.outerHTML.slice(0, 90);
    const fault = !inWindow ? `focus outside the window on ${name}`
        : !marked ? `focus cannot be seen on ${name}` : "";
    return {key: node.dataset.walk, fault};
}"""


# --- links, read from the files ---------------------------------------------------------------


def link_faults(site: Path, pages: list[str] | None = None) -> list[str]:
    """Internal links and files that lead nowhere, in the given pages or in all of them."""
    faults, anchors = [], {}
    for page in pages or built_pages(site):
        source = site / page
        for link in _Links.of(source).targets:
            fault = _broken(source, link, anchors)
            if fault:
                faults.append(f"{page}: {fault}")
    return faults


class _Links(HTMLParser):
    """Link targets and anchors of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = {"", "top"}

    @classmethod
    def of(cls, path: Path) -> "_Links":
        parser = cls()
        parser.feed(path.read_text(encoding="utf-8"))
        return parser

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        targets = (values.get("href"), values.get("src"))
        self.targets += [target for target in targets if target is not None]


def _broken(source: Path, link: str, anchors: dict[Path, set[str]]) -> str:
    """Why ``link`` on page ``source`` leads nowhere, or nothing."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
    if not target.is_file():
        return f"link to a missing file: {link}"
    # A fragment with "?" or "=" is the state of a view, not an anchor.
    if target.suffix != ".html" or set("?=") & set(parts.fragment):
        return ""
    if target not in anchors:
        anchors[target] = _Links.of(target).anchors
    return "" if unquote(parts.fragment) in anchors[target] else f"link to a missing anchor: {link}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _listen(seen: Visit) -> None:
    """Note requests, failures and console messages of a page from its start."""
    page = seen.page
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("requestfailed", lambda r: seen.failures.append(f"{r.url} ({r.failure})"))
    page.on(
        "response",
        lambda r: seen.failures.append(f"{r.status} {r.url}") if r.status >= 400 else None,
    )
    page.on(
        "console",
        lambda m: (
            seen.console.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: seen.console.append(f"exception: {error}"))
