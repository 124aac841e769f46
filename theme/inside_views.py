"""A page of its own for each view, under an address that stays: ``views/PAGE-ANCHOR.html``.

A view's page is in ``_shared/`` already, under a name that changes with every edit of it. A frame
in a course's system needs a name that does not, so each is copied: ``views/attention-quiz.html`` is
the quiz of the page ``attention``.
"""

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

_OWN_PAGE = re.compile(r'"page":"(([a-z][a-z0-9-]*)-[0-9a-f]{10}\.html)"')


def put_view_pages(app: Sphinx, exception: Exception | None) -> None:
    """Copy the page of every view of the site to its lasting address."""
    if exception is None and app.builder.name == "html":
        copy_view_pages(Path(app.outdir), app.env.found_docs)


def copy_view_pages(site: Path, documents: set[str]) -> list[str]:
    """The names of the pages that were made; those of an older build go."""
    shutil.rmtree(site / "views", ignore_errors=True)
    (site / "views").mkdir()
    made = []
    for document in sorted(documents):
        text = (site / f"{document}.html").read_text(encoding="utf-8")
        for file, anchor in dict(_OWN_PAGE.findall(text)).items():
            made.append(f"{Path(document).name}-{anchor}.html")
            shutil.copyfile(site / "_shared" / file, site / "views" / made[-1])
    return made
