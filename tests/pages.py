"""The pages: README, its translation and docs. Their code blocks, links and tables.

``python tests/pages.py PAGE`` runs all blocks of one page in a copy of the tree and an environment of
its own, shell commands and Dockerfiles included.
"""

import ast
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import NamedTuple

import numpy as np

import pylstm

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MIGRATION = DOCS / "migrating-from-torch.md"
WEIGHT_FILES = DOCS / "weight-files.md"
DEPLOYING = DOCS / "deploying.md"
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", *sorted(DOCS.glob("*.md"))]

PORTING = DOCS / "porting.md"

# Languages of blocks: what runs, and what is shown.
LANGUAGES = {"python", "python torch", "sh", "dockerfile", "text"}


class Block(NamedTuple):
    """A code block: its language, its source, and the line of its first line."""

    language: str
    source: str
    line: int


def sections(page):
    """[(heading, [Block, ...])] of the sections that hold code."""
    pattern = r"^#+ (?P<heading>[^\n]*)$|^```(?P<language>[^\n]*)\n(?P<source>.*?)^```$"
    text = page.read_text(encoding="utf-8")
    found = {}
    # A comment in a block is no heading: a match of the block has taken it with it.
    for match in re.finditer(pattern, text, flags=re.M | re.S):
        if match["source"] is None:
            heading = match["heading"]
        else:
            line = text.count("\n", 0, match.start("source")) + 1
            block = Block(match["language"].strip(), match["source"], line)
            found.setdefault(heading, []).append(block)
    return list(found.items())


def blocks_of(page):
    return [block for _, blocks in sections(page) for block in blocks]


# ---------------------------------------------------------------------------- files of others


def write_published_files(rng):
    """Files as docs/porting.md finds them in packages, with random numbers: names and shapes alone."""
    tagger = {"char_embeddings.weight": (49, 64)}
    lstm = pylstm.LSTM(64, 64, num_layers=2, bidirectional=True)
    tagger |= {key: array.shape for key, array in lstm.state_dict(prefix="lstm.").items()}
    tagger |= {"hidden2tag.weight": (746, 128), "hidden2tag.bias": (746,)}
    gate = {"stft.forward_basis_buffer": (258, 1, 256)}
    for layer, shape in enumerate(((128, 129, 3), (64, 128, 3), (64, 64, 3), (128, 64, 3))):
        name = f"encoder.{layer}.reparam_conv"
        gate |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    cell = pylstm.LSTMCell(128, 128)
    gate |= {key: array.shape for key, array in cell.state_dict(prefix="decoder.rnn.").items()}
    gate |= {"decoder.decoder.2.weight": (1, 128, 1), "decoder.decoder.2.bias": (1,)}
    for name, prefix, shapes in (
        ("morph_bilstm.pth", "", tagger),
        ("silero_vad.jit", "_model.", gate),
    ):
        arrays = {prefix + key: rng.normal(0, 0.1, shape) for key, shape in shapes.items()}
        pylstm.save({key: array.astype(np.float32) for key, array in arrays.items()}, "saved.pt")
        Path("saved.pt").rename(name)  # what a file is called does not matter to load


# ---------------------------------------------------------------------------- running Python


def flat_shapes(value):
    """The shapes of an array, or of all arrays in nested tuples."""
    if isinstance(value, (tuple, list)):
        return [shape for item in value for shape in flat_shapes(item)]
    return [value.shape]


def run_statement(statement, lines, page, scope):
    """Run one statement and hold it to the comment behind it; return what it printed.

    Behind an assignment, shapes: ``# (10, 3, 20)  (4, 3, 20)``; behind a ``print``, its output.
    """
    comment = re.search(r"  # (.*)$", lines[statement.end_lineno - 1])
    comment = comment[1] if comment else ""
    code = ast.fix_missing_locations(ast.Module([statement], []))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(page), "exec"), scope)
    where = f"{page.name}:{statement.lineno}"
    if isinstance(statement, ast.Assign) and re.fullmatch(r"(\([\d, ]*\)\s*)+", comment):
        shown = [ast.literal_eval(shape) for shape in re.findall(r"\([\d, ]*\)", comment)]
        target = ast.Expression(statement.targets[0])
        for node in ast.walk(target):
            if hasattr(node, "ctx"):
                node.ctx = ast.Load()
        values = eval(compile(target, str(page), "eval"), scope)
        assert flat_shapes(values) == shown, f"{where} shows other shapes"
    if ast.unparse(statement).startswith("print(") and comment:
        assert printed.getvalue().strip() == comment, f"{where} prints {printed.getvalue()!r}"
    return printed.getvalue()


