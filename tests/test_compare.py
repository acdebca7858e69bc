"""python -m benchmarks.compare: its table, whatever is installed beside pylstm."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
from test_examples import environment
from test_project_rules import ROOT

PEERS = ("pylstm", "torch", "onnxruntime", "openvino")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the benchmarks alone: beside them, a pylstm that is not built may lie."""
    folder = tmp_path_factory.mktemp("benchmarks")
    shutil.copytree(ROOT / "benchmarks", folder / "benchmarks")
    return folder


def is_installed(name):
    """Whether a distribution is; a folder of these tests would pass for a module named torch."""
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def run(folder, *command):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def sizes(folder, expression):
    """What a function of benchmarks.sizes or compare returns, in a process of its own."""
    code = f"import json; from benchmarks import compare, sizes; print(json.dumps({expression}))"
    return json.loads(run(folder, "-c", code))


def test_the_table(folder):
    output = run(folder, "-m", "benchmarks.compare", "--quick", "--no-sizes")
    head, rule, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in output.splitlines()
        if line.startswith("|")
    ]
    assert [name.split()[0] for name in head[1:]] == list(PEERS)
    assert len(rule) == 5 and len(lines) == 6
    assert [line[0].split(",")[0] for line in lines] == [
        "import",
        "memory of the import",
        "import after NumPy",
        "memory of the import after NumPy",
        "a step of LSTMCell",
        "the tutorial's LSTM",
    ]
    for what, own, *others in lines:
        assert re.fullmatch(r"[\d.]+ (ns|µs|ms|s|KB|MB)", own), what
        for name, cell in zip(PEERS[1:], others, strict=True):
            if not is_installed(name):
                assert cell == "missing", (what, name)
            elif is_installed("onnx") or name == "torch":
                assert re.fullmatch(r"[\d.]+ \S+ \([\d.e+]+×\)", cell), (what, name, cell)
    assert "one thread on" in output and f"NumPy {np.__version__}" in output


def test_sizes_of_what_is_installed(folder):
    own, needs = sizes(folder, "[sizes.installed_bytes('numpy'), sorted(sizes.needed('pylstm'))]")
    assert 10e6 < own < 200e6
    assert needs == ["numpy"]  # extras are not needed
    assert "pluggy" in sizes(folder, "sorted(sizes.needed('pytest'))")


def test_sizes_of_a_wheel(folder, tmp_path):
    wheel = tmp_path / "weighed-1.0-py3-none-any.whl"
    files = {
        "weighed/__init__.py": "x" * 1000,
        "weighed-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: weighed\nVersion: 1.0\n",
        "weighed-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "weighed-1.0.dist-info/RECORD": "".join(
            f"weighed{name},,\n" for name in ("/__init__.py", "-1.0.dist-info/METADATA")
        ),
    }
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    found = sizes(folder, f"compare._own_sizes(compare.Path({str(wheel)!r}), None)")
    assert found[0] == wheel.stat().st_size < 1000 < found[1] < 3000
    assert found[2] - found[1] == sizes(folder, "sizes.installed_bytes('numpy')")


def test_what_fails_is_shown(folder):
    code = "compare.Line('x', str, {'pylstm': 2.0, 'torch eager': 3.0, 'openvino': 'failed: no'})"
    cells = sizes(folder, f"[{code}.cell(n) for n in ('pylstm', 'torch eager', 'openvino')]")
    assert cells == ["2.0", "3.0 (1.5×)", "failed: no"]
    reason = sizes(folder, "compare.figure_or_reason(lambda: sizes.unpacked_bytes('nothing.whl'))")
    assert isinstance(reason, str) and reason.startswith("ERROR")
    texts = sizes(folder, "[compare.bytes_text(n) for n in (462_473, 999_499, 999_500, 7e8, 2e9)]")
    assert texts == ["462 KB", "999 KB", "1 MB", "700 MB", "2 GB"]
