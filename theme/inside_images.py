"""Puts the book's own diagrams into the page itself, where they follow its colours.

An image whose file is an SVG under ``images/`` becomes an ``<svg>`` element. Its text can be
selected, and a colour written ``var(--llm-q, #0072B2)`` is that of the page, light or dark; the
file alone shows the colour after the comma.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

SVG = "http://www.w3.org/2000/svg"
SMALLEST = 0.7  # of its own width, before a diagram scrolls sideways: its letters stay readable
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")


def inline_diagrams(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace each diagram of a page by its SVG, described by the image's alternative text."""
    if app.builder.format != "html":
        return
    for number, image in enumerate(filter(is_diagram, list(doctree.findall(nodes.image))), start=1):
        if not image.get("alt", "").strip():
            warn = logging.getLogger(__name__).warning
            warn("%s has no alternative text", image["uri"], location=image)
        svg = Path(app.srcdir, image["uri"]).read_text(encoding="utf-8")
        inlined = inline_svg(svg, image.get("alt", ""), f"diagram-{number}", image.get("width"))
        html = f'<span class="diagram">{inlined}</span>'
        image.replace_self(nodes.raw("", html, format="html"))


def is_diagram(image: nodes.image) -> bool:
    """Whether an image is one of ``images/*.svg``; Sphinx names files from the book's root."""
    return image["uri"].startswith("images/") and image["uri"].endswith(".svg")


def inline_svg(svg: str, label: str, name: str, width: str | None = None) -> str:
    """``svg`` as an element for HTML, called ``name``, heard as ``label`` and its own ``desc``.

    Ids begin with ``name`` and style rules hold for this diagram only, so that the diagrams of a
    page do not disturb each other. ``width`` is a CSS length; without one the diagram has its own
    width. Raises ``ValueError`` for a drawing without a size.
    """
    root = ElementTree.fromstring(svg)
    for title in root.findall(f"{{{SVG}}}title"):  # a browser would show it as a tooltip
        root.remove(title)
    for style in root.iter(f"{{{SVG}}}style"):
        style.text = f"#{name} {{ {style.text} }}"
    _make_ids_own(root, name)
    own_width, own_height = _size(root, name)
    root.attrib |= {"viewBox": root.get("viewBox", f"0 0 {own_width:g} {own_height:g}")}
    root.attrib |= {"width": f"{own_width:g}", "height": f"{own_height:g}"}
    shown = f"width: {width}" if width else f"min-width: {SMALLEST * own_width:.0f}px"
    root.attrib |= {"id": name, "role": "img", "aria-label": label, "style": shown}
    root.attrib.pop("aria-labelledby", None)  # the file's own title, which is gone
    for description in root.findall(f"{{{SVG}}}desc"):
        description.set("id", f"{name}-description")
        root.set("aria-describedby", f"{name}-description")
    return ElementTree.tostring(root, encoding="unicode")


def _make_ids_own(root: ElementTree.Element, name: str) -> None:
    """Put ``name`` before each id, and before each mention of one."""
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key.endswith("href"):
                element.set(key, re.sub("^#", f"#{name}-", value))
            else:
                element.set(key, re.sub(r"url\(#", f"url(#{name}-", value))


def _size(root: ElementTree.Element, name: str) -> tuple[float, float]:
    """Width and height of a drawing, from its attributes or its viewBox."""
    box = root.get("viewBox", "").replace(",", " ").split()
    sizes = (root.get("width") or "", root.get("height") or "")
    numbers = [re.fullmatch(r"([\d.]+)(px)?", size) for size in sizes]
    if all(numbers):
        return float(numbers[0][1]), float(numbers[1][1])
    if len(box) == 4:
        return float(box[2]), float(box[3])
    raise ValueError(f'{name}: give the svg element a viewBox, such as viewBox="0 0 640 320"')
