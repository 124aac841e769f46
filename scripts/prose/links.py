"""Links between pages, to their sections, and to the views on them."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from prose.pages import Page

_VIEW = re.compile(r'^class (\w+)\(.*\):(?:(?!^class ).*\n)*?    name = "(\w+)"', re.MULTILINE)


def view_names(root: Path) -> dict[str, str]:
    """The name in the address of each view, by its class."""
    sources = sorted((root / "llm" / "views").glob("*_view.py"))
    return {k: v for path in sources for k, v in _VIEW.findall(path.read_text(encoding="utf-8"))}


def views_on(page: Page, names: dict[str, str]) -> set[str]:
    """What a link to a view on this page can begin with: names of views and their anchors."""
    made = {names[call] for call in re.findall(r"\b([A-Z]\w+)\(", page.code) if call in names}
    return made | set(re.findall(r'\banchor="([\w-]+)"', page.code))


def links(page: Page, pages: dict[Path, Page], names: dict[str, str]) -> Iterator[str]:
    """Links that lead nowhere. Addresses on the web are not followed."""
    for link in page.links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.path.parent / unquote(path)).resolve() if path else page.path.resolve()
        if target.parent.name == "views":
            if not _is_made(target, pages, names):
                yield f"link: {link!r}: no page has such a view"
        elif not target.exists():
            yield f"link: {link!r}: there is no {path}"
        elif fragment and not _leads(fragment, pages.get(target), names):
            yield f"link: {link[:80]!r}: no such section or view on {target.name}"


def _leads(fragment: str, page: Page | None, names: dict[str, str]) -> bool:
    view = fragment.partition("?")[0]
    return page is not None and (fragment in page.anchors or view in views_on(page, names))


def _is_made(target: Path, pages: dict[Path, Page], names: dict[str, str]) -> bool:
    """Whether the site has a page ``views/PAGE-VIEW.html`` of its own for a view."""
    name, _, view = target.stem.rpartition("-")
    found = [page for path, page in pages.items() if path.stem == name]
    return any(view in views_on(page, names) for page in found)
