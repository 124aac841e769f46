"""Photograph every built page, wide and narrow, light and dark, into ``_build/screenshots/``.

Usage: ``python scripts/screenshots.py [SITE [TARGET]]``; the site is ``_build/html`` by default.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = (1280, 360)
MODES = ("light", "dark")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def photograph(browser: Browser, page_file: Path, target: Path, width: int, mode: str) -> None:
    """Save one page from top to bottom."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=mode)
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.evaluate("async () => { if (window.MathJax?.startup) await MathJax.startup.promise; }")
    for view in page.locator(".llm-view").all():
        view.scroll_into_view_if_needed()
        page.wait_for_function("view => !('pending' in view.dataset)", arg=view.element_handle())
    page.evaluate("() => scrollTo(0, 0)")
    page.wait_for_timeout(300)
    target.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target, full_page=True)
    context.close()


def main(site: Path, target: Path) -> None:
    """Photograph all pages of ``site``."""
    pages = [*sorted((site / "chapters").glob("*.html")), *site.glob("search.html")]
    if not pages:
        raise SystemExit(f"no pages in {site}: run `make book` first")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for page in pages:
            for width in WIDTHS:
                for mode in MODES:
                    name = "-".join(page.relative_to(site).with_suffix("").parts)
                    photograph(browser, page, target / f"{name}-{width}-{mode}.png", width, mode)
        browser.close()
    print(f"{len(pages) * len(WIDTHS) * len(MODES)} screenshots in {target}")


if __name__ == "__main__":
    given = [Path(argument).resolve() for argument in sys.argv[1:]]
    default = [ROOT / "_build" / "html", ROOT / "_build" / "screenshots"]
    main(*given, *default[len(given) :])
