"""The site: it builds without a warning, its links lead somewhere, nothing public is missing."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from test_docstrings import PUBLIC, TOP

pytest.importorskip("furo", reason="the site is made by the extra `docs`")
pytest.importorskip("myst_parser")
pytest.importorskip("numpydoc")

from numpydoc.validate import validate

ROOT = Path(__file__).resolve().parent.parent

# Of numpydoc's checks: no docstring, unknown sections or sections out of order, parameters that
# do not exist or stand in another order, or without a type.
CHECKS = {"GL06", "GL07", "GL08", "PR02", "PR03", "PR04", "RT03"}


class Page(HTMLParser):
    """The ids of a page, what it links to, and its text."""

    def __init__(self, file):
        super().__init__()
        self.ids, self.links, self.words = set(), set(), []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if values.get("id"):
            self.ids.add(values["id"])
        for name in ("href", "src"):
            if values.get(name):
                self.links.add(values[name])

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site: {file: Page}, and its folder."""
    html = tmp_path_factory.mktemp("site") / "html"
    command = ["make", "docs", f"PYTHON={sys.executable}", f"SITE={html}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return {file.resolve(): Page(file) for file in html.rglob("*.html")}, html.resolve()


def test_every_link_leads_somewhere(site):
    pages, folder = site
    dead = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            if not target.is_file() or (
                anchor and target in pages and anchor not in pages[target].ids
            ):
                dead.append(f"{file.relative_to(folder)}: {link}")
    assert dead == []


def test_the_reference_has_every_public_name(site):
    pages, folder = site
    ids = pages[folder / "docs" / "api.html"].ids
    assert [name for name in TOP if name not in ids] == []


def test_the_reference_shows_signatures_of_c_functions(site):
    pages, folder = site
    text = "".join(pages[folder / "docs" / "api.html"].words)
    forward = "forward(input, hx=None, *, lengths=None, reset=None, out=None)"
    for signature in (forward, "set_num_threads(n, /)", "get_num_threads()"):
        assert signature in text


def test_every_page_is_there(site):
    pages, folder = site
    expected = ["index", "README", "README.zh", "ARCHITECTURE", "CHANGELOG", "CONTRIBUTING"]
    expected += [f"docs/{path.stem}" for path in (ROOT / "docs").glob("*.md")]
    for name in expected:
        assert folder / f"{name}.html" in pages


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings_are_numpydoc(name):

    errors = [error for error in validate(name)["errors"] if error[0] in CHECKS]
    assert errors == []


def test_no_two_entries_of_the_sidebar_have_one_name(site):
    _, folder = site
    text = (folder / "README.html").read_text(encoding="utf-8")
    names = re.findall(r'<li class="toctree-l1[^"]*"><a [^>]*>([^<]*)</a>', text)
    assert len(names) > 15
    assert len(set(names)) == len(names)
