"""What all views share: one HTML text with script, style and data, and equals for other readers.

A view is a subclass of :class:`View`, a plain ES module ``NAME_view.js`` and its words, which stand
in one file for each language, ``words/LANGUAGE.json``; the environment variable ``LLM_LANGUAGE``
chooses it, by default ``en``. The module may import from its neighbours; all are joined into one
inline script without ``import``, so the same HTML works on a site, over ``file://``, in a sandboxed
frame and in every notebook, with no kernel and no network.

Large data (a vocabulary, weights) stands in the HTML too, unless the environment variable
``LLM_BOOK_BUILD`` names a folder: then it is written there as a ``.js`` file that all pages share
and that a page loads when needed, beside a stand-alone page of each view.
"""

import base64
import hashlib
import html
import io
import json
import os
import re
import tempfile
from functools import cache
from pathlib import Path

from llm.style import css_variables

FOLDER = Path(__file__).parent
WORDS = FOLDER / "words"
_IMPORT = re.compile(r'^import [^;]*? from "\./(\w+\.js)";\n', re.MULTILINE)
_JSDOC = re.compile(r"^ */\*\*.*?\*/\n", re.MULTILINE | re.DOTALL)


class View:
    """Base of all views: subclasses give a ``name`` and answer the questions below.

    ``anchor`` is the view's name in the page's address (``#anchor?key=value``), by default its
    ``name``; a second view of the same anchor on a page is called ``anchor-2``.
    """

    name: str

    def __init__(self, anchor: str | None = None):
        self.anchor = anchor or self.name
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.anchor):
            raise ValueError(
                f"anchor must be lower-case letters, digits and hyphens, got {anchor!r}"
            )

    def payload(self, inline: bool = True) -> dict:
        """What the module needs to draw the view, as JSON; ``inline`` as in :meth:`shared`."""
        raise NotImplementedError

    def shared(self, inline: bool = True) -> dict[str, str]:
        """Large texts, by name, that several views of a site may share.

        ``inline`` says that they stand in the page itself, where they should be small.
        """
        return {}

    def fallback(self) -> str:
        """HTML for readers without scripts: the answer as text or table."""
        raise NotImplementedError

    def describe(self) -> str:
        """The same as plain text, equal in every run."""
        raise NotImplementedError

    def figure(self):
        """The same as a matplotlib figure, for print."""
        raise NotImplementedError

    def html(self) -> str:
        """The view as HTML for a page or a notebook's output."""
        folder = os.environ.get("LLM_BOOK_BUILD")
        if not folder:
            return self._fragment()
        shared = self.shared(inline=False)
        files = {name: _share(folder, name, text) for name, text in shared.items()}
        page = _page(self._title(), self._fragment(files), root="../")
        return self._fragment(files, page=_store(folder, self.anchor, "html", page))

    def save_page(self, path: str | Path) -> Path:
        """Write the view as one self-contained HTML file, for instance for a frame in an LMS."""
        return _write(Path(path), _page(self._title(), self._fragment()))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        makers = {"text/plain": self.describe, "text/html": self.html, "image/png": self._png}
        wanted = set(include or makers) - set(exclude or ())
        return {mime: make() for mime, make in makers.items() if mime in wanted}

    def _title(self) -> str:
        return strings(self.name)["title"]

    def _fragment(self, files: dict[str, str] | None = None, page: str | None = None) -> str:
        """The view's HTML; ``files`` are names of shared files, without them all is inline."""
        data = {"anchor": self.anchor, "view": self.payload(inline=not files)}
        data |= {"strings": strings(self.name), "language": _tag()}
        data |= {"files": files or {}, "page": page}
        inline = {} if files else self.shared()
        script, style = script_text(self.name), css_text(self.name)
        token = _digest(script, style, _json(data))
        blocks = [f'<script type="application/json">{_json(data)}</script>']
        blocks += [
            f'<script type="application/json" data-shared="{name}">{_json(text)}</script>'
            for name, text in inline.items()
        ]
        return (
            f'<div class="llm-view" {_tongue()} data-view="{self.name}" data-token="{token}" '
            'data-lm-suppress-shortcuts="true">\n'
            f'<style>{style}</style>\n<div class="llm-fallback">{self.fallback()}</div>\n'
            + "\n".join(blocks)
            + f'\n<script type="module">\n{script}start("{token}", mount);\n</script>\n</div>'
        )

    def _png(self) -> str:
        buffer = io.BytesIO()
        figure = self.figure()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        return base64.b64encode(buffer.getvalue()).decode()


