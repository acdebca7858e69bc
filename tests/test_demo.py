"""The demo and the command line, as a new user meets them."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pylstm
from pylstm.demo import digits, tutorial

ROOT = Path(__file__).resolve().parent.parent
DATA_BYTES = 60_000


def command(*arguments):
    # Not from the root: there `-m` would find the source folder before an installed package.
    return subprocess.run(
        [sys.executable, "-m", "pylstm", *arguments],
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def demo_output():
    result = command("demo")
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize(
    "shapes",
    [
        "out (10, 3, 20)  h (4, 3, 20)  c (4, 3, 20)",
        "h (3, 20)  c (3, 20)",
        "h1 (3, 30)  h2 (3, 20)",
    ],
)
def test_demo_prints_the_tutorial_shapes(demo_output, shapes):
    assert shapes in demo_output


def test_demo_reads_the_digits(demo_output):
    accuracy = float(re.search(r"accuracy\s+([\d.]+)%", demo_output)[1])
    assert accuracy >= 95
    same, images = re.search(r"same class as torch\s+(\d+) of (\d+)", demo_output).groups()
    assert same == images
    assert int(images) >= 360
    assert float(re.search(r"largest difference\s+(\S+)", demo_output)[1]) <= 1e-4
    assert re.search(r"time per image\s+[\d.]+ us alone, [\d.]+ us in a batch", demo_output)
    assert "the same bits" in demo_output


def test_demo_data_is_small():
    files = [path for path in digits.FOLDER.iterdir() if path.suffix in (".npz", ".pt")]
    assert len(files) == 2
    assert sum(path.stat().st_size for path in files) < DATA_BYTES


def test_the_weights_are_a_file_of_torch(demo_output):
    assert re.search(r"weights\s+digits_weights\.pt", demo_output)
    with zipfile.ZipFile(digits.WEIGHTS) as archive:
        assert "digits_weights/data.pkl" in archive.namelist()
        assert archive.read("digits_weights/.data/serialization_id")  # torch 2.1 and newer


def test_digits_match_torch_as_closely_as_rounding_allows():
    recorded = digits.load_answers()
    images = (recorded["images"] / 16).astype(np.float32)
    _, logits = digits.DigitReader(digits.WEIGHTS)(images)
    np.testing.assert_array_equal(logits.argmax(axis=1), recorded["torch_logits"].argmax(axis=1))
    np.testing.assert_allclose(logits, recorded["torch_logits"], rtol=0, atol=2e-5)


def test_a_wrong_answer_fails_the_digits(monkeypatch, capsys):
    recorded = digits.load_answers()
    recorded["torch_logits"] = np.roll(recorded["torch_logits"], 1, axis=1)
    monkeypatch.setattr(digits, "load_answers", lambda: recorded)
    monkeypatch.setattr(digits, "seconds", lambda function: 0.0)
    assert digits.run() is False
    assert "same class as torch  0 of" in capsys.readouterr().out


def test_a_wrong_shape_fails_the_tutorial(monkeypatch, capsys):
    examples = {"x": lambda: [("h", np.zeros((3, 4)), (4, 3))]}
    monkeypatch.setattr(tutorial, "EXAMPLES", examples)
    assert tutorial.run() is False
    assert "wrong: h should be (4, 3)" in capsys.readouterr().out


def test_failure_sets_the_exit_code(monkeypatch, capsys):
    from pylstm import __main__ as cli

    monkeypatch.setattr("pylstm.demo.run", lambda: False)
    assert cli.main(["demo"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_info_prints_what_show_config_prints(capsys):
    pylstm.show_config()
    expected = capsys.readouterr().out
    result = command("info")
    assert result.returncode == 0
    assert result.stdout == expected
    assert pylstm.__version__ in expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: command"),
        (["nonsense"], "choose from"),
        (["demo", "--nonsense"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_explained(arguments, words):
    result = command(*arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert "usage: python -m pylstm" in result.stderr


def test_help_and_version():
    assert "demo" in command("--help").stdout
    assert command("--version").stdout.strip() == f"pylstm {pylstm.__version__}"


def test_the_readme_example_reads_the_weights(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    example = next(block for block in blocks if "from_weights" in block)
    source = pylstm.LSTM(100, 20, 4)
    pylstm.save(source.state_dict(), tmp_path / "lstm.pt")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(example, names)
    assert names["out"].shape == (10, 3, 20)
    assert names["h"].shape == names["c"].shape == (4, 3, 20)
    np.testing.assert_array_equal(names["lstm"].weight_hh_l3, source.weight_hh_l3)
