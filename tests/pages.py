"""The code blocks of the pages in docs, section by section."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
MIGRATION = DOCS / "migrating-from-torch.md"
WEIGHT_FILES = DOCS / "weight-files.md"


def sections(page):
    """[(heading, [(needs torch, source), ...])] of the sections that hold code."""
    pattern = r"^#+ (?P<heading>[^\n]*)$|^```python(?P<torch> torch)?\n(?P<source>.*?)^```$"
    found = {}
    # A comment in a block is no heading: a match of the block has taken it with it.
    for match in re.finditer(pattern, page.read_text(encoding="utf-8"), flags=re.M | re.S):
        if match["source"] is None:
            heading = match["heading"]
        else:
            found.setdefault(heading, []).append((bool(match["torch"]), match["source"]))
    return list(found.items())


def run(page, blocks):
    """Run sources one after the other in one namespace, as a reader would."""
    scope = {"__name__": page.stem}
    for source in blocks:
        exec(compile(source, str(page), "exec"), scope)
