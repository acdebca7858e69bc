"""docs/tutorial.ipynb runs, says what is stored in it, and a notebook's help works."""

import base64
import io
import re

import numpy as np
import pytest

for package in ("nbformat", "nbclient", "ipykernel", "matplotlib"):
    pytest.importorskip(package, reason=f"{package} is missing: the extra notebook")

from nbformat.v4 import new_code_cell  # noqa: E402
from PIL import Image  # noqa: E402
from tutorial_notebook import NOTEBOOK, execute, read, stored_outputs  # noqa: E402

from pylstm import _core  # noqa: E402

# Code that a notebook's user causes to run by Shift-Tab behind "lstm(" and so on.
HELP = "print(get_ipython().kernel.do_inspect({0!r}, {1})['data']['text/plain'])"
ASKED = (
    "nn.LSTM(",
    "nn.LSTMCell(",
    "lstm(",
    "cell(",
    "lstm.forward(",
    "reader.trace(",
    "plot_gates(",
    "plot_states(",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The notebook after a run, with cells behind its own that ask for help."""
    notebook = read()
    notebook.cells += [new_code_cell(HELP.format(text, len(text))) for text in ASKED]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("anywhere"))
        return execute(notebook)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pixels(text):
    """A picture as an array, small: releases of matplotlib set words a little differently."""
    picture = Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")
    return np.asarray(picture.resize((40, 20), Image.Resampling.BOX), float), picture.size


def test_the_outputs_are_the_stored_ones(run):
    stored = code_cells(read())
    pictures = 0
    for cell, fresh in zip(stored, code_cells(run), strict=False):
        assert cell.source == fresh.source
        outputs = stored_outputs(fresh)
        assert len(cell.outputs) == len(outputs), cell.source
        for old, new in zip(cell.outputs, outputs, strict=True):
            assert old.output_type == new.output_type
            assert old.get("text") == new.get("text")
            old, new = old.get("data", {}), new.get("data", {})
            assert old.keys() == new.keys()
            if "image/png" in new:
                (before, old_size), (after, new_size) = map(
                    pixels, (old["image/png"], new["image/png"])
                )
                assert np.sqrt(np.mean((before - after) ** 2)) < 12, cell.source
                assert np.abs(np.subtract(old_size, new_size)).max() <= 12
                pictures += 1
            else:
                assert old == new
    assert pictures == 4


def test_another_picture_does_not_pass():
    """The comparison above tells the pictures of this very notebook apart."""
    found = [
        output.data["image/png"]
        for cell in code_cells(read())
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    first, second, third, fourth = (pixels(text)[0] for text in found)
    for one, other in (
        (first, second),
        (second, third),
        (second, second[::-1]),
        (third, third[::-1]),
        (third, fourth),
        (fourth, fourth[::-1]),
    ):
        assert np.sqrt(np.mean((one - other) ** 2)) > 12


def test_a_module_shows_itself_as_a_table(run):
    (output,) = code_cells(run)[-len(ASKED) - 1].outputs
    html = output.data["text/html"]
    assert "LSTMCell(3, 2)" in html and "8 × 3" in html and "float32" in html
    assert f"kernels: {_core.simd_level()}, float32; leases: 0" in html
    assert output.data["text/plain"] == "LSTMCell(3, 2)"


def test_shift_tab_shows_signatures_and_docstrings(run):
    shown = {}
    for asked, cell in zip(ASKED, code_cells(run)[-len(ASKED) :], strict=True):
        text = "".join(output.text for output in cell.outputs)
        shown[asked] = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "num_layers: 'int' = 1" in re.sub(r"\s+", " ", shown["nn.LSTM("])
    assert "Number of features of the state, H." in shown["nn.LSTM("]
    assert "hidden_size: 'int'" in re.sub(r"\s+", " ", shown["nn.LSTMCell("])
    for instance in ("lstm(", "cell(", "lstm.forward("):
        only_layers = "" if instance == "cell(" else "lengths=None, reset=None, "
        expected = rf"Signature:\s*\S+\(input, hx=None, \*, {only_layers}out=None\)"
        assert re.search(expected, re.sub(r"\s+", " ", shown[instance])), shown[instance]
    assert "Multi-layer long short-term memory" in shown["lstm("]
    assert "One step of an LSTM." in shown["cell("]
    assert "Run the network over a sequence." in shown["lstm.forward("]
    assert "keep the gates and states of every step" in shown["reader.trace("]
    assert "Draw the gates and states of every step" in shown["plot_gates("]
    assert "Draw what a module returned" in shown["plot_states("]


def test_the_notebook_is_small_and_names_no_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 200_000
    assert not re.search(r"/(?:home|opt|root|tmp|work|mnt)/\w", text)
    for cell in code_cells(read()):
        assert "execution" not in cell.metadata
