"""pylstm.plot: what the pictures show, their words, their places, and how they look."""

import pickle
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is missing: the extra plot")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.testing.compare import compare_images  # noqa: E402
from plot_cases import (  # noqa: E402
    CASES,
    TOLERANCE,
    all_weights,
    cell,
    draw,
    inputs,
    network,
    shown,
    traced,
)

import pylstm as nn  # noqa: E402
from pylstm.plot import plot_gates, plot_states, plot_weights  # noqa: E402
from pylstm.utils.rnn import pack_sequence  # noqa: E402

plt.switch_backend("agg")  # pictures in files, on any machine

RECORDED = Path(__file__).parent / "data" / "plots"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


# ---------------------------------------------------------------------------- looks


def difference(name, folder, **arguments):
    """What compare_images says about a case and the recorded picture, None if they are alike."""
    recorded = folder / f"{name}-recorded.png"
    shutil.copy(RECORDED / f"{name}.png", recorded)
    actual = draw(CASES[name], folder / f"{name}.png", **arguments)
    return compare_images(str(recorded), actual, TOLERANCE, in_decorator=True)


@pytest.mark.parametrize("name", CASES)
def test_looks_as_recorded(name, tmp_path):
    assert difference(name, tmp_path) is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("output_of_one_sequence", {"batch": 1}),
        ("everything_of_two_directions", {"batch": 0}),
        ("all_weights", {"order": (0, 1, 3, 2)}),
        ("gates_of_a_layer", {"batch": 0}),
        ("gates_of_a_layer", {"order": None}),
    ],
)
def test_another_picture_does_not_pass(name, arguments, tmp_path):
    assert difference(name, tmp_path, **arguments)["rms"] > 2 * TOLERANCE


def test_every_recorded_picture_has_its_case():
    assert {path.stem for path in RECORDED.glob("*.png")} == set(CASES)


@pytest.mark.parametrize("name", [*CASES, "one input", "one unit", "names", "a state"])
def test_nothing_overlaps_and_nothing_is_cut_off(name):
    figure = np.ravel((CASES | CROWDED)[name]())[0].figure
    figure.draw_without_rendering()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    for box in boxes:
        assert box.x0 >= -1 and box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
    for one, other in combinations(boxes, 2):
        wide = min(one.x1, other.x1) - max(one.x0, other.x0)
        high = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert wide <= 1 or high <= 1


# Sizes whose numbers and names once ran into each other.
CROWDED = {
    "four layers": lambda: plot_weights(nn.LSTM(100, 20, 4)),
    "two directions": lambda: plot_weights(nn.LSTM(30, 16, 2, bidirectional=True)),
    "many inputs": lambda: plot_weights(nn.LSTM(12000, 4)),
    "one input": lambda: plot_weights(nn.LSTM(1, 32)),
    "one unit": lambda: plot_weights(nn.LSTM(2, 1)),
    "a wide projection": lambda: plot_weights(nn.LSTM(6, 200, proj_size=150)),
    "names": lambda: plot_weights(nn.LSTM(5, 4, bidirectional=True), ["bias_ih_l0_reverse"] * 3),
    "a cell": lambda: plot_weights(nn.LSTMCell(300, 8)),
    "twelve states": lambda: plot_states(nn.LSTM(4, 8, 6, bidirectional=True)(inputs(9, 2, 4))),
    "forty states": lambda: plot_states(nn.LSTM(4, 8, 20, bidirectional=True)(inputs(9, 2, 4))),
    "fourteen layers": lambda: plot_states(nn.LSTM(4, 8, 14)(inputs(9, 2, 4))[1]),
    "many steps": lambda: plot_states(nn.LSTM(4, 300)(inputs(12000, 4))),
    "a large batch": lambda: plot_states(nn.LSTMCell(4, 3)(inputs(1500, 4))),
    "gates of few units": lambda: plot_gates(traced(size=1, steps=1)),
    "gates of many units": lambda: plot_gates(traced(size=300, steps=1200, layers=1), order="mean"),
    "gates of a year": lambda: plot_gates(traced(size=16, steps=365, batch=None), order="peak"),
    "a state": lambda: plot_states(network(4)(inputs(24, 3, 6))[1][0], kind="h"),
}


