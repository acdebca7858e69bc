"""Draw the pictures that tests/test_plot.py compares with: `python tests/data/record_plots.py`.

Look at every one of them before committing it.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
DATA = Path(__file__).parent
sys.path.insert(0, str(DATA.parent))

from plot_cases import CASES, draw  # noqa: E402

for name, function in CASES.items():
    print(draw(function, DATA / "plots" / f"{name}.png"))
