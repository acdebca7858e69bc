"""The pages: their code runs, their links lead somewhere, their tables are whole."""

import re
import subprocess
import sys

import numpy as np
import pytest
from pages import (
    DEPLOYING,
    DOCS,
    LANGUAGES,
    MIGRATION,
    PAGES,
    ROOT,
    WEIGHT_FILES,
    anchors,
    blocks_of,
    dead_links,
    run,
    sections,
    write_published_files,
)

import pylstm
from pylstm.contract import recorded_hashes

FOLDERS = (".", "benchmarks", "docs", "examples")
MARKDOWN = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.md"))

# Pages whose sections stand alone; of the others a reader goes from top to bottom.
APART = (ROOT / "README.md", MIGRATION)


def stories():
    """A parameter for each run of blocks that share their variables."""
    for page in PAGES:
        if page in APART:
            for heading, blocks in sections(page):
                yield pytest.param(page, blocks, id=f"{page.name}: {heading}")
        elif blocks_of(page):
            yield pytest.param(page, blocks_of(page), id=page.name)


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(autouse=True)
def folder_with_weights(tmp_path, monkeypatch):
    """Where the pages' files are."""
    monkeypatch.chdir(tmp_path)
    lstm = pylstm.LSTM(12, 16, num_layers=2, bidirectional=True)
    np.savez("lstm.npz", **lstm.state_dict())
    pylstm.save(lstm.state_dict(prefix="encoder."), "model.pt")
    pylstm.save(pylstm.LSTM(100, 20, num_layers=4).state_dict(), "lstm.pt")
    pylstm.save(pylstm.LSTM(12, 16).state_dict(), "lstm.safetensors")
    write_published_files(np.random.default_rng(0))


# Python's own warning about every fork of a process that has threads.
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("page, blocks", list(stories()))
def test_the_code_runs(page, blocks):
    here = [block for block in blocks if block.language != "python torch"]
    assert "Error" not in run(page, here)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_kind_that_runs(page):
    """Blocks for the shell and of Dockerfiles run with their page: tests/pages.py."""
    kinds = {block.language for block in blocks_of(page)}
    assert kinds <= LANGUAGES
    if page != DEPLOYING:
        assert not kinds & {"sh", "dockerfile"}


def commands():
    """Every indented ``python -m pylstm`` command of the pages, once.

    Not those that test_demo.py and test_cli.py run: they take long where kernels are slow.
    """
    found = {}
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
        for line in re.findall(r"^    (.*)$", text, flags=re.M):
            for command in re.split(r"&&|  #", line):
                match = re.match(
                    r"(PYLSTM_SIMD=\w+ )?python -m (pylstm\S*) ?([^>#]*)", command.strip()
                )
                if match and match[3].strip() not in ("demo", "selftest"):
                    found.setdefault((match[2], match[3].strip()), page)
    return [pytest.param(*key, id=" ".join(key)) for key in found]


@pytest.mark.parametrize("module, arguments", commands())
def test_the_commands_run(module, arguments):
    command = [sys.executable, "-m", module, *arguments.split()]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_links_lead_somewhere(page):
    assert dead_links(page) == []


def test_the_link_checker_checks(tmp_path):
    page = DOCS / "weight-files.md"
    assert "what-a-file-cannot-do" in anchors(page)
    sample = tmp_path / "sample.md"
    sample.write_text("# A `b` c\n[x](#a-b-c) [y](#a) [z](none.md) `[q](r)`\n", encoding="utf-8")
    assert dead_links(sample) == ["#a", "none.md"]


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("```python\nimport numpy as np\na = np.ones((2, 3))  # (2, 3)\n```\n", "# (3, 2)"),
        ("```python\nprint(1 + 1)  # 2\n```\n", "# 3"),
        ("```python\nprint(1 + 1)\n```\n\n```text\n2\n```\n", "\n3\n"),
    ],
    ids=["shapes", "output", "text"],
)
def test_what_a_page_says_is_checked(right, wrong, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# A\n\n{right}", encoding="utf-8")
    run(page, blocks_of(page))
    page.write_text(re.sub(r"# \(2, 3\)|# 2|\n2\n", wrong, page.read_text()), encoding="utf-8")
    with pytest.raises(AssertionError):
        run(page, blocks_of(page))


def test_there_are_four_worked_examples():
    headings = [heading for heading, _ in sections(MIGRATION)]
    assert len(headings) == 5  # the first is the page's own
    for _, blocks in sections(MIGRATION):
        assert not all(block.language == "python torch" for block in blocks)


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_every_row_has_all_columns(page):
    tables = re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), flags=re.M)
    assert page not in (MIGRATION, WEIGHT_FILES) or tables
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(columns) == 1