LARGE_LETTERS = ["four layers", "a cell", "twelve states", "gates of a year"]


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, 10) for name in [*CASES, *CROWDED]), *((name, 14) for name in LARGE_LETTERS)],
)
def test_no_tick_label_runs_into_another(name, size):
    with plt.rc_context({"xtick.labelsize": size, "ytick.labelsize": size}):
        figure = np.ravel((CASES | CROWDED)[name]())[0].figure
        figure.draw_without_rendering()
        for ax in figure.axes:
            for axis in (ax.xaxis, ax.yaxis):
                boxes = [label.get_window_extent() for label in shown_labels(axis)]
                assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
            if ax.images and shown(ax).shape[1] > 1:
                assert len(shown_labels(ax.xaxis)) > 1


def shown_labels(axis):
    """The labels of the ticks that can be seen: matplotlib also has some beyond both ends."""
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [tick.label1 for tick in ticks if tick.label1.get_text() and tick.label1.get_visible()]


@pytest.mark.parametrize("inches", [1.2, 2.0, 4.0])
def test_names_of_columns_make_room_in_narrow_axes(inches):
    _, (one, other) = plt.subplots(1, 2, figsize=(2 * inches, 3), layout="constrained")
    states = nn.LSTM(4, 8, 6, bidirectional=True)(inputs(9, 2, 4))[1]
    plot_states(states, ax=[one, other], bidirectional=True, colorbar=False)
    one.figure.draw_without_rendering()
    names = [label.get_text() for label in shown_labels(one.xaxis)]
    every = [f"{k // 2} {'→←'[k % 2]}" for k in range(12)]
    step = every.index(names[1]) if len(names) > 1 else len(every)
    assert names == every[::step]
    boxes = [label.get_window_extent() for label in shown_labels(one.xaxis)]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_pictures_can_be_pickled():
    figure = plot_states(network(bidirectional=True)(inputs(24, 3, 6)))[0].figure
    again = pickle.loads(pickle.dumps(figure))
    assert labels(again.axes[1].xaxis) == ["0 →", "0 ←", "1 →", "1 ←"]


# ---------------------------------------------------------------------------- states


def test_an_output_is_shown_value_for_value():
    output, _ = network()(inputs(24, 3, 6))
    ax = plot_states(output, batch=-1)
    assert np.array_equal(shown(ax), output[:, 2].T)
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == (
        "output[:, 2]",
        "step",
        "hidden unit",
    )
    image = ax.images[0]
    assert image.norm.vmax == np.abs(output[:, 2]).max() == -image.norm.vmin
    assert np.array_equal(
        shown(plot_states(output.swapaxes(0, 1), batch=2, batch_first=True)), shown(ax)
    )


def test_unbatched():
    lstm = network()
    output, (h, c) = lstm(inputs(24, 6))
    axes = plot_states((output, (h, c)))
    for ax, values in zip(axes, (output, h, c), strict=True):
        assert np.array_equal(shown(ax), values.T)
    assert [ax.get_title() for ax in axes] == ["output", "h", "c"]
    assert [ax.get_xlabel() for ax in axes] == ["step", "layer", "layer"]


def test_two_directions_are_told_apart():
    output, (h, c) = network(bidirectional=True)(inputs(24, 3, 6))
    left, middle, right = plot_states((output, (h, c)), batch=1)
    assert np.array_equal(shown(left), output[:, 1].T)
    assert np.array_equal(shown(middle), h[:, 1].T)
    assert np.array_equal(shown(right), c[:, 1].T)
    assert labels(left.yaxis) == ["forward", "backward"]
    assert labels(middle.xaxis) == ["0 →", "0 ←", "1 →", "1 ←"]
    assert [line.get_ydata()[0] for line in left.lines] == [h.shape[-1] - 0.5]
    # Output and h share a scale, c has its own.
    assert left.images[0].get_clim() == middle.images[0].get_clim() != right.images[0].get_clim()
    assert len(left.figure.axes) == 5


