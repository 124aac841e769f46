"""The checks must see: copies of a page with one planted fault each are reported."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tools import (
    NARROW,
    Visit,
    axe_faults,
    console_faults,
    failed_requests,
    heading_faults,
    image_alt_faults,
    keyboard_faults,
    link_faults,
    math_faults,
    other_host_requests,
    page_faults,
    serve,
    sideways_scroll,
    unanswered_views,
    view_faults,
    visit,
)

pytestmark = pytest.mark.browser

PAGE = "chapters/index.html"
VIEW = (
    '<div class="llm-view" data-view="planted"><p class="llm-fallback">…</p><script type="module">'
    "const root = document.querySelector('[data-view=planted]'); root.dataset.state = 'starting'; "
    "{}</script></div>"
)

# name: what is put in front of </article>, the check that must see it, a word of its report
PLANTED = {
    "missing label": ("<input>", axe_faults, "label"),
    "faint text": ('<p style="color: #aaa">faint</p>', axe_faults, "color-contrast"),
    "external script": (
        '<script src="https://elsewhere.invalid/x.js"></script>',
        other_host_requests,
        "elsewhere.invalid",
    ),
    "missing file": ('<img alt="A cat" src="no-such.png">', failed_requests, "404"),
    "console error": ("<script>console.error('oh no')</script>", console_faults, "oh no"),
    "exception": ("<script>throw Error('oh dear')</script>", console_faults, "oh dear"),
    "broken view": (VIEW.format("throw Error('broken')"), view_faults, "planted"),
    "dead view": (
        VIEW.format("root.innerHTML = '<button>Dead</button>'; root.dataset.state = 'ready'"),
        unanswered_views,
        "planted",
    ),
    "image without alt": ('<img src="../_static/favicon.svg">', image_alt_faults, "without alt"),
    "file name as alt": (
        '<img src="../_static/favicon.svg" alt="../_images/ab12.png">',
        image_alt_faults,
        "file name",
    ),
    "wide element": ('<div style="width: 900px">wide</div>', sideways_scroll, "900px"),
    "untypeset math": (
        '<span class="math"><i class="mathjax_ignore">\\(x\\)</i></span>',
        math_faults,
        "not typeset",
    ),
    "raw TeX": ("<p>so \\begin{matrix} it stays</p>", math_faults, "raw TeX"),
    "skipped heading level": ("<h2>two</h2><h4>four</h4>", heading_faults, "h4"),
    "same id twice": ('<p id="twin"></p><p id="twin"></p>', page_faults, "twin"),
    "invisible focus": (
        '<button style="outline: none !important">where</button>',
        keyboard_faults,
        "cannot be seen",
    ),
    "keyboard trap": (
        '<button id="trap" onkeydown="event.preventDefault()">trap</button><button>after</button>',
        keyboard_faults,
        "never reaches",
    ),
}


@pytest.fixture(scope="module")
def copied_site(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A copy of the site that may be spoilt, and the address of its server."""
    copy = tmp_path_factory.mktemp("planted") / "html"
    shutil.copytree(site, copy)
    with serve(copy) as address:
        yield copy, address


def plant(copy: Path, name: str, fault: str) -> str:
    """Write a page with ``fault`` in it beside the good one and return its address."""
    source = (copy / PAGE).read_text(encoding="utf-8")
    assert "</article>" in source
    page = f"chapters/planted-{name.replace(' ', '-')}.html"
    (copy / page).write_text(source.replace("</article>", f"{fault}</article>"), encoding="utf-8")
    return page


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_is_reported(chromium_browser: Browser, copied_site, name: str):
    """The check that is meant for the fault names it."""
    copy, address = copied_site
    fault, check, word = PLANTED[name]
    with visit(chromium_browser, f"{address}/{plant(copy, name, fault)}", width=NARROW) as seen:
        found = run(check, seen)
    assert any(word in report for report in found), found


def test_planted_link_is_reported(copied_site):
    """A missing page and a missing anchor are both named."""
    copy, _ = copied_site
    links = '<a href="nowhere.html">a</a> <a href="index.html#nothing">b</a>'
    found = link_faults(copy, [plant(copy, "links", links)])
    assert len(found) == 2, found


def test_page_as_built_is_clean(chromium_browser: Browser, server: str):
    """The page that the faults are planted in has none of its own."""
    with visit(chromium_browser, f"{server}/{PAGE}", width=NARROW) as seen:
        assert all_reports(seen) == []


def all_reports(seen: Visit) -> list[str]:
    """What every check of the table says about one page."""
    checks = dict.fromkeys(check for _, check, _ in PLANTED.values())
    return [report for check in checks for report in run(check, seen)]


def run(check, seen: Visit) -> list[str]:
    """Call a check with what it looks at: the page, or what the page asked for and said."""
    of_visit = (other_host_requests, failed_requests, console_faults)
    return check(seen if check in of_visit else seen.page)
