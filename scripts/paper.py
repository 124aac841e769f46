"""The book on paper and offline: one PDF of all pages, one zip of the site.

    python scripts/paper.py pdf        _build/inside-an-llm.pdf, printed by Chromium
    python scripts/paper.py zip        _build/inside-an-llm.zip, opened by its index.html

Both are made from the built site, ``_build/html``. In the PDF the figure of a view stands in its
place, the answers of a quiz stand behind its questions, every fold is open, links from page to page
lead to the page's first sheet, sheets are numbered through, and the outline has the chapters with
their sections.
"""

import io
import json
import re
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
EXECUTED = ROOT / "_build" / ".jupyter_cache" / "executed"
PAPER = {"format": "A4", "print_background": True, "tagged": True, "outline": True}
PAPER |= {"margin": {"top": "18mm", "bottom": "20mm", "left": "20mm", "right": "20mm"}}
_TOKEN = re.compile(r'class="llm-view"[^>]* data-token="(\w+)"')
STYLE = """
html {{ counter-reset: page {before}; }}
@page {{
    @bottom-center {{
        content: {title} " · " counter(page); font: 8pt sans-serif; color: #666;
    }}
}}
#sources {{ display: none; }} /* the bibliography is a chapter of the book */
figure.paper {{ margin: 1.2rem 0; break-inside: avoid; }}
figure.paper img {{ display: block; max-width: 100%; }}
.llm-view > .llm-fallback {{ max-height: none; overflow: visible; }}
.llm-view li {{ break-inside: avoid; }}
"""
# Puts its picture in place of each view, and the answers of a quiz behind its questions.
ON_PAPER = """async pictures => {
    const element = (name, ...children) => {
        const made = document.createElement(name);
        made.append(...children);
        return made;
    };
    const page = document.querySelector("link[rel=canonical]").href;
    for (const view of document.querySelectorAll(".llm-view")) {
        if (view.dataset.view === "quiz") {
            const fallback = view.querySelector(".llm-fallback");
            const folds = [...fallback.querySelectorAll("li > details")];
            const {strings} = JSON.parse(view.querySelector("script").textContent);
            const word = element("p", element("b", strings.answers));
            const answers = folds.map(({childNodes}) => element("li", ...[...childNodes].slice(1)));
            for (const fold of folds) fold.remove();
            fallback.append(word, element("ol", ...answers));
            fallback.hidden = false;
            view.querySelector(".llm-frame").remove();
            continue;
        }
        const question = view.querySelector(".llm-question").textContent;
        if (!(view.dataset.token in pictures)) throw new Error(`no picture of ${question}`);
        const source = {src: pictures[view.dataset.token], alt: question};
        const picture = Object.assign(new Image(), source);
        await picture.decode();
        picture.style.inlineSize = `${picture.naturalWidth / 120}in`;
        const address = `${page}#${view.id.replace("llm-", "")}`;
        const link = Object.assign(element("a", "Try it in the browser."), {href: address});
        const figure = element("figure", picture, element("figcaption", `${question} `, link));
        figure.className = "paper";
        view.replaceWith(figure);
    }
}"""


def pages_of_the_book() -> list[str]:
    """The pages in the order of ``_toc.yml``, as addresses within the site."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [f"{entry}.html" for entry in [toc["root"], *[c["file"] for c in toc["chapters"]]]]


def pictures() -> dict[str, str]:
    """The picture that each view left in its executed notebook, by the view's token."""
    found = {}
    for path in EXECUTED.glob("*/base.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for data in (output.get("data", {}) for output in cell.get("outputs", [])):
                if token := _TOKEN.search("".join(data.get("text/html", ""))):
                    encoded = "".join(data["image/png"]).strip()
                    found[token[1]] = f"data:image/png;base64,{encoded}"
    return found


def printed(browser: Browser, address: str, before: int, views: dict[str, str]) -> bytes:
    """A page of the site as a PDF, with ``before`` sheets before it; ``SystemExit`` on a fault."""
    path = SITE / address
    page = browser.new_page(viewport={"width": 660, "height": 900}, color_scheme="light")
    page.goto(path.as_uri())
    show_all(page)
    if faults := what_is_missing(page):
        raise SystemExit(f"{path.name} cannot be printed: {'; '.join(faults)}")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    page.evaluate(ON_PAPER, views)
    title = json.dumps(page.title().split(" – ")[0], ensure_ascii=False)
    page.add_style_tag(content=STYLE.format(title=title, before=before))
    sheets = page.pdf(**PAPER)
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
        parts, before, views = {}, 0, pictures()
        for address in pages_of_the_book():
            parts[address] = printed(browser, address, before, views)
            before += len(PdfReader(io.BytesIO(parts[address])).pages)
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
