"""The pictures that test_plot.py compares with recorded ones."""

import os
from types import SimpleNamespace

import numpy as np
from support import with_parameters

import pylstm as nn
from pylstm.plot import plot_gates, plot_states, plot_weights
from pylstm.utils.rnn import pack_sequence

# Root-mean-square difference of the pixels, of 255. What is wrong with a picture, such as another
# sequence of the batch or gates out of order, differs by 20 and more; test_plot.py tries it.
TOLERANCE = 10

COLUMNS = 5
STYLE = {"figure.dpi": 100, "savefig.dpi": 100}


def inputs(*shape):
    """Waves of growing frequency, the same on every machine."""
    steps = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    return np.round(np.sin(steps * 0.37) * 16) / 16


def network(num_layers=2, **options):
    return with_parameters(nn.LSTM(6, 6, num_layers, **options), seed=8, scale=1.0)


def cell():
    return with_parameters(nn.LSTMCell(6, 6), seed=9, scale=1.0)


def shown(ax):
    """The values in a picture."""
    (image,) = ax.images
    return np.asarray(image.get_array())


GATES = {"LSTM": "ifgoch", "GRU": "rznh", "RNN": "h"}


def traced(kind="LSTM", steps=24, size=6, batch=3, layers=2, directions=1):
    """What Trace has, with waves of other lengths in every array and bumps that move with time."""
    rows = () if batch is None else (batch,)
    found = SimpleNamespace(names=tuple(GATES[kind]))
    for k, name in enumerate(found.names):
        wave = inputs(layers, directions, steps, *rows, size)
        wave = np.roll(wave, k, axis=-1) * np.linspace(0.2, 1, size)
        setattr(found, name, (wave + 1) / 2 if name in "iforz" else wave * (1 + 2 * (name == "c")))
    top = found.h[-1]
    found.output = np.concatenate(list(top), axis=-1)
    ends = [found.h[:, way, -1 * (way == 0)] for way in range(directions)]
    found.h_n = np.stack(ends, axis=1).reshape(layers * directions, *rows, size)
    if kind == "LSTM":
        ends = [found.c[:, way, -1 * (way == 0)] for way in range(directions)]
        found.c_n = np.stack(ends, axis=1).reshape(layers * directions, *rows, size)
    return found


def gates_of_a_layer(batch=1, order="peak"):
    return plot_gates(traced(), layer=1, batch=batch, order=order)


def gates_of_a_gru_backwards():
    trace = traced("GRU", directions=2, batch=None)
    trace.n[0, 1, 5] = np.nan
    return plot_gates(trace, direction=1, gate_cmap="magma")


def output_of_one_sequence(batch=0):
    return plot_states(network()(inputs(24, 3, 6))[0], batch=batch)


def everything_of_two_directions(batch=1):
    return plot_states(network(bidirectional=True)(inputs(24, 3, 6)), batch=batch)


def states_of_a_cell():
    return plot_states(cell()(inputs(5, 6)))


def packed_and_not_finite():
    packed = pack_sequence([inputs(n, 6) for n in (4, 9, 6)], enforce_sorted=False)
    output, states = network()(packed)
    output.data[3] = np.nan
    return plot_states((output, states), batch=1)


def all_weights(order=range(4)):
    lstm = network(num_layers=1, bidirectional=True)
    for values in lstm.parameters():
        gates = values.reshape(4, -1).copy()
        values[...] = gates[list(order)].reshape(values.shape)
    return plot_weights(lstm)


def weights_of_a_projection():
    return plot_weights(with_parameters(nn.LSTM(6, 6, proj_size=4), seed=10, scale=1.0))


def one_weight_in_given_axes():
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(4, 4), layout="constrained")
    assert plot_weights(cell(), "weight_hh", ax=ax, cmap="PuOr", colorbar=False) is ax
    return ax


CASES = {
    function.__name__: function
    for function in (
        output_of_one_sequence,
        everything_of_two_directions,
        states_of_a_cell,
        packed_and_not_finite,
        all_weights,
        weights_of_a_projection,
        one_weight_in_given_axes,
        gates_of_a_layer,
        gates_of_a_gru_backwards,
    )
}


def draw(function, path, **arguments):
    """Save what a case draws, in matplotlib's own style, without words and in fixed places.

    Every release sets letters a little differently and moves all else by some pixels for it.
    Words and places have tests of their own.
    """
    import matplotlib.pyplot as plt
    from matplotlib.testing.decorators import remove_ticks_and_titles

    plt.close("all")
    with plt.style.context(["default", STYLE]):
        figure = np.ravel(function(**arguments))[0].figure
        remove_ticks_and_titles(figure)
        columns = min(COLUMNS, len(figure.axes))
        rows = -(-len(figure.axes) // columns)
        figure.set_layout_engine("none")
        figure.set_size_inches(8, 2 * rows)
        for k, ax in enumerate(figure.axes):
            ax.set(xlabel="", ylabel="")
            ax.set_aspect("auto")
            left, bottom = k % columns / columns, 1 - (k // columns + 1) / rows
            ax.set_axes_locator(None)
            ax.set_position((left + 0.02, bottom + 0.1 / rows, 0.8 / columns, 0.8 / rows))
        figure.savefig(path, metadata={"Software": None})
    plt.close("all")
    return os.fspath(path)
