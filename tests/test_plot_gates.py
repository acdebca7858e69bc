"""pylstm.plot.plot_gates: which numbers a trace's pictures show, and their colours and words."""

from types import SimpleNamespace

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is missing: the extra plot")

import matplotlib.pyplot as plt  # noqa: E402
from plot_cases import GATES, shown, traced  # noqa: E402

import pylstm as nn  # noqa: E402
from pylstm.plot import plot_gates, plot_states  # noqa: E402

plt.switch_backend("agg")


DRAWN = set()  # figures whose ticks have their names


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")
    DRAWN.clear()


def row_names(ax):
    """The names of the rows that have a tick, by row."""
    if ax.figure not in DRAWN:
        ax.figure.draw_without_rendering()
        DRAWN.add(ax.figure)
    labels = zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    return {int(tick): label.get_text() for tick, label in labels}


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize(("layer", "direction"), [(0, 0), (1, 1), (-1, -2)])
def test_every_array_is_shown_value_for_value(kind, batch, layer, direction):
    trace = traced(kind, batch=batch, directions=2)
    chosen = {} if batch is None else {"batch": -1}
    axes = plot_gates(trace, layer=layer, direction=direction, **chosen)
    assert len(axes) == len(GATES[kind])
    where = f"[{layer % 2}, {direction % 2}" + ("]" if batch is None else ", :, 2]")
    for ax, name in zip(axes, GATES[kind], strict=True):
        array = getattr(trace, name)[layer, direction]
        assert np.array_equal(shown(ax), (array if batch is None else array[:, -1]).T)
        assert (ax.get_title(), ax.get_ylabel()) == (name + where, "hidden unit")
    assert [ax.get_xlabel() for ax in axes] == [""] * (len(axes) - 1) + ["step"]


def test_the_first_layer_direction_and_sequence_are_the_default():
    trace = traced(directions=2)
    for ax, name in zip(plot_gates(trace), "ifgoch", strict=True):
        assert np.array_equal(shown(ax), getattr(trace, name)[0, 0, :, 0].T)


def test_some_arrays():
    trace = traced()
    axes = plot_gates(trace, ["c", "f"])
    assert [ax.get_title()[0] for ax in axes] == ["c", "f"]
    assert [ax.get_xlabel() for ax in axes] == ["", "step"]
    one = plot_gates(trace, "o")
    assert one.get_title() == "o[0, 0, :, 0]" and one.get_xlabel() == "step"
    assert plot_gates(traced("RNN")).shape == (1,)
    del trace.h, trace.g
    trace.names = ("i", "f", "o", "c")
    assert len(plot_gates(trace, order="mean")) == 4


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"batch_first": True}])
def test_traces_of_layers_are_shown(kind, options):
    layer = getattr(nn, kind)(3, 5, 2, **options)
    x = np.random.default_rng(0).standard_normal((4, 4, 3))
    trace = layer.trace(x, lengths=[2, 4, 1, 3])
    axes = plot_gates(trace, layer=1, direction=-1, batch=3)
    assert [ax.get_title()[0] for ax in axes] == list(GATES[kind])
    for ax, name in zip(axes, GATES[kind], strict=True):
        values = shown(ax)
        assert np.array_equal(values, getattr(trace, name)[1, -1, :, 3].T)
        assert not values[:, 3].any() and values[:, :3].all()  # the length is 3
    assert len(plot_gates(layer.trace(x, names="h"))) == 1
    first = options.get("batch_first", False)
    given, expected = (plot_states(each, batch=3, batch_first=first) for each in (trace, layer(x)))
    assert [ax.get_title() for ax in given] == [ax.get_title() for ax in expected]
    assert not shown(given[0])[:, 3].any() and shown(expected[0])[:, 3].all()


# ---------------------------------------------------------------------------- colours


@pytest.mark.parametrize("kind", GATES)
def test_scales_are_fixed_by_what_an_array_is(kind):
    trace = traced(kind)
    for name in GATES[kind]:
        getattr(trace, name)[...] *= 0.25
    for ax, name in zip(plot_gates(trace), GATES[kind], strict=True):
        (image,) = ax.images
        largest = np.abs(getattr(trace, name)[0, 0, :, 0]).max()
        wanted = {"c": (-largest, largest)}.get(name, (0, 1) if name in "iforz" else (-1, 1))
        assert image.get_clim() == wanted
        assert image.cmap.name == ("viridis" if name in "iforz" else "RdBu_r")


def test_what_lies_beyond_one_is_in_the_scale():
    """An RNN with relu, a variant with another activation, states that were given."""
    trace = traced("RNN")
    trace.h *= 40
    image = plot_gates(trace, "h").images[0]
    assert image.get_clim() == (-np.abs(shown(plot_gates(trace, "h"))).max(), image.norm.vmax)
    assert image.norm.vmax > 20