def run(page, blocks):
    """Run Python blocks one after the other in one namespace, as a reader would.

    A block of text behind one of Python is what that prints. Return all that was printed.
    """
    scope = {"__name__": page.stem}
    everything, printed = "", ""
    for block in blocks:
        if block.language == "text":
            assert printed == block.source, f"{page.name}:{block.line} shows another output"
        if not block.language.startswith("python"):
            continue
        tree = ast.parse(block.source)
        ast.increment_lineno(tree, block.line - 1)
        lines = [""] * (block.line - 1) + block.source.splitlines()
        printed = "".join(run_statement(part, lines, page, scope) for part in tree.body)
        everything += printed
    return everything


# ---------------------------------------------------------------------------- links


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = []
    for heading in re.findall(r"^#+ (.*)$", text, flags=re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return found


def links(page):
    """Every (target, anchor) that a page links to, pictures included."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    text = re.sub(r"`[^`\n]*`", "", text)
    return re.findall(r"\]\(\s*<?([^)#\s>]*)(?:#([^)\s>]*))?>?\s*\)", text)


def dead_links(page):
    """Links that lead to no file of the tree or to no heading; addresses are not looked up."""
    dead = []
    for target, anchor in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists():
            dead.append(target)
        elif anchor and (file.suffix != ".md" or anchor not in anchors(file)):
            dead.append(f"{target}#{anchor}")
    return dead


# ---------------------------------------------------------------------------- running a page


def shell(command, folder, environment):
    print(f"$ {command.strip()}", flush=True)
    subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, check=True)


def fresh_environment(folder):
    """Make a virtual environment; return the variables that activate it."""
    venv.create(folder, with_pip=True)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


class Image:
    """A folder and a virtual environment in place of an image."""

    def __init__(self, root):
        self.root, self.folder = root, root
        self.environment = fresh_environment(root / "venv")

    def inside(self, path):
        """Where an image's path lies."""
        return self.root / path[1:] if path.startswith("/") else self.folder / path

    def copy(self, sources, target, ignored=()):
        """Copy files into a folder, or one folder to a place, as COPY does."""
        for source in sources:
            if source.is_dir():
                ignore = shutil.ignore_patterns(*ignored)
                shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)

    def run(self, command):
        """Run a command whose absolute paths are the image's."""
        command = re.sub(r"(?<![\w./])/(?=\w)", f"{self.root}/", command)
        shell(command, self.folder, self.environment)


def walk_dockerfile(text, context, folder):
    """Do what a Dockerfile says, but for what installs system packages."""
    images = {}
    ignored = (context / ".dockerignore").read_text("utf-8").replace("**/", "").split()
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            name = rest.partition(" AS ")[2] or "last"
            image = images[name] = Image(folder / name)
        elif word == "WORKDIR":
            image.folder = image.inside(rest)
            image.folder.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            *sources, target = rest.split()
            image.copy([context / source for source in sources], image.inside(target), ignored)
        elif word == "ENV":
            name, _, value = rest.partition("=")
            image.environment[name] = value
        elif word == "RUN" and not re.match(r"apt-get|apk", rest):
            mount = re.match(r"--mount=type=bind,from=(\w+),source=(\S+),target=(\S+)\s+", rest)
            if mount:
                rest = rest[mount.end() :]
                image.copy([images[mount[1]].inside(mount[2])], image.inside(mount[3]))
            image.run(rest)
        elif word == "CMD":
            image.run(" ".join(ast.literal_eval(rest)))
        elif word not in ("RUN", "#", ""):
            raise AssertionError(f"no idea what to do with {line!r}")


def without_base(text):
    """Return what of a Dockerfile is walked through: not comments, images, system packages."""
    text = re.sub(r"^(#.*|RUN (apt-get|apk) .*|ENV .*)\n", "", text, flags=re.M)
    return re.sub(r"^FROM \S+", "FROM", text, flags=re.M)


def run_page(page):
    """Run every block of a page; one that opens with ``# NAME.py`` is a file."""
    with tempfile.TemporaryDirectory() as temporary:
        tree, folder = Path(temporary) / "tree", Path(temporary)
        ignored = shutil.ignore_patterns(".git", "build", "build-*", "dist", "*venv", "__pycache__")
        shutil.copytree(ROOT, tree, ignore=ignored)
        environment = fresh_environment(folder / "venv")
        # The tree is built in place, as `pip install -e .` left it, so that is not done again.
        shell("pip install --quiet numpy && python -m pylstm info", tree, environment)
        walked = set()
        for number, block in enumerate(blocks_of(page)):
            file = re.match(r"# ([\w.]+)\n", block.source)
            if file:
                (tree / file[1]).write_text(block.source, encoding="utf-8")
            if block.language == "sh":
                shell(block.source, tree, environment)
            elif block.language == "dockerfile" and without_base(block.source) not in walked:
                walked.add(without_base(block.source))
                walk_dockerfile(block.source, tree, folder / f"image{number}")
            elif not file and block.language != "dockerfile":
                raise AssertionError(f"{page.name}:{block.line} is no file and no command")


if __name__ == "__main__":
    run_page(Path(sys.argv[1]).resolve())
