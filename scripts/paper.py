"""The book on paper and offline: one PDF of all pages, one zip of the site.

    python scripts/paper.py pdf        _build/inside-an-llm.pdf, printed by Chromium
    python scripts/paper.py zip        _build/inside-an-llm.zip, opened by its index.html

Both are made from the built site, ``_build/html``. In the PDF every view stands as it starts, every
fold is open, links from page to page lead to the page's first sheet, and the outline has the
chapters with their sections.
"""

import html
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject
from screenshots import FLAGS, chromium, show_all, what_is_missing

ROOT = Path(__file__).resolve().parents[1]
SITE, NAME = ROOT / "_build" / "html", "inside-an-llm"
PAPER = {"format": "A4", "print_background": True, "tagged": True, "outline": True}
PAPER |= {"margin": {"top": "18mm", "bottom": "20mm", "left": "20mm", "right": "20mm"}}
FOOT = (
    '<div style="width:100%;font:8pt system-ui;color:#666;text-align:center">'
    "{} · Inside an LLM</div>"
)


def pages_of_the_book() -> list[str]:
    """The pages in the order of ``_toc.yml``, as addresses within the site."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [f"{entry}.html" for entry in [toc["root"], *[c["file"] for c in toc["chapters"]]]]


def printed(browser: Browser, path: Path) -> bytes:
    """One page of the site as a PDF; ``SystemExit`` where something of it is missing."""
    page = browser.new_page(viewport={"width": 660, "height": 900}, color_scheme="light")
    page.goto(path.as_uri())
    show_all(page)
    if faults := what_is_missing(page):
        raise SystemExit(f"{path.name} cannot be printed: {'; '.join(faults)}")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    title = page.title().split(" – ")[0]
    sheets = page.pdf(
        **PAPER,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT.format(html.escape(title)),
    )
    page.close()
    return sheets


def bound(parts: dict[str, bytes]) -> PdfWriter:
    """One PDF of the pages, with an outline and with links that stay inside it."""
    book, starts = PdfWriter(), {}
    for address, sheets in parts.items():
        starts[address] = len(book.pages)
        book.append(PdfReader(io.BytesIO(sheets)), import_outline=True)
    for sheet in book.pages:
        for link in links_of(sheet):
            turn_inwards(link, starts, book)
    return book


def links_of(sheet) -> Iterator[DictionaryObject]:
    """The links on a sheet that lead to an address."""
    for annotation in sheet.get("/Annots") or []:
        annotation = annotation.get_object()
        if annotation.get("/A", {}).get("/URI"):
            yield annotation


def turn_inwards(link: DictionaryObject, starts: dict[str, int], book: PdfWriter) -> None:
    """Make a link to a page of the site one to its first sheet; to what is not bound, none."""
    address = urlsplit(str(link["/A"]["/URI"]))
    if address.scheme != "file":
        return
    path = Path(unquote(address.path))
    inside = path.relative_to(SITE).as_posix() if path.is_relative_to(SITE) else ""
    del link[NameObject("/A")]
    if inside in starts:
        sheet = book.pages[starts[inside]].indirect_reference
        link[NameObject("/Dest")] = ArrayObject([sheet, NameObject("/Fit")])


def make_pdf(target: Path) -> None:
    """Print all pages of the book and bind them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        parts = {address: printed(browser, SITE / address) for address in pages_of_the_book()}
    book = bound(parts)
    book.add_metadata({"/Title": "Inside an LLM", "/Author": "The authors of Inside an LLM"})
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        book.write(file)
    part.replace(target)
    print(f"{target}: {len(book.pages)} sheets, {target.stat().st_size / 1e6:.1f} MB")


def make_zip(target: Path) -> None:
    """Pack the site into a folder of its own; the same site gives the same bytes."""
    part = target.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in SITE.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{NAME}/{path.relative_to(SITE).as_posix()}")
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    part.replace(target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def main(kinds: list[str]) -> None:
    makers = {"pdf": make_pdf, "zip": make_zip}
    if not kinds or set(kinds) - set(makers):
        raise SystemExit(f"say which: {' or '.join(makers)}")
    if not (SITE / "index.html").exists():
        raise SystemExit("there is no built site: run `make book` first")
    for kind in kinds:
        makers[kind](SITE.parent / f"{NAME}.{kind}")


if __name__ == "__main__":
    main(sys.argv[1:])
