"""Dresses the book: the Sphinx extension behind ``_config.yml``.

It registers the theme in ``theme/inside``, makes the palette's CSS from ``llm.style``, copies the
needed part of MathJax out of the installed package, notices edits in ``llm/`` and fills in the
frame of a page. What a chapter looks like stands in ``inside_chapters``, slides in
``inside_slides``, diagrams in ``inside_images``. Nothing that it adds asks another host for
anything.
"""

import hashlib
import html
import importlib.util
import os
import re
import shutil
from pathlib import Path

import inside_chapters as chapters
import inside_public as public
import inside_slides as slides
from babel import Locale
from docutils import nodes
from inside_images import inline_diagrams
from inside_reference import leave_out_inherited, resolve_short_name
from inside_views import put_view_pages
from sphinx.application import Sphinx
from sphinx.locale import _

THEME = Path(__file__).parent / "inside"
MATHJAX_FILES = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions/*.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "output/chtml/fonts/woff-v2/*.woff",
    "a11y/assistive-mml.js",
)
STAMP = ".llm-source"


def setup(app: Sphinx) -> dict:
    """Register the theme and connect what follows; the order is that of a build."""
    app.add_html_theme("inside", str(THEME))
    app.add_js_file("page.js", loading_method="defer")
    app.add_js_file("book.js", loading_method="defer")
    app.add_css_file("palette.css", priority=100)
    app.connect("config-inited", public.set_address)
    app.connect("config-inited", set_language)
    app.connect("config-inited", prepare_folders)
    app.connect("config-inited", forget_results_of_older_source)
    app.connect("env-get-outdated", reread_after_source_edit)
    app.connect("env-updated", remember_source)
    app.connect("source-read", slides.mark_slides)
    app.add_directive("chapter-list", chapters.ChapterList)
    app.connect("doctree-read", chapters.place_track_marks)
    app.connect("doctree-read", chapters.add_chapter_card)
    app.connect("doctree-resolved", chapters.fill_chapter_list)
    app.connect("doctree-resolved", chapters.fold_deeper_sections)
    app.connect("doctree-resolved", chapters.wrap_tables)
    app.connect("doctree-resolved", inline_diagrams)
    app.connect("missing-reference", resolve_short_name)
    app.connect("autodoc-process-docstring", leave_out_inherited)
    app.connect("html-page-context", fill_in_page)
    app.connect("html-collect-pages", slides.collect_slides)
    app.connect("build-finished", finish_site)
    app.connect("build-finished", put_view_pages, priority=900)
    ours = int(source_digest(Path(__file__).parent)[:8], 16)  # another number: all is read again
    safe = {"parallel_read_safe": True, "parallel_write_safe": True}
    return {"version": "1", "env_version": ours, **safe}


# --- files beside the pages -------------------------------------------------------------------


def prepare_folders(app: Sphinx, config) -> None:
    """Make the palette and the MathJax folder, and let Sphinx copy them to ``_static``."""
    made = build_folder(app) / "static"
    shutil.rmtree(made, ignore_errors=True)
    copy_mathjax(made / "mathjax")
    (made / "palette.css").write_text(palette_css())
    config.html_static_path.append(str(made))


def set_language(app: Sphinx, config) -> None:
    """Give the views the language of the book where there are words in it."""
    from llm.views.view import WORDS

    there = (WORDS / f"{config.language}.json").exists()
    os.environ["LLM_LANGUAGE"] = config.language if there else "en"


def tongue(config) -> str:
    """Language and direction of a page, as attributes of its element ``html``."""
    direction = Locale.parse(config.language).text_direction
    return f'lang="{config.language.replace("_", "-")}" dir="{direction}"'


def palette_css() -> str:
    """The book's colours as custom properties: light, and dark on screens, with a script or not."""
    from llm.style import css_variables

    light = f"color-scheme: light; {css_variables('light')}"
    dark = f"color-scheme: dark; {css_variables('dark')}"
    chosen = f'@media screen {{ html[data-theme="dark"] {{ {dark} }} }}'
    system = "@media screen and (prefers-color-scheme: dark)"
    return f":root {{ {light} }}\n{chosen}\n{system} {{ html:not([data-theme]) {{ {dark} }} }}\n"


def copy_mathjax(target: Path) -> None:
    """Copy TeX input, CHTML output, fonts and MathML for screen readers from the package."""
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise RuntimeError("MathJax is missing: pip install sphinx-mathjax-offline")
    source = Path(package.origin).parent / "static" / "mathjax"
    for pattern in MATHJAX_FILES:
        for path in source.glob(pattern):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def finish_site(app: Sphinx, exception: Exception | None) -> None:
    """Put what lies beside the pages into the site, and a first page that leads to the welcome."""
    if exception is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    shutil.rmtree(site / "_shared", ignore_errors=True)
    shutil.copytree(shared_folder(app), site / "_shared", ignore=shutil.ignore_patterns(STAMP))
    public.write_map(app)
    public.write_notices(app)
    target = f"{app.config.root_doc}.html"
    (site / "index.html").write_text(
        f'<!DOCTYPE html>\n<html {tongue(app.config)}>\n<meta charset="utf-8">\n'
        f"<title>{app.config.html_title}</title>\n"
        f'<meta http-equiv="refresh" content="0; url={target}">\n'
        f'<p><a href="{target}">{app.config.html_title}</a></p>\n</html>\n'
    )


# --- executed notebooks follow the source -----------------------------------------------------


def build_folder(app: Sphinx) -> Path:
    """The folder that holds the site and everything made for it, ``_build``."""
    return Path(app.outdir).parent


def shared_folder(app: Sphinx) -> Path:
    """Where notebooks put files that several pages share; the site has it as ``_shared/``."""
    return build_folder(app) / "shared"


def source_digest(folder: Path) -> str:
    """A hash of every file of the package, so that an edit can be noticed."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()


def source_of_results(app: Sphinx) -> str:
    """The digest of the ``llm/`` that the kept results come from, empty when there are none."""
    stamp = shared_folder(app) / STAMP
    return stamp.read_text() if stamp.exists() else ""


def forget_results_of_older_source(app: Sphinx, config) -> None:
    """Empty the execution cache when ``llm/`` has changed since its notebooks ran."""
    digest = source_digest(Path(app.confdir) / "llm")
    shared = shared_folder(app)
    if source_of_results(app) != digest:
        cache = config.nb_execution_cache_path or build_folder(app) / ".jupyter_cache"
        shutil.rmtree(cache, ignore_errors=True)
        shutil.rmtree(shared, ignore_errors=True)
        shared.mkdir(parents=True)
        (shared / STAMP).write_text(digest)
    os.environ["LLM_BOOK_BUILD"] = str(shared)


def reread_after_source_edit(app: Sphinx, env, added: set, changed: set, removed: set) -> list:
    """Have every page read again when the last finished build saw another ``llm/``."""
    seen = getattr(env, "llm_source", None)
    return [] if seen == source_of_results(app) else sorted(env.found_docs)


def remember_source(app: Sphinx, env) -> None:
    """Note in the environment which ``llm/`` its pages were made with."""
    env.llm_source = source_of_results(app)


# --- pages ------------------------------------------------------------------------------------


def fill_in_page(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Add the description and the notebook's links; leave out myst-nb's style sheet."""
    source = app.env.doc2path(pagename) if pagename in app.env.all_docs else ""
    context["metatags"] = described(app, pagename, context, doctree)
    # The role that docutils gives to references was taken out of the standard.
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    if "deck" in context:
        app.add_css_file("slides.css")  # for this page alone
        app.add_js_file("slides.js", loading_method="defer")
    context["script_files"] = scripts_of(context, doctree)
    context |= frame_of(app, pagename, context, doctree)
    context["notebook_links"] = notebook_links(app, source, context)
    context["css_files"] = [
        css for css in context["css_files"] if "mystnb" not in str(css.filename)
    ]


def described(app: Sphinx, pagename: str, context: dict, doctree) -> str:
    """The page's own meta tags, with a description where they have none, and a card."""
    tags = context.get("metatags", "")
    if 'name="description"' not in tags:
        source = app.env.doc2path(pagename) if pagename in app.env.all_docs else ""
        text = html.escape(_description(app, Path(source), doctree), quote=True)
        tags += f'\n<meta name="description" content="{text}">'
    description = next(tag for tag in re.findall(r"<meta[^>]*>", tags) if "description" in tag)
    text = html.unescape(re.search(r'content="([^"]*)"', description)[1])
    title = html.unescape(re.sub(r"<[^>]+>", "", context.get("title", "")))
    return f"{tags}\n{public.card(app, pagename, title, text)}"


def frame_of(app: Sphinx, pagename: str, context: dict, doctree: nodes.document | None) -> dict:
    """What the layout shows around a page: its sections' tracks, its neighbours' questions."""
    from llm.style import PANEL

    _, before, after = app.builder.relations.get(pagename, (None, None, None))
    questions = {
        side: chapters.question_of(app, page)
        for side, page in zip(("prev", "next"), (before, after), strict=True)
    }
    tracks = chapters.tracks_of(doctree) if doctree else []
    toc = chapters.mark_sections(context.get("toc", ""), doctree) if doctree else ""
    labels = [chapters.track_label(track) for track in tracks]
    frame = {"questions": questions, "toc": toc, "track_labels": labels, "panel": PANEL}
    root = context["content_root"]
    return frame | {"html_tag": f'<html {tongue(app.config)} data-content_root="{root}">'}


def scripts_of(context: dict, doctree: nodes.document | None) -> list:
    """The scripts that a page needs: MathJax where a formula is, on slides little else."""
    scripts = context["script_files"]
    if "deck" in context:
        own = ("page.js", "slides.js")
        return [s for s in scripts if _is_mathjax(s) or str(s.filename).endswith(own)]
    if doctree is not None and any(doctree.findall(_is_math)):
        return scripts
    # Sphinx loads it on the first page as soon as any chapter has a formula.
    return [script for script in scripts if not _is_mathjax(script)]


def _is_math(node: nodes.Node) -> bool:
    return isinstance(node, nodes.math | nodes.math_block)


def _is_mathjax(script) -> bool:
    body = script.attributes.get("body") or ""
    return "mathjax/" in str(script.filename) or body.startswith("window.MathJax")


def notebook_links(app: Sphinx, source: str, context: dict) -> list[dict]:
    """Where a page's notebook runs, its file, the assignment on it, and its slides."""
    if not source.endswith(".ipynb"):
        return []
    folder, name = Path(app.confdir), Path(source).stem
    released = folder / "assignments" / "release" / name / f"{name}.ipynb"
    colab, binder = (run_at(app, service) for service in ("colab_url", "binderhub_url"))
    page = Path(source).relative_to(folder).as_posix()
    links = [
        {"url": colab + page, "text": _("Open in Colab"), "icon": "launch"},
        {"url": binder + page, "text": _("Open in Binder"), "icon": "launch"},
    ]
    if released.exists():
        url = colab + released.relative_to(folder).as_posix()
        links.append({"url": url, "text": _("Assignment"), "icon": "pencil"})
    copied = context["pathto"](f"_sources/{context['sourcename']}", True)
    download = {"url": copied, "text": _("Download notebook"), "icon": "download", "download": True}
    return [*links[:2], download, *links[2:], *slides.link_to(Path(source), context["pathto"])]


def run_at(app: Sphinx, service: str) -> str:
    """The address at which Colab or Binder opens a notebook, up to the notebook's path."""
    options = app.config.html_theme_options
    repository = options["repository_url"].removeprefix("https://github.com/")
    host, branch = options["launch_buttons"][service], options["repository_branch"]
    if service == "colab_url":
        return f"{host}/github/{repository}/blob/{branch}/"
    return f"{host}/v2/gh/{repository}/{branch}?urlpath=lab/tree/"


def _description(app: Sphinx, source: Path, doctree: nodes.document | None) -> str:
    """One or two sentences for search engines: the chapter's question, else its first words."""
    question = chapters.chapter_metadata(source).get("question")
    if question:
        return question
    paragraph = next(doctree.findall(nodes.paragraph), None) if doctree else None
    text = paragraph.astext() if paragraph else f"Search {app.config.html_title}."
    return " ".join(text.split())[:200]