def vertical(ax):
    """(where, width) of the vertical lines of a picture."""
    lines = [line for line in ax.lines if line.get_xdata()[0] == line.get_xdata()[1]]
    return sorted((float(line.get_xdata()[0]), line.get_linewidth()) for line in lines)


THICK, THIN = 1.4, 0.5


def test_lines_stand_between_layers_and_thin_ones_between_directions():
    everything = network(bidirectional=True)(inputs(24, 3, 6))
    between = [(0.5, THIN), (1.5, THIN), (1.5, THICK), (2.5, THIN)]
    output, h, c = plot_states(everything)
    assert vertical(output) == []
    assert vertical(h) == vertical(c) == between
    for ax in plot_states(everything[1], bidirectional=True):
        assert vertical(ax) == between
        assert labels(ax.xaxis) == ["0 →", "0 ←", "1 →", "1 ←"]
        assert ax.get_xlabel() == "layer"
    for ax in plot_states(network()(inputs(24, 3, 6))):
        assert vertical(ax) == []


@pytest.mark.parametrize("kind", ["h", "c"])
@pytest.mark.parametrize("num_layers", [1, 2, 3, 4])
def test_a_state_alone_is_said_to_be_one(kind, num_layers):
    for both in (False, True):
        lstm = network(num_layers, bidirectional=both)
        state = lstm(inputs(24, 3, 6))[1][kind == "c"]
        ax = plot_states(state, batch=1, kind=kind, bidirectional=both)
        assert np.array_equal(shown(ax), state[:, 1].T)
        assert (ax.get_title(), ax.get_xlabel()) == (f"{kind}[:, 1]", "layer")
        names = [f"{k // 2} {'→←'[k % 2]}" if both else str(k) for k in range(len(state))]
        assert labels(ax.xaxis) == names
        unsaid = plot_states(state, kind=kind)
        assert unsaid.get_xlabel() == ("layer" if len(state) % 2 else "layer (and direction)")
        assert vertical(unsaid) == []


def test_what_one_array_is_is_not_guessed():
    output, (h, c) = network(bidirectional=True)(inputs(24, 3, 6))
    for state in (h, c, network(6)(inputs(24, 3, 6))[1][0], output[:12]):
        ax = plot_states(state, batch=2)
        assert (ax.get_title(), ax.get_xlabel()) == ("states[:, 2]", "step or layer")
        assert np.array_equal(shown(ax), state[:, 2].T)
    for state in (h[:, 0], cell()(inputs(5, 6))[0], output[:7, 0]):
        ax = plot_states(state)
        assert (ax.get_title(), ax.get_xlabel()) == ("states", "step, layer or row")
        assert np.array_equal(shown(ax), state.T)


def test_an_output_of_few_steps_is_one_where_it_is_said_or_known():
    output, _ = network()(inputs(4, 3, 6))
    for ax in (
        plot_states(output, kind="output"),
        plot_states(output.swapaxes(0, 1), batch_first=True),
        plot_states(output[:, 0], kind="output"),
        plot_states(network()(pack_sequence([inputs(4, 6)]))[0]),
        plot_states(network()(inputs(13, 3, 6))[0]),
    ):
        assert ax.get_xlabel() == "step"
        assert ax.get_title().startswith("output")


def test_an_output_alone_is_divided_where_directions_are_said():
    output, _ = network(bidirectional=True)(inputs(24, 3, 6))
    packed, _ = network(bidirectional=True)(pack_sequence([inputs(24, 6)]))
    for ax in (
        plot_states(output, bidirectional=True),
        plot_states(output[:5], bidirectional=True, kind="output"),
        plot_states(output.swapaxes(0, 1), bidirectional=True, batch_first=True),
        plot_states(output[:, 0], bidirectional=True),
        plot_states(packed, bidirectional=True),
    ):
        assert labels(ax.yaxis) == ["forward", "backward"]
        assert [line.get_ydata()[0] for line in ax.lines] == [5.5]
    assert plot_states(output).get_ylabel() == "hidden unit"
    assert plot_states(output, bidirectional=False).lines[:] == []


