"""What the site needs in public: its address, a map for search engines, a card, and notices.

The address follows from the repository: GitHub Pages serves ``OWNER/NAME`` at
``https://OWNER.github.io/NAME/``. A reader offline never needs it.
"""

import html
from importlib import metadata
from pathlib import Path

from sphinx.application import Sphinx

# What of other people's work is in the site itself, with the licence that goes along.
PARTS = {
    "Search and other scripts of Sphinx": ("Sphinx", "LICENSE.rst"),
    "Word stems for the search": ("snowballstemmer", "COPYING"),
}


def set_address(app: Sphinx, config) -> None:
    """Take the public address from the repository, unless one is configured."""
    if not config.html_baseurl:
        options = config.html_theme_options
        config.html_baseurl = address_of(options["repository_url"])


def address_of(repository: str) -> str:
    """Where GitHub Pages serves a repository.

    >>> address_of("https://github.com/ada/book"), address_of("https://github.com/ada/ada.github.io")
    ('https://ada.github.io/book/', 'https://ada.github.io/')
    """
    owner, name = repository.removeprefix("https://github.com/").split("/")
    host = f"https://{owner.lower()}.github.io/"
    return host if name.lower() == f"{owner.lower()}.github.io" else f"{host}{name}/"


def card(app: Sphinx, pagename: str, title: str, description: str) -> str:
    """The tags from which other sites make a preview of a page."""
    base = app.config.html_baseurl
    properties = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": description,
        "og:url": f"{base}{pagename}.html",
        "og:image": f"{base}_static/social-card.png",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "Inside an LLM: an interactive book on how large language models work",
    }
    tags = [
        f'<meta property="{name}" content="{html.escape(value, quote=True)}">'
        for name, value in properties.items()
    ]
    return "\n".join([*tags, '<meta name="twitter:card" content="summary_large_image">'])


def write_map(app: Sphinx) -> None:
    """``sitemap.xml``: the address of every page, and ``robots.txt``, which names it."""
    base = app.config.html_baseurl
    pages = sorted(app.env.found_docs)
    entries = [f"<url><loc>{html.escape(f'{base}{page}.html')}</loc></url>" for page in pages]
    opening = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', opening, *entries, "</urlset>"]
    site = Path(app.outdir)
    (site / "sitemap.xml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (site / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n")


def write_notices(app: Sphinx) -> None:
    """``notices.txt``: our licence, and those of all that the site contains from elsewhere."""
    root = Path(app.confdir)
    texts = {"This book": (root / "LICENSE").read_text(encoding="utf-8")}
    gpt2 = root / "llm" / "assets" / "gpt2.LICENSE"
    texts["The vocabulary of GPT-2"] = gpt2.read_text(encoding="utf-8")
    texts["MathJax 3, with its fonts"] = (
        "Copyright (c) The MathJax Consortium\n"
        "Licensed under the Apache License, Version 2.0: "
        "https://www.apache.org/licenses/LICENSE-2.0"
    )
    for title, (name, file) in PARTS.items():
        texts[title] = licence(name, file)
    parts = [f"{title}\n{'=' * len(title)}\n\n{text.strip()}\n" for title, text in texts.items()]
    (Path(app.outdir) / "notices.txt").write_text("\n\n".join(parts), encoding="utf-8")


def licence(name: str, file: str) -> str:
    """The licence that lies in an installed package."""
    found = [path for path in metadata.distribution(name).files or [] if path.name == file]
    if not found:
        raise RuntimeError(f"the package {name} has no {file}, which belongs into notices.txt")
    return found[0].locate().read_text(encoding="utf-8")