def strings(name: str) -> dict[str, str]:
    """The words of view ``name`` together with those that all views share.

    Raises ``ValueError`` when ``LLM_LANGUAGE`` names a language that has no file of words.
    """
    words = _words(WORDS, _language())
    return words["shared"] | words[name]


def _language() -> str:
    return os.environ.get("LLM_LANGUAGE", "en")


def _tag() -> str:
    """The language as browsers want it: ``pt-BR`` for ``pt_BR``."""
    return _language().replace("_", "-")


def _tongue() -> str:
    """Language and direction of the words, as attributes of an element."""
    return f'lang="{_tag()}" dir="{_words(WORDS, _language())["direction"]}"'


@cache
def _words(folder: Path, language: str) -> dict:
    there = {path.stem: path for path in folder.iterdir()}
    if language not in there:
        known = ", ".join(sorted(there))
        raise ValueError(f"LLM_LANGUAGE={language!r}: there are words for {known}")
    return json.loads(there[language].read_text(encoding="utf-8"))


@cache
def script_text(name: str) -> str:
    """The frame, the module of view ``name`` and all that they import, as one text."""
    joined = "".join(_strip((FOLDER / f).read_text(encoding="utf-8")) for f in _modules(name))
    assert "</" not in joined and "<!--" not in joined, f"{name} would end its own script element"
    return joined


@cache
def css_text(name: str) -> str:
    """The style of view ``name``, in the book's palette, for light and dark pages.

    ``view.css`` is for all; a module's own style stands beside it under its name.
    """
    pages = ":is(.llm-view, .llm-page)"
    chosen = {
        "light": 'html[data-theme="light"], [data-jp-theme-light="true"], .vscode-light',
        "dark": 'html[data-theme="dark"], html[theme="dark"], '
        '[data-jp-theme-light="false"], .vscode-dark',
    }
    colours = {mode: f"{{ {css_variables(mode)} color-scheme: {mode}; }}" for mode in chosen}
    rules = [f"{pages} {colours['light']}"]
    rules += [f"@media (prefers-color-scheme: dark) {{ {pages} {colours['dark']} }}"]
    rules += [f":is({where}) {pages} {colours[mode]}" for mode, where in chosen.items()]
    sheets = [FOLDER / "view.css", *((FOLDER / m).with_suffix(".css") for m in _modules(name))]
    return "\n".join([*rules, *(s.read_text(encoding="utf-8") for s in sheets if s.exists())])


def _modules(name: str) -> list[str]:
    """The files of view ``name`` in the order in which they are joined."""
    return list(dict.fromkeys(_order("frame.js") + _order(f"{name}_view.js")))


def _order(file: str, seen: tuple[str, ...] = ()) -> list[str]:
    """The files that ``file`` needs, each once, after those that it imports."""
    order: list[str] = []
    for name in _IMPORT.findall((FOLDER / file).read_text(encoding="utf-8")):
        assert name not in seen, f"{file} and {name} import each other"
        order += [f for f in _order(name, (*seen, file)) if f not in order]
    return [*order, file]


def _strip(source: str) -> str:
    """A module's text without imports, the word ``export`` and JSDoc comments."""
    return re.sub(r"^export ", "", _JSDOC.sub("", _IMPORT.sub("", source)), flags=re.MULTILINE)


def _json(value: object) -> str:
    """JSON in ASCII that can stand inside a script element: no ``<`` and no line separators."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _page(title: str, fragment: str, root: str = "./") -> str:
    title = html.escape(title)
    return (
        f'<!doctype html>\n<html {_tongue()} data-content_root="{root}">\n<head>\n'
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f'<title>{title}</title>\n<meta name="description" content="{title}">\n'
        '<link rel="icon" href="data:,">\n</head>\n<body class="llm-page">\n<main>\n'
        f"<h1>{title}</h1>\n{fragment}\n</main>\n</body>\n</html>\n"
    )


def _share(folder: str, name: str, text: str) -> str:
    """Write ``text`` as a classic script, since ``fetch`` fails on ``file://``."""
    script = f'(globalThis.llmShared ??= {{}})["{name}-{_digest(text)}"] = {_json(text)};\n'
    return _store(folder, name, "js", script, _digest(text))


def _store(folder: str, name: str, ending: str, text: str, digest: str | None = None) -> str:
    path = Path(folder) / f"{name}-{digest or _digest(text)}.{ending}"
    return _write(path, text).name


def _write(path: Path, text: str) -> Path:
    """Write ``text`` in one move, and only where it differs from what is there."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="\n", dir=path.parent, suffix=".part", delete=False
    ) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:10]