def test_states_of_a_cell_alone():
    h, _ = cell()(inputs(5, 6))
    ax = plot_states(h, kind="h")
    assert (ax.get_title(), ax.get_xlabel(), labels(ax.xaxis)) == ("h", "row", list("01234"))
    assert shown(plot_states(h[0], kind="h")).shape == (6, 1)
    unbatched = network()(inputs(24, 6))[1][0]
    assert plot_states(unbatched, kind="h", bidirectional=False).get_xlabel() == "layer"


def test_a_projection_has_two_sizes():
    output, (h, c) = nn.LSTM(6, 10, proj_size=4)(inputs(24, 3, 6))
    assert [shown(ax).shape for ax in plot_states((output, (h, c)))] == [(4, 24), (4, 1), (10, 1)]


def test_states_of_a_cell_and_of_a_step():
    h, c = cell()(inputs(5, 6))
    for pair in ((h, c), [h, c]):
        left, right = plot_states(pair)
        assert np.array_equal(shown(left), h.T) and np.array_equal(shown(right), c.T)
        assert labels(left.xaxis) == list("01234") and left.get_xlabel() == "row"
    left, right = plot_states((h[0], c[0]))
    assert shown(left).shape == (6, 1)
    assert np.array_equal(shown(plot_states(np.stack([h, h]))), np.stack([h, h])[:, 0].T)


def test_packed_sequences_are_shown_in_the_callers_order():
    sequences = [inputs(n, 6) for n in (4, 9, 6)]
    lstm = network()
    output, states = lstm(pack_sequence(sequences, enforce_sorted=False))
    for k, sequence in enumerate(sequences):
        alone, _ = lstm(sequence)
        ax = plot_states(output, batch=k)
        assert np.array_equal(shown(ax), alone.T)
        axes = plot_states((output, states), batch=k)
        assert np.array_equal(shown(axes[1]), states[0][:, k].T)


@pytest.mark.parametrize("layer", [nn.GRU, nn.RNN])
@pytest.mark.parametrize("steps", [2, 3, 20])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}])
def test_an_output_and_its_h(layer, steps, options):
    module = layer(3, 4, 2, **options)
    result = module(inputs(steps, 5, 3))
    output, h = plot_states(result, batch=1)
    module.batch_first = True
    swapped = plot_states(module(inputs(steps, 5, 3).swapaxes(0, 1)), batch=1, batch_first=True)
    assert np.array_equal(shown(swapped[0]), shown(output))
    assert (output.get_title(), h.get_title()) == ("output[:, 1]", "h[:, 1]")
    assert np.array_equal(shown(output), result[0][:, 1].T)
    assert np.array_equal(shown(h), result[1][:, 1].T)
    if options:
        assert labels(output.yaxis) == ["forward", "backward"]


def test_h_and_c_of_one_shape_are_no_output():
    assert [ax.get_title() for ax in plot_states(nn.LSTM(3, 4, 2)(inputs(2, 5, 3))[1])] == [
        "h[:, 0]",
        "c[:, 0]",
    ]
    zeros = np.zeros((2, 4))
    assert [ax.get_title() for ax in plot_states((zeros, zeros))] == ["h", "c"]
    assert plot_states((zeros, zeros), kind="output")[0].get_title() == "output"


