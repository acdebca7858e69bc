"""Run docs/tutorial.ipynb and store its outputs: `python tests/data/record_notebook.py`."""

import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tutorial_notebook import NOTEBOOK, execute, read, stored_outputs

notebook = execute(read())
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.outputs = stored_outputs(cell)
nbformat.write(notebook, NOTEBOOK)