def test_the_translation_has_the_same_code():
    """What README.zh.md shows is what the tutorial and the README show, comments aside."""
    shown = "".join(block.source for page in PAGES[:1] for block in blocks_of(page))
    tutorial = "".join(block.source for block in blocks_of(DOCS / "tutorial.md"))
    chinese = [block.source for block in blocks_of(ROOT / "README.zh.md")]
    assert chinese
    for line in "".join(chinese).splitlines():
        code = line.partition("  #")[0].strip()
        if code and not code.startswith("#"):
            assert code in shown + tutorial, code


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_threads_and_code_are_no_persons(page):
    """CONTRIBUTING.md names the words, in italics."""
    text = re.sub(r"\*\w+\*", "", page.read_text(encoding="utf-8"))
    words = r"\b(?:who|whom|whoever|(?:no|some|any|every)body|(?:some|any|every)one|no one)\b"
    assert re.findall(words, text, flags=re.I) == []


def sections_of_text(page):
    """The text of a page between its headings of the second level, the tutorial left out."""
    parts = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.M)
    return [part for part in parts if not part.startswith("教程")]


def test_the_translation_says_the_same():
    """Section by section: equal numbers, equal links, tables of equal size."""
    english = sections_of_text(ROOT / "README.md")
    chinese = sections_of_text(ROOT / "README.zh.md")
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        for pattern in (r"\d+(?:\.\d+)?", r"\]\(([^)]*)\)", r"^\|"):
            found = [sorted(re.findall(pattern, text, flags=re.M)) for text in (one, other)]
            found = [[item for item in items if "README" not in item] for items in found]
            assert found[0] == found[1], one.partition("\n")[0]


def test_the_pictures_are_what_their_script_draws(tmp_path):
    script = DOCS / "pictures" / "draw.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("*.svg")}
    assert drawn == {path.name: path.read_bytes() for path in script.parent.glob("*.svg")}
    tutorial = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(pictures/(\w+\.svg)\)", tutorial)) == set(drawn)


def ratios_of(results, grid):
    """[(steps, {library: its time over pylstm's})] of every case of a grid of a page of results."""
    text = (ROOT / "benchmarks" / results).read_text(encoding="utf-8")
    lines = re.search(rf"^## Grid {grid}\n\n((?:\|.*\n)+)", text, flags=re.M)[1].splitlines()
    header, _, *cases = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    found = []
    for case in cases:
        row = dict(zip(header, case, strict=True))
        ratios = {name: float(cell.split("×")[0]) for name, cell in row.items() if "×" in cell}
        found.append((re.search(r"\bt(\d+)", row["case"])[1], ratios))
    return found


@pytest.mark.parametrize("page, fastest", [("README.md", "fastest"), ("README.zh.md", "最快者")])
def test_the_table_of_speed_is_that_of_the_results(page, fastest):
    text = (ROOT / page).read_text(encoding="utf-8")
    table = re.search(rf"^\|[^|]*\| {fastest} \|.*\n.*\n((?:\|.*\n)+)", text, flags=re.M)[1]
    shown = [[float(cell) for cell in line.split("|")[2:-1]] for line in table.splitlines()]
    head, people = ratios_of("RESULTS.md", "head"), ratios_of("RESULTS.md", "people")
    two = [ratios_of("RESULTS-two-threads.md", grid) for grid in ("head", "people")]
    groups = [[case for case in head if case[0] == steps] for steps in ("1", "10", "100")]
    groups += [head, people, two[0] + two[1]]
    assert [len(group) for group in groups] == [15, 15, 15, 45, 11, 56]
    names = ("fastest peer", "onnxruntime", "openvino", "torch eager")
    for row, group in zip(shown, groups, strict=True):
        means = [np.exp(np.mean([np.log(ratios[name]) for _, ratios in group])) for name in names]
        assert np.allclose(row, means, rtol=0.05)
    assert min(ratios["fastest peer"] for _, ratios in head + people) > 1


def test_the_table_of_errors_is_that_of_the_results():
    tables = []
    for page in (ROOT / "benchmarks" / "RESULTS-errors.md", DOCS / "smaller-weights.md"):
        text = page.read_text(encoding="utf-8")
        table = re.search(r"^\| weights \| (?:pylstm|`int8`).*\n(?:\|.*\n)+", text, flags=re.M)[0]
        names, _, *rows = (
            [cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()
        )
        names = [name.strip("`").removeprefix("pylstm ").replace(" per ", " ") for name in names]
        tables.append({row[0]: dict(zip(names, row, strict=True)) for row in rows})
    measured, shown = tables
    assert len(shown) == 6 and len(next(iter(shown.values()))) == 8
    for weights, row in shown.items():
        assert row.items() <= measured[weights].items()


def test_the_number_of_recorded_cases_is_right():
    assert f"hashes of {len(recorded_hashes())} cases" in (DOCS / "numerics.md").read_text("utf-8")