def test_a_cell_state_of_zeros_is_white():
    trace = traced()
    trace.c[...] = 0
    assert plot_gates(trace, "c").images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", list("ifgoch"))
def test_what_is_not_finite_is_grey_and_counts_for_no_scale(name, bad):
    trace = traced()
    before = [ax.images[0].get_clim() for ax in plot_gates(trace)]
    getattr(trace, name)[0, 0, 2, 0, 1] = bad
    axes = plot_gates(trace)
    mask = axes["ifgoch".index(name)].images[0].get_array().mask
    assert mask[1, 2] and mask.sum() == 1
    assert [ax.images[0].get_clim() for ax in axes] == before
    grey = axes[0].images[0].cmap.get_bad()
    assert np.allclose(grey[:3], 0.6)


def test_colours_are_the_callers():
    axes = plot_gates(traced(), cmap="PuOr", gate_cmap=matplotlib.colormaps["magma"])
    assert [ax.images[0].cmap.name for ax in axes] == ["magma"] * 2 + ["PuOr", "magma"] + [
        "PuOr"
    ] * 2
    assert len(axes[0].figure.axes) == 12
    assert len(plot_gates(traced(), colorbar=False)[0].figure.axes) == 6


# ---------------------------------------------------------------------------- units


def bumps(steps=12, size=5):
    """Unit k has its one peak, of its own sign and height, at a step of its own."""
    trace = traced(steps=steps, size=size, batch=None, layers=1)
    trace.h[...] = 0
    for unit, (step, value) in enumerate([(7, 0.5), (2, -0.9), (11, 0.1), (2, 0.3), (0, -0.2)]):
        trace.h[0, 0, step, unit] = value
    return trace


@pytest.mark.parametrize(
    ("order", "units"),
    [
        ("peak", [4, 1, 3, 0, 2]),
        ("mean", [0, 3, 2, 4, 1]),
        ([3, 1], [3, 1]),
        (np.array([1, 1, 0], np.uint8), [1, 1, 0]),
        (range(4, -1, -1), [4, 3, 2, 1, 0]),
    ],
)
def test_units_have_one_order_in_all_pictures(order, units):
    trace = bumps()
    axes = plot_gates(trace, order=order)
    for ax, name in zip(axes, "ifgoch", strict=True):
        assert np.array_equal(shown(ax), getattr(trace, name)[0, 0].T[units])
        names = row_names(ax)
        assert names and all(units[row] == int(text) for row, text in names.items())
    # The order is that of h, whether h is drawn or not.
    assert np.array_equal(shown(plot_gates(trace, "f", order=order)), trace.f[0, 0].T[units])


def test_units_stand_as_they_are_otherwise():
    trace = bumps()
    ax = plot_gates(trace, "h")
    assert np.array_equal(shown(ax), trace.h[0, 0].T)
    assert all(str(tick) == text for tick, text in row_names(ax).items() if 0 <= tick < 5)


def test_without_h_the_last_array_gives_the_order():
    trace = bumps()
    trace.c, trace.names = trace.h, ("i", "c")
    del trace.h
    for ax in plot_gates(trace, order="peak"):
        assert np.array_equal(shown(ax), getattr(trace, ax.get_title()[0])[0, 0].T[[4, 1, 3, 0, 2]])


def test_what_is_not_finite_has_no_say_in_the_order():
    trace = bumps()
    trace.h[0, 0, 1, 0] = np.inf
    trace.h[0, 0, 5, 3] = np.nan
    trace.h[0, 0, :, 2] = np.nan
    # Unit 0 has its peak at step 7 still; unit 2, without a number, has its own at step 0.
    last = shown(plot_gates(trace, "h", order="peak"))[4]
    assert np.array_equal(last, trace.h[0, 0, :, 0])
    assert np.isnan(shown(plot_gates(trace, "h", order="mean"))[2]).all()


def test_ticks_of_many_units_leave_some_out():
    trace = traced(size=300, steps=20, layers=1)
    names = row_names(plot_gates(trace, order="mean")[0])
    assert 3 < len(names) < 20
    assert plot_gates(trace, "i").images[0].get_interpolation() in ("antialiased", "auto")
    assert plot_gates(traced(), "i").images[0].get_interpolation() == "nearest"


# ---------------------------------------------------------------------------- axes, errors