def test_a_packed_output_and_its_h():
    packed = nn.utils.rnn.pack_sequence([inputs(3, 3), inputs(2, 3)])
    titles = [ax.get_title() for ax in plot_states(nn.GRU(3, 4)(packed), batch=1)]
    assert titles == ["output, sequence 1", "h[:, 1]"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_grey_and_counts_for_no_scale(bad):
    values = np.array([[0.5, bad], [0.25, -0.25]], np.float32)
    ax = plot_states(values)
    assert ax.images[0].get_array().mask.T.tolist() == [[False, True], [False, False]]
    assert ax.images[0].get_clim() == (-0.5, 0.5)
    assert plot_states(np.full((2, 2), bad)).images[0].get_clim() == (-1, 1)


def test_zeros_are_white():
    image = plot_states(np.zeros((3, 2))).images[0]
    assert image.get_clim() == (-1, 1)
    assert np.allclose(image.cmap(image.norm(0.0))[:3], 0.97, atol=0.02)


# ---------------------------------------------------------------------------- weights


@pytest.mark.parametrize(
    "options", [{}, {"bidirectional": True}, {"bias": False}, {"proj_size": 4}]
)
def test_all_parameters_are_shown_value_for_value(options):
    lstm = network(**options)
    axes = plot_weights(lstm)
    assert axes.shape == np.shape(lstm._all_weights)
    limits = set()
    for ax, (name, values) in zip(axes.flat, lstm.state_dict().items(), strict=True):
        assert np.array_equal(shown(ax), values.reshape(len(values), -1)), name
        limits.add(ax.images[0].get_clim())
        gates = labels(ax.yaxis)
        assert name.startswith("weight_hr") or gates == ["i", "f", "g", "o"]
    largest = max(np.abs(values).max() for values in lstm.state_dict().values())
    assert limits == {(-largest, largest)}


def test_rows_and_columns_have_names():
    axes = plot_weights(network(bidirectional=True))
    assert [ax.get_title() for ax in axes[0]] == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["l0", "l0_reverse", "l1", "l1_reverse"]
    below = "input feature: forward | backward"
    assert [ax.get_xlabel() for ax in axes[-1][:2]] == [below, "hidden feature"]


@pytest.mark.parametrize("options", [{}, {"proj_size": 4}])
def test_a_line_divides_the_two_directions_of_the_layer_below(options):
    lstm = network(3, bidirectional=True, **options)
    axes = plot_weights(lstm)
    width = options.get("proj_size", 6)
    for names, row in zip(lstm._all_weights, axes, strict=True):
        for name, ax in zip(names, row, strict=True):
            divided = name.startswith("weight_ih") and "_l0" not in name
            assert vertical(ax) == ([(width - 0.5, THICK)] if divided else [])
    assert plot_weights(lstm, "weight_ih_l2").get_xlabel() == "input feature: forward | backward"
    assert plot_weights(lstm, "weight_ih_l0").get_xlabel() == "input feature"
    for plain in (network(3), cell()):
        assert all(vertical(ax) == [] for ax in plot_weights(plain).flat)


def test_gates_stand_where_their_rows_are():
    ax = plot_weights(network(), "weight_hh_l1")
    assert ax.get_title() == "weight_hh_l1"
    assert list(ax.get_yticks()) == [2.5, 8.5, 14.5, 20.5]
    assert [line.get_ydata()[0] for line in ax.lines] == [5.5, 11.5, 17.5]


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (nn.GRU(2, 3, 2), ["r", "z", "n"]),
        (nn.GRUCell(2, 3), ["r", "z", "n"]),
        (nn.RNN(2, 3), None),
        (nn.RNNCell(2, 3), None),
        (nn.LSTMCell(2, 3), ["i", "f", "g", "o"]),
    ],
)
def test_gates_are_those_of_the_kind(module, names):
    axes = plot_weights(module).reshape(-1)
    assert len(axes) == len(list(module.parameters()))
    for ax, values in zip(axes, module.parameters(), strict=True):
        assert np.array_equal(shown(ax), values.reshape(len(values), -1))
        if names:
            assert labels(ax.yaxis) == names
        else:
            assert len(labels(ax.yaxis)) != 1


def test_some_parameters():
    axes = plot_weights(network(), ["bias_hh_l1", "weight_ih_l0"])
    assert [ax.get_title() for ax in axes] == ["bias_hh_l1", "weight_ih_l0"]
    assert plot_weights(nn.LSTMCell(2, 3, bias=False)).shape == (1, 2)


