"""Photograph every built page, wide and narrow, light and dark, into ``_build/screenshots/``.

Every part is unfolded and every view loaded. Stand-alone pages of views are pages too. It fails
when a page is blank, when a view has not started, or when the console shows an error.

Usage: ``python scripts/screenshots.py [SITE [TARGET]]``; the site is ``_build/html`` by default.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = (1280, 360)
MODES = ("light", "dark")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
FOLDERS = (".", "chapters", "slides", "_shared")


def chromium() -> str | None:
    """The system's Chromium or Chrome, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def pages_of(site: Path) -> list[Path]:
    """Every page that a reader can open, but for the first, which only leads to the welcome."""
    found = [page for folder in FOLDERS for page in sorted((site / folder).glob("*.html"))]
    return [page for page in found if page != site / "index.html"]


def photograph(browser: Browser, page_file: Path, target: Path, width: int, mode: str) -> list[str]:
    """Save one page from top to bottom; returns what is wrong with it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=mode)
    page, errors = context.new_page(), []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(page_file.as_uri())
    show_all(page)
    target.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target, full_page=True)
    faults = errors + what_is_missing(page)
    context.close()
    return [f"{target.name}: {fault}" for fault in faults]


def show_all(page: Page) -> None:
    """Typeset the formulas, unfold every part, load every view, go back to the top."""
    page.evaluate("async () => { if (window.MathJax?.startup) await MathJax.startup.promise; }")
    page.evaluate("() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    page.evaluate(
        "() => { for (const d of document.querySelectorAll('.llm-menu')) d.open = false; }"
    )
    for view in page.locator(".llm-view").all():
        view.scroll_into_view_if_needed()
        page.wait_for_function("view => !('pending' in view.dataset)", arg=view.element_handle())
    page.evaluate("() => scrollTo(0, 0)")
    page.wait_for_timeout(300)


def what_is_missing(page: Page) -> list[str]:
    """Whether the page shows no text, and which views have not started."""
    words = page.locator("main").inner_text().split() if page.locator("main").count() else []
    stuck = page.locator('.llm-view:not([data-state="ready"])').count()
    faults = [] if len(words) > 5 else ["the page is blank"]
    return faults + ([f"{stuck} views have not started"] if stuck else [])


def main(site: Path, target: Path) -> None:
    """Photograph all pages of ``site``."""
    pages, faults = pages_of(site), []
    if not pages:
        raise SystemExit(f"no pages in {site}: run `make book` first")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for page in pages:
            name = "-".join(page.relative_to(site).with_suffix("").parts)
            for width in WIDTHS:
                for mode in MODES:
                    picture = target / f"{name}-{width}-{mode}.png"
                    faults += photograph(browser, page, picture, width, mode)
        browser.close()
    print(f"{len(pages) * len(WIDTHS) * len(MODES)} screenshots in {target}")
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    given = [Path(argument).resolve() for argument in sys.argv[1:]]
    default = [ROOT / "_build" / "html", ROOT / "_build" / "screenshots"]
    main(*given, *default[len(given) :])
