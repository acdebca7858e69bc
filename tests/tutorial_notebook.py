"""docs/tutorial.ipynb: running it, and what of its outputs is stored."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "tutorial.ipynb"


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def execute(notebook):
    """Run all cells in a kernel of this environment, in place."""
    # What a cell prints arrives in one piece or in several, as the kernel's threads happen to run.
    options = {"timeout": 120, "kernel_name": "python3", "coalesce_streams": True}
    NotebookClient(notebook, **options).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
    return notebook


def stored_outputs(cell):
    """Return the outputs of a cell that say the same on every machine.

    A module's table names the instruction set that its kernels use here.
    """
    return [output for output in cell.outputs if "text/html" not in output.get("data", {})]