def test_no_lease_and_no_write():
    lstm = network()
    before = {name: value.tobytes() for name, value in lstm.state_dict().items()}
    axes = plot_weights(lstm)
    plot_states(lstm(inputs(4, 3, 6)))
    assert lstm._native_leases == 0 and axes.size
    assert before == {name: value.tobytes() for name, value in lstm.state_dict().items()}


def test_large_weights_are_averaged():
    ax = plot_weights(nn.LSTMCell(3, 100), "weight_ih")
    assert ax.images[0].get_interpolation() in ("antialiased", "auto")
    assert all_weights()[0, 0].images[0].get_interpolation() == "nearest"


# ---------------------------------------------------------------------------- axes


def test_given_axes_are_used_and_returned():
    figure, (one, two, three) = plt.subplots(1, 3)
    output, states = network()(inputs(4, 3, 6))
    assert plot_states(output, ax=one, colorbar=False) is one
    assert list(plot_states(states, ax=[one, two])) == [one, two]
    assert list(plot_states((output, states), ax=np.array([one, two, three]))) == [one, two, three]
    grid = plt.subplots(2, 4)[1]
    assert plot_weights(network(), ax=grid).tolist() == grid.tolist()
    assert plt.get_fignums() == [1, 2]
    assert figure.number == 1


def test_colours_are_the_callers():
    assert plot_states(inputs(4, 3), cmap="PuOr").images[0].cmap.name == "PuOr"
    cmap = matplotlib.colormaps["PiYG"]
    assert plot_weights(cell(), "bias_ih", cmap=cmap).images[0].cmap.name == "PiYG"


OUT, STATES = np.zeros((4, 3, 5)), (np.zeros((2, 3, 5)), np.zeros((2, 3, 5)))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((None,), TypeError, "states"),
        ((OUT + 1j,), TypeError, "states"),
        ((np.zeros(3),), ValueError, r"states must be \(L, N, D\*H\).* got an array of shape \(3,\)"),
        ((np.zeros((0, 3, 5)),), ValueError, r"states of shape \(0, 3, 5\) holds nothing to draw"),
        (((OUT, OUT, OUT),), ValueError, r"states must be an output, \(h, c\).* got a tuple of 3"),
        (((OUT, (OUT,)),), ValueError, "got 1 states beside the output"),
        (((OUT, "h"),), TypeError, "c in states"),
        (((np.zeros((2, 3, 4)), (STATES)),), ValueError, "4 features, which are neither once nor twice the 5 of h"),
        (((np.zeros((4, 2, 5)), STATES),), ValueError, "a batch of 2 and a batch of 3"),
        (((np.zeros((4, 5)), STATES),), ValueError, "no batch and a batch of 3"),
        (((STATES[0], STATES[1][:1]),), ValueError, r"h and c in states do not belong together: their shapes are \(2, 3, 5\) and \(1, 3, 5\)"),
    ],
)  # fmt: skip
def test_wrong_states(arguments, error, text):
    with pytest.raises(error, match=text):
        plot_states(*arguments)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"batch": 3}, ValueError, "batch must be from -3 to 2 for states, got 3"),
        ({"batch": -4}, ValueError, "batch must be from -3 to 2 for states, got -4"),
        ({"batch": 1.0}, TypeError, "batch must be an int, got float"),
        ({"batch": True}, TypeError, "batch must be an int, got bool"),
        ({"batch_first": 1}, TypeError, "batch_first must be a bool, got int"),
        ({"kind": "output", "batch": 5}, ValueError, "batch must be from -3 to 2 for states, got 5"),
        ({"kind": "hx"}, ValueError, "kind must be 'output', 'h' or 'c', got 'hx'"),
        ({"kind": 1}, ValueError, "kind must be 'output', 'h' or 'c', got 1"),
        ({"bidirectional": 1}, TypeError, "bidirectional must be a bool or None, got int"),
        ({"bidirectional": True}, ValueError, r"kind must be 'output', 'h' or 'c' where bidirectional is True: an array of shape \(4, 3, 5\)"),
        ({"bidirectional": True, "kind": "output"}, ValueError, "bidirectional must be False for an output with an odd number of features, got 5"),
        ({"ax": "no"}, TypeError, "ax must be matplotlib Axes or an array of them, got str"),
        ({"ax": []}, ValueError, "ax must hold 1 Axes, one for each picture, got 0"),
        ({"cmap": "nope"}, ValueError, "nope"),
    ],
)  # fmt: skip
def test_wrong_options(options, error, text):
    with pytest.raises(error, match=text):
        plot_states(OUT, **options)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("states", "options", "text"),
    [
        (STATES, {"kind": "h"}, "kind must be left out for a tuple of two, got 'h'"),
        ((np.zeros((4, 3, 5)), STATES), {"kind": "output"}, "kind must be left out for a tuple of two, got 'output'"),
        (np.zeros((3, 3, 5)), {"kind": "h", "bidirectional": True}, "bidirectional must be False for an odd number of states, got 3"),
        ((np.zeros((3, 2, 5)),) * 2, {"bidirectional": True}, "bidirectional must be False for an odd number of states, got 3"),
        ((np.zeros((4, 3, 10)), STATES), {"bidirectional": False}, "bidirectional must be True or left out for an output of 10 features and h of 5, got False"),
        ((np.zeros((4, 3, 5)), STATES), {"bidirectional": True}, "bidirectional must be False or left out for an output of 5 features and h of 5, got True"),
        (pack_sequence([np.zeros((4, 6))]), {"kind": "c"}, "kind must be 'output' for a packed sequence, got 'c'"),
        (np.zeros((2, 3, 4, 5)), {"kind": "h"}, r"states, a h, must be \(D\*num_layers, N, H\)"),
    ],
)  # fmt: skip
def test_kinds_and_directions_that_do_not_fit(states, options, text):
    with pytest.raises(ValueError, match=text):
        plot_states(states, **options)
    assert not plt.get_fignums()


