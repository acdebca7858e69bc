"""The code blocks of docs/migrating-from-torch.md, section by section."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "migrating-from-torch.md"


def sections():
    """[(heading, [(needs torch, source), ...])] of the sections that hold code."""
    pattern = r"^#+ (?P<heading>[^\n]*)$|^```python(?P<torch> torch)?\n(?P<source>.*?)^```$"
    found = {}
    # A comment in a block is no heading: a match of the block has taken it with it.
    for match in re.finditer(pattern, PAGE.read_text(encoding="utf-8"), flags=re.M | re.S):
        if match["source"] is None:
            heading = match["heading"]
        else:
            found.setdefault(heading, []).append((bool(match["torch"]), match["source"]))
    return list(found.items())


def run(blocks):
    """Run sources one after the other in one namespace, as a reader would."""
    scope = {"__name__": "migration_page"}
    for source in blocks:
        exec(compile(source, str(PAGE), "exec"), scope)
