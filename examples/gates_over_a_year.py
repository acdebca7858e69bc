"""The gates of an LSTM over a year of a river: what it keeps, and when it forgets.

    python examples/gates_over_a_year.py [--picture gates_over_a_year.png]

The network of train_catchment.py was trained by torch to say how much water flows in a river, from
the rain and the temperature of each day; weather and river are made up by that program. Nothing
told the network about snow. `trace` returns every gate and state of 365 days, and this program
looks for the cell that follows the snow best. It draws all of them where matplotlib is installed,
which the extra ``plot`` installs.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import pylstm as nn

WEIGHTS = Path(__file__).with_name("catchment.pt")
YEAR = 365
MONTHS = ("Oct", "Nov", "Dec", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep")
DAYS = (31, 30, 31, 31, 28, 31, 30, 31, 30, 31, 31, 30)


def correlations(cells, store):
    """Return the correlation of each cell (days, H) with a store (days,)."""
    cells, store = cells - cells.mean(axis=0), store - store.mean()
    return cells.T @ store / np.sqrt((cells**2).sum(axis=0) * (store**2).sum())


def months(values):
    """Return the mean of every month of a year (365, ...)."""
    return [part.mean(axis=0) for part in np.split(values, np.cumsum(DAYS)[:-1])]


def print_year(trace, snow, weather, unit):
    """Print month by month the weather and the snow beside the cell and the gates of one unit."""
    columns = [10 * weather[:, 1], snow, *(getattr(trace, name)[0, 0, :, unit] for name in "cifo")]
    print(f"       degrees  snow mm  c of unit {unit}     i     f     o")
    for name, row in zip(MONTHS, months(np.stack(columns, axis=1)), strict=True):
        warm, snow_mm, c, i, f, o = row
        print(
            f"{name}     {warm:5.1f}    {snow_mm:5.1f}        {c:6.2f}  {i:5.2f} {f:5.2f} {o:5.2f}"
        )


def draw(trace, snow, weather, path):
    """Draw the weather, the snow, and below them the gates and cells of all units."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(6, 1, figsize=(9, 11), layout="constrained", sharex=True)
    axes[0].plot(10 * weather[:, 1], color="tab:red", label="degrees Celsius")
    axes[0].bar(np.arange(YEAR), 10 * weather[:, 0], width=1, color="tab:blue", label="rain, mm")
    axes[1].fill_between(
        np.arange(YEAR), snow, color="0.7", label="snow, mm (never shown to the LSTM)"
    )
    for ax in axes[:2]:
        ax.legend(loc="upper right", fontsize="small")
    # Units whose cell is largest early in the year come first.
    nn.plot.plot_gates(trace, ["i", "f", "o", "c"], order="peak", ax=axes[2:])
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main():
    """Trace a year; print what the cells follow and the difference to torch; draw the year."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", default="gates_over_a_year.png")
    options = parser.parse_args()
    file = nn.load(WEIGHTS)
    lstm = nn.LSTM.from_weights(file["model"], "lstm")
    weather, flow, snow, soil, torch_flow = (
        file[name] for name in ("weather", "flow", "snow", "soil", "torch_flow")
    )
    _, states = lstm(weather[:YEAR])  # the year before, so that the cells are filled
    weather, snow, soil = weather[YEAR:], snow[YEAR:], soil[YEAR:]
    trace = lstm.trace(weather, states)

    expected = (trace.output @ file["model"]["head.weight"].T + file["model"]["head.bias"])[:, 0]
    error = np.mean((expected - flow[YEAR:]) ** 2) / flow[YEAR:].var()
    print(f"the LSTM explains {1 - error:.1%} of how the flow varies, in a year it has never seen")
    cells = trace.c[0, 0]  # (365, 16)
    (cold,) = correlations(weather[:, 1:], snow)
    print(f"snow and temperature have the correlation {cold:.2f}")
    for name, store in (("snow", snow), ("soil water", soil)):
        found = correlations(cells, store)
        unit = int(np.abs(found).argmax())
        print(f"{name}: the cell of unit {unit} follows it best, correlation {found[unit]:.2f}")
        if name == "snow":
            of_snow = unit
    print_year(trace, snow, weather, of_snow)
    difference = float(np.abs(expected - torch_flow[YEAR:]).max())
    print(f"largest difference to torch's flow: {difference:.1e} mm")
    try:
        draw(trace, snow, weather, options.picture)
        print(f"picture: {options.picture}")
    except ImportError as missing:
        print(f"no picture: {missing}", file=sys.stderr)
    return 0 if difference < 1e-4 else 1


if __name__ == "__main__":
    raise SystemExit(main())