def test_batch_of_what_has_none():
    with pytest.raises(ValueError, match=r"batch must be left out: states \(4, 5\) has no batch"):
        plot_states(np.zeros((4, 5)), batch=0)
    with pytest.raises(ValueError, match="batch must be left out: h in states"):
        plot_states(cell()(inputs(5, 6)), batch=0)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((nn.Module(),), TypeError, "module must be a recurrent layer or a cell, got pylstm.Module: of a container"),
        ((nn.LSTM,), TypeError, "module must be a recurrent layer or a cell, got"),
        ((nn.LSTM(2, 3), "weight"), ValueError, "names must be of weight_ih_l0, .*; got 'weight'"),
        ((nn.LSTM(2, 3), []), TypeError, r"names must be a parameter's name or a list of them, got \[\]"),
        ((nn.LSTM(2, 3), 5), TypeError, "names must be a parameter's name or a list of them, got 5"),
    ],
)  # fmt: skip
def test_wrong_modules_and_names(arguments, error, text):
    with pytest.raises(error, match=text):
        plot_weights(*arguments)
    assert not plt.get_fignums()


def run_alone(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_matplotlib_is_imported_when_the_first_picture_is_drawn():
    code = (
        "import sys, pylstm; 'plot' in dir(pylstm) or sys.exit('no plot')\n"
        "pylstm.plot.plot_weights; 'matplotlib' in sys.modules and sys.exit('imported')"
    )
    result = run_alone(code)
    assert result.returncode == 0, result.stderr


def test_without_matplotlib_the_extra_is_named():
    code = (
        "import sys, pylstm; sys.modules['matplotlib'] = None\n"
        "pylstm.plot.plot_weights(pylstm.LSTMCell(1, 1))"
    )
    result = run_alone(code)
    assert result.returncode == 1
    assert "ImportError: pylstm.plot needs matplotlib: pip install 'pylstm[plot]'" in result.stderr
