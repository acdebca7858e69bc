"""The site: the repository's Markdown as it is, and the API reference. ``make docs`` builds it.

The source folder is the root of the repository, so that a link between two pages is the same in
the repository and on the site. No page holds a word that only the site understands: the order of
the pages stands here.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pylstm import __version__  # noqa: E402

project = "pylstm"
author = "the pylstm authors"
copyright = author
version = release = __version__

root_doc = "README"
include_patterns = [
    "README.md",
    "README.zh.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/*.md",
    "examples/*.md",
    "docs/*.md",
    "docs/*.rst",
]


def pages(folder):
    """Return all pages of a folder."""
    return sorted(f"{folder}/{path.stem}" for path in (ROOT / folder).glob("*.md"))


NAVIGATION = {
    "Use": [
        "docs/tutorial",
        "docs/rnn-gru-lstm",
        "docs/sequences",
        "docs/streams",
        "docs/migrating-from-torch",
        "docs/torch-to-numpy",
        "docs/weight-files",
        "docs/smaller-weights",
        "docs/porting",
        "docs/deploying",
        "examples/README",
        "中文说明 <README.zh>",
    ],
    "Know": ["docs/api", "docs/numerics", "docs/performance", "docs/threads", "docs/gallery"],
    "Look inside": [
        "ARCHITECTURE",
        "CONTRIBUTING",
        *pages("benchmarks"),
        "CHANGELOG",
        "SECURITY",
    ],
}

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
]
nitpicky = True  # a reference that leads nowhere is a warning, and `make docs` makes it an error

# Anchors as GitHub makes them, so that links to headings work in both places.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more: shapes
numpydoc_show_class_members = False  # docs/api.rst lists them

html_theme = "furo"
html_title = f"pylstm {release}"
html_baseurl = ""
html_copy_source = False
html_additional_pages = {"index": "redirect.html"}  # the first page is the README
templates_path = ["templates"]


def add_navigation(app, name, source):
    """Append the list of all pages to the first one; it shows in the sidebar only."""
    if name == root_doc:
        for caption, pages in NAVIGATION.items():
            lines = ["```{toctree}", ":hidden:", f":caption: {caption}", *pages, "```"]
            source[0] += "\n" + "\n".join(lines) + "\n"


def without_lone_slash(app, what, name, value, options, signature, returned):
    """Show the methods in C that take nothing as ``f()``: what is left of ``(self, /)``."""
    return ("()" if signature == "(/)" else signature), returned


def setup(app):
    """Let Sphinx call what is defined here."""
    app.connect("source-read", add_navigation)
    app.connect("autodoc-process-signature", without_lone_slash)