def test_given_axes_are_used_and_returned():
    _, grid = plt.subplots(2, 3)
    assert list(plot_gates(traced(), ax=grid)) == list(grid.flat)
    assert [ax.get_xlabel() for ax in grid.flat] == ["step"] * 6
    assert plot_gates(traced(), "h", ax=grid[0, 0]) is grid[0, 0]
    assert plt.get_fignums() == [1]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"names": "r"}, ValueError, "names must be of i, f, g, o, c, h; got 'r'"),
        ({"names": "fc"}, ValueError, r"got 'fc': pass a tuple of names, \('f', 'c'\)$"),
        ({"names": "i, f"}, ValueError, r"got 'i, f': pass a tuple of names, \('i', 'f'\)$"),
        ({"names": "fx"}, ValueError, "got 'fx'$"),
        ({"names": ["i", 3]}, ValueError, "names must be of i, f, g, o, c, h; got 3"),
        ({"names": []}, TypeError, r"names must be an array's name or a list of them, got \[\]"),
        ({"names": 3}, TypeError, "names must be an array's name or a list of them, got 3"),
        ({"layer": 2}, ValueError, "layer must be from -2 to 1 for this trace, got 2"),
        ({"layer": 1.0}, TypeError, "layer must be an int, got float"),
        ({"layer": True}, TypeError, "layer must be an int, got bool"),
        ({"direction": 1}, ValueError, "direction must be from -1 to 0 for this trace, got 1"),
        ({"direction": "backward"}, TypeError, "direction must be an int, got str"),
        ({"batch": 3}, ValueError, "batch must be from -3 to 2 for this trace, got 3"),
        ({"batch": 0.0}, TypeError, "batch must be an int, got float"),
        ({"order": "size"}, ValueError, "order must be 'mean', 'peak', the numbers of units or None, got 'size'"),
        ({"order": True}, TypeError, "order must be 'mean', 'peak', .* got bool of dtype bool"),
        ({"order": [0.0]}, TypeError, "got list of dtype float64 and shape"),
        ({"order": [[0]]}, TypeError, r"of dtype int64 and shape \(1, 1\)"),
        ({"order": np.array([], int)}, ValueError, "order must hold numbers of units from 0 to 5"),
        ({"order": [6]}, ValueError, r"order must hold numbers of units from 0 to 5, got \[6\]"),
        ({"order": [-1]}, ValueError, r"order must hold numbers of units from 0 to 5, got \[-1\]"),
        ({"ax": "no"}, TypeError, "ax must be matplotlib Axes or an array of them, got str"),
        ({"ax": []}, ValueError, "ax must hold 6 Axes, one for each picture, got 0"),
        ({"cmap": "nope"}, ValueError, "nope"),
        ({"gate_cmap": "nope"}, ValueError, "nope"),
    ],
)  # fmt: skip
def test_wrong_options(options, error, text):
    with pytest.raises(error, match=text):
        plot_gates(traced(), **options)
    assert not plt.get_fignums()


@pytest.mark.parametrize("wrong", [None, np.zeros((2, 1, 4, 3, 5)), ("i",), nn.LSTM(2, 3)])
def test_what_is_no_trace(wrong):
    with pytest.raises(
        TypeError, match="trace must be a Trace, as the method trace of a recurrent"
    ):
        plot_gates(wrong)


def test_traces_that_hold_nothing():
    with pytest.raises(ValueError, match="trace holds no gates to draw"):
        plot_gates(SimpleNamespace(names=(), output=np.zeros((3, 2))))
    with pytest.raises(ValueError, match=r"i of shape \(2, 1, 0, 3, 6\) holds nothing to draw"):
        plot_gates(SimpleNamespace(names=("i",), output=None, i=np.zeros((2, 1, 0, 3, 6))))
    with pytest.raises(ValueError, match=r"i of a trace must be \(num_layers, num_directions, T"):
        plot_gates(SimpleNamespace(names=("i",), output=None, i=np.zeros((2, 6))))
    with pytest.raises(ValueError, match="batch must be left out: an unbatched trace"):
        plot_gates(traced(batch=None), batch=0)


# ---------------------------------------------------------------------------- plot_states


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("batch", [None, 3])
def test_plot_states_takes_a_trace(kind, directions, batch):
    trace = traced(kind, directions=directions, batch=batch)
    states = (trace.h_n, trace.c_n) if kind == "LSTM" else trace.h_n
    chosen = {} if batch is None else {"batch": 1}
    pairs = zip(
        plot_states(trace, **chosen), plot_states((trace.output, states), **chosen), strict=True
    )
    for one, other in pairs:
        assert np.array_equal(shown(one), shown(other))
        assert one.get_title() == other.get_title() and one.get_xlabel() == other.get_xlabel()


def test_plot_states_of_a_trace_refuses_a_kind():
    with pytest.raises(
        ValueError, match=r"kind must be left out for a types\.SimpleNamespace, got 'h'"
    ):
        plot_states(traced(), kind="h")
    with pytest.raises(ValueError, match="batch must be from -3 to 2"):
        plot_states(traced(), batch=3)
