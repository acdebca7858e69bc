"""LSTMs and GRUs that weight files hold and torch has not: values, and the promises on bits."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import reference
from reference import fractions
from reference_variants import ACTIVATIONS, GATE_ACTIVATIONS, kind_with
from support import assert_same_bits, largest_error, states_of, with_parameters

import pylstm
from pylstm.arguments import variants
from pylstm.utils.rnn import pack_sequence, unpack_sequence
from pylstm.weights import kinds

LSTM_VARIANTS = [
    {"peepholes": True},
    {"gate_activation": "hard_sigmoid"},
    {"gate_activation": "hard_sigmoid3"},
    {"activation": "relu"},
    {"activation": "softsign"},
    {"activation": "linear"},
    {"cell_clip": 0.125},
    {"peepholes": True, "gate_activation": "hard_sigmoid", "cell_clip": 0.25},
    {
        "peepholes": True,
        "gate_activation": "hard_sigmoid3",
        "activation": "softsign",
        "cell_clip": 1e30,
    },
]
GRU_VARIANTS = [
    {"reset_after": False},
    {"gate_activation": "hard_sigmoid"},
    {"gate_activation": "hard_sigmoid3", "activation": "linear"},
    {"activation": "relu"},
    {"reset_after": False, "gate_activation": "hard_sigmoid", "activation": "softsign"},
    {"reset_after": False, "gate_activation": "hard_sigmoid3", "activation": "relu"},
]
ALL = [("LSTM", variant) for variant in LSTM_VARIANTS] + [
    ("GRU", variant) for variant in GRU_VARIANTS
]
every_variant = pytest.mark.parametrize(("kind", "variant"), ALL, ids=str)
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def layer(kind, *sizes, **options):
    return with_parameters(getattr(pylstm, kind)(*sizes, **options), 1)


def states(module, rows, seed=7):
    """Initial states for a layer, hx of its kind."""
    directions = module.num_layers * (2 if module.bidirectional else 1)
    shape = directions, rows, module.proj_size or module.hidden_size
    h = fractions(seed, shape).astype(module._native_dtype)
    if module._native_kind != "LSTM":
        return h
    return h, fractions(seed + 1, (*shape[:2], module.hidden_size)).astype(module._native_dtype)


# ---- values


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "structure",
    [
        {},
        {"bias": False, "batch_first": True},
        {"num_layers": 2, "bidirectional": True},
        {"num_layers": 2, "reverse": True},
    ],
    ids=str,
)
@every_variant
def test_values_are_those_of_the_reference(kind, variant, structure, dtype):
    module = layer(kind, 5, 19, dtype=dtype, **structure, **variant)
    x = fractions(3, (4, 6, 5), 4.0)
    hx = states(module, 4 if module.batch_first else 6)
    options = {name: structure[name] for name in ("batch_first", "reverse") if name in structure}
    name = kind_with(kind, variant)
    for given in (None, hx):
        expected = reference.layer(name, module.state_dict(), x, given, **options)
        assert largest_error(module(x, given), expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("variant", LSTM_VARIANTS, ids=str)
def test_projections(variant):
    module = layer("LSTM", 5, 19, 2, proj_size=4, dtype="float64", **variant)
    x = fractions(3, (4, 6, 5), 4.0)
    expected = reference.layer(kind_with("LSTM", variant), module.state_dict(), x)
    assert largest_error(module(x), expected) < TOLERANCE["float64"]


@every_variant
def test_every_option_matters(kind, variant):
    """Leaving out any one option gives other numbers, so that no test passes without it."""
    x = fractions(3, (4, 6, 5), 4.0)
    result = layer(kind, 5, 19, **variant)(x)
    for name, value in variant.items():
        if value == 1e30:
            continue
        other = layer(kind, 5, 19, **{k: v for k, v in variant.items() if k != name})
        assert (np.asarray(other(x)[0]) != result[0]).any(), name


def test_the_reference_of_no_variant_is_the_reference():
    x = fractions(3, (4, 6, 5), 4.0)
    for kind in ("LSTM", "GRU"):
        parameters = layer(kind, 5, 19, dtype="float64").state_dict()
        plain = reference.layer(kind, parameters, x)
        assert largest_error(reference.layer(kind_with(kind, {}), parameters, x), plain) < 1e-15


def test_a_clip_binds_the_state_of_the_cell_exactly():
    module = layer("LSTM", 5, 19, cell_clip=0.1)
    _, (_, c_n) = module(fractions(3, (9, 6, 5), 8.0))
    clip = np.float32(0.1)
    assert np.abs(c_n).max() == clip and (np.abs(c_n) < clip).any()


@every_variant
def test_a_nan_stays_one(kind, variant):
    x = fractions(3, (4, 6, 5), 4.0)
    x[1, 2, 3] = np.nan
    output, _ = layer(kind, 5, 19, **variant)(x)
    assert np.isnan(output[1:, 2]).all()
    assert np.isfinite(output[0]).all() and np.isfinite(np.delete(output, 2, axis=1)).all()


# ---- bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden_size", [1, 16, 19, 70])
def test_a_variant_that_changes_nothing_has_the_bits_of_the_plain_lstm(hidden_size, dtype):
    x = fractions(3, (6, 5, 7), 2.0).astype(dtype)
    plain = layer("LSTM", 7, hidden_size, 2, dtype=dtype)
    variant = layer("LSTM", 7, hidden_size, 2, dtype=dtype, cell_clip=1e30)
    assert_same_bits(variant(x), plain(x))
    assert_same_bits(variant(x, states(plain, 5)), plain(x, states(plain, 5)))


@every_variant
def test_bits_do_not_depend_on_batch_or_cut(kind, variant):
    module = layer(kind, 5, 37, 2, **variant)
    x = fractions(3, (7, 6, 5), 4.0).astype("f4")
    output, hx = module(x)
    for row in range(6):
        alone, _ = module(x[:, row : row + 1])
        assert_same_bits(alone[:, 0], output[:, row])
    first, hx_of_first = module(x[:3])
    second, hx_of_second = module(x[3:], hx_of_first)
    assert_same_bits(np.concatenate([first, second]), output)
    assert_same_bits(hx_of_second, hx)


@every_variant
def test_omitted_states_have_the_bits_of_zeros(kind, variant):
    x = fractions(3, (4, 6, 5), 4.0)
    for infinite in (False, True):
        module = layer(kind, 5, 19, **variant)
        zeros = copy.deepcopy(states(module, 6))
        for state in states_of(zeros):
            state[...] = 0
        if infinite:
            module.weight_hh_l0[0, 0] = np.inf
        assert_same_bits(module(x), module(x, zeros))


@pytest.mark.parametrize("reverse", [False, True])
@every_variant
def test_packed_sequences_have_the_bits_of_each_alone(kind, variant, reverse):
    module = layer(kind, 5, 19, 2, reverse=reverse, **variant)
    sequences = [fractions(n, (n, 5), 4.0).astype("f4") for n in (9, 5, 5, 2, 1)]
    packed, hx = module(pack_sequence(sequences))
    for row, (result, sequence) in enumerate(zip(unpack_sequence(packed), sequences, strict=True)):
        output, final = module(sequence)
        assert_same_bits(result, output)
        for state, expected in zip(states_of(hx), states_of(final), strict=True):
            assert_same_bits(state[:, row], expected)


@every_variant
def test_cells_have_the_bits_of_layers(kind, variant):
    module = layer(kind, 5, 19, **variant)
    cell = getattr(pylstm, kind + "Cell")(5, 19, **variant)
    cell.load_state_dict(
        {name.removesuffix("_l0"): value for name, value in module.state_dict().items()}
    )
    x = fractions(3, (7, 6, 5), 4.0).astype("f4")
    output, _ = module(x)
    hx = None
    for step, expected in zip(x, output, strict=True):
        hx = cell(step, hx)
        assert_same_bits(states_of(hx)[0], expected)
        assert_same_bits(states_of(cell(step[0], None))[0], states_of(cell(step, None))[0][0])


@every_variant
def test_threads_change_no_bit(kind, variant):
    results = {}
    threads = pylstm.get_num_threads()
    try:
        for count in (1, 2):
            pylstm.set_num_threads(count)
            for rows, options in itertools.product((1, 3, 40), ({}, {"bidirectional": True})):
                module = layer(kind, 40, 200, **variant, **options)
                x = fractions(3, (30, rows, 40)).astype("f4")
                result = module(x)
                expected = results.setdefault((rows, *options), result)
                assert_same_bits(result, expected)
    finally:
        pylstm.set_num_threads(threads)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("packed", [False, True])
def test_reverse_is_the_second_direction_alone(kind, packed):
    both = layer(kind, 5, 19, bidirectional=True)
    module = getattr(pylstm, kind)(5, 19, reverse=True)
    end = "_reverse"
    module.load_state_dict(
        {
            name.removesuffix(end): value
            for name, value in both.state_dict().items()
            if name.endswith(end)
        }
    )
    sequences = [fractions(n, (n, 5), 4.0).astype("f4") for n in (7, 7, 3)]
    x = pack_sequence(sequences) if packed else np.stack(sequences[:2], axis=1)
    hx = states(both, 3 if packed else 2)
    own = [state[1:] for state in states_of(hx)]
    expected, expected_hx = both(x, hx)
    output, hx_n = module(x, tuple(own) if kind == "LSTM" else own[0])
    if packed:
        output, expected = output.data, expected.data
    assert_same_bits(output, np.ascontiguousarray(expected[..., 19:]))
    for state, pair in zip(states_of(hx_n), states_of(expected_hx), strict=True):
        assert_same_bits(state, pair[1:])


# ---- parameters


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_names_and_shapes_of_peepholes(bias, bidirectional):
    options = {"num_layers": 2, "bias": bias, "bidirectional": bidirectional, "proj_size": 2}
    options["peepholes"] = True
    state = pylstm.LSTM(5, 3, **options).state_dict()
    assert list(kinds.LSTM.shapes(5, 3, **options)) == [(n, a.shape) for n, a in state.items()]
    cell = pylstm.LSTMCell(5, 3, bias=bias, peepholes=True).state_dict()
    expected = list(kinds.LSTM.shapes(5, 3, bias=bias, peepholes=True, is_cell=True))
    assert expected == [(name, a.shape) for name, a in cell.items()]


def test_initial_values_go_on_in_the_stream_of_torch():
    def values(module):
        return np.concatenate([value.ravel() for value in module.state_dict().values()])

    pylstm.manual_seed(3)
    stream = values(pylstm.LSTM(2, 3, num_layers=3))
    for make in (pylstm.LSTM, pylstm.LSTMCell):
        pylstm.manual_seed(3)
        drawn = values(make(2, 3, peepholes=True))
        assert_same_bits(drawn, stream[: drawn.size])
        assert np.unique(drawn).size == drawn.size


@pytest.mark.parametrize("name", ["weight_pi_l0", "weight_pf_l0", "weight_po_l0"])
def test_what_is_written_to_a_peephole_counts(name):
    module = layer("LSTM", 5, 19, peepholes=True)
    x = fractions(3, (4, 6, 5), 4.0)
    before = module(x)
    held = getattr(module, name)
    assert_same_bits(module(x), before)
    for _ in range(3):  # compared with the packed weights first, then with a copy
        held[18] += 1.0
        other = layer("LSTM", 5, 19, peepholes=True)
        other.load_state_dict(module.state_dict())
        assert_same_bits(module(x), other(x))
        assert (module(x)[0] != before[0]).any()
    held[:] = 0.0
    setattr(module, name, np.ones(19))
    assert (held == 1.0).all()


def test_state_dicts_need_the_peepholes():
    module = pylstm.LSTM(2, 3, peepholes=True)
    with pytest.raises(RuntimeError, match=r"Missing key.*weight_pi_l0"):
        module.load_state_dict(pylstm.LSTM(2, 3).state_dict())
    with pytest.raises(RuntimeError, match=r"Unexpected key.*weight_pi_l0"):
        pylstm.LSTM(2, 3).load_state_dict(module.state_dict())


def test_parameters_with_peepholes_are_no_plain_lstm():
    """Neither reading nor finding leaves them out."""
    state = pylstm.LSTM(2, 3, peepholes=True).state_dict()
    try:
        module = pylstm.LSTM.from_weights(state)
    except pylstm.WeightFileError as error:
        assert "weight_pi_l0" in str(error)
    else:
        assert module.peepholes
        assert_same_bits(list(module.state_dict().values()), list(state.values()))


# ---- modules


@every_variant
def test_copies_and_pickles_compute_the_same(kind, variant):
    x = fractions(3, (4, 6, 5), 4.0)
    module = layer(kind, 5, 19, reverse=True, **variant)
    expected = module(x)
    for other in (
        copy.copy(module),
        copy.deepcopy(module),
        *(pickle.loads(pickle.dumps(module, protocol)) for protocol in range(2, 6)),
    ):
        assert repr(other) == repr(module)
        assert_same_bits(other(x), expected)
        assert {name: getattr(other, name) for name in variant} == variant
    assert module.double()._native_dtype == "float64"
    name = kind_with(kind, variant)
    expected = reference.layer(name, module.state_dict(), x, reverse=True)
    assert largest_error(module(x), expected) < TOLERANCE["float64"]


def test_pickles_of_what_torch_computes_stay_as_they_were():
    for module in (
        pylstm.LSTM(2, 3, activation="tanh", reverse=False),
        pylstm.GRUCell(2, 3, reset_after=True),
    ):
        _, (_, saved), state = module.__reduce_ex__(2)
        assert saved["version"] == 1
        assert not {*saved["structure"], *state} & {*type(module)._variants}


def test_pickles_of_variants_are_refused_by_versions_that_would_leave_them_out():
    _, (_, saved), _ = pylstm.LSTM(2, 3, gate_activation="hard_sigmoid").__reduce_ex__(2)
    assert saved["version"] == 2
    assert saved["structure"]["gate_activation"] == "hard_sigmoid"
    assert "activation" not in saved["structure"]


def test_modules_of_other_variants_share_no_parameters():
    module = pylstm.LSTM(2, 3)
    for options in ({"peepholes": True}, {"activation": "relu"}, {"reverse": True}):
        with pytest.raises(TypeError, match="same kind"):
            module._native_share(pylstm.LSTM(2, 3, **options))
    module._native_share(pylstm.LSTM(2, 3))


def test_repr_shows_what_differs():
    for module, text in [
        (
            pylstm.LSTM(2, 3, 2, peepholes=True, cell_clip=np.float32(0.5), reverse=True),
            "LSTM(2, 3, num_layers=2, peepholes=True, cell_clip=0.5, reverse=True)",
        ),
        (
            pylstm.LSTMCell(2, 3, gate_activation="hard_sigmoid3", bias=False),
            "LSTMCell(2, 3, bias=False, gate_activation='hard_sigmoid3')",
        ),
        (pylstm.GRU(2, 3, reset_after=False), "GRU(2, 3, reset_after=False)"),
        (pylstm.GRUCell(2, 3, activation="relu"), "GRUCell(2, 3, activation='relu')"),
        (pylstm.RNN(2, 3, reverse=True), "RNN(2, 3, reverse=True)"),
        (pylstm.GRU(2, 3, reset_after=True, activation="tanh"), "GRU(2, 3)"),
    ]:
        assert repr(module) == text
        namespace = {name: getattr(pylstm, name) for name in ("LSTM", "LSTMCell", "GRU")}
        namespace |= {name: getattr(pylstm, name) for name in ("GRUCell", "RNN")}
        assert repr(eval(text, namespace)) == text


@pytest.mark.parametrize("name", ["LSTM", "LSTMCell", "GRU", "GRUCell", "RNN"])
def test_attributes_are_read_only(name):
    module = getattr(pylstm, name)(2, 3)
    for option, default in type(module)._variants.items():
        assert getattr(module, option) == default
        with pytest.raises(AttributeError, match="constructor fixes it"):
            setattr(module, option, default)
        with pytest.raises(AttributeError, match="constructor fixes it"):
            delattr(module, option)


def test_a_second_construction_leaves_no_option_behind():
    module = pylstm.LSTM(2, 3, reverse=True, activation="relu")
    module.__init__(2, 3, activation="linear")
    assert repr(module) == "LSTM(2, 3, activation='linear')" and not module.reverse
    with pytest.raises(ValueError, match="activation should be"):
        module.__init__(2, 3, activation="elu")
    assert repr(module) == "LSTM(2, 3, activation='linear')"


@pytest.mark.parametrize(
    ("make", "options", "error", "text"),
    [
        ("LSTM", {"peepholes": 1}, TypeError, "peepholes should be of type bool, got: int"),
        ("LSTM", {"reverse": None}, TypeError, "reverse should be of type bool, got: NoneType"),
        ("GRU", {"reset_after": "no"}, TypeError, "reset_after should be of type bool, got: str"),
        (
            "LSTM",
            {"gate_activation": "tanh"},
            ValueError,
            "gate_activation should be 'sigmoid', 'hard_sigmoid' or 'hard_sigmoid3', got: 'tanh'",
        ),
        (
            "GRUCell",
            {"activation": "Relu"},
            ValueError,
            "activation should be 'tanh', 'relu', 'softsign' or 'linear', got: 'Relu'",
        ),
        (
            "GRU",
            {"activation": None},
            TypeError,
            "activation should be 'tanh', 'relu', 'softsign' or 'linear', got: NoneType",
        ),
        (
            "LSTM",
            {"cell_clip": 0},
            ValueError,
            "cell_clip should be None or a finite number above 0, got: 0",
        ),
        ("LSTM", {"cell_clip": -1.0}, ValueError, "a finite number above 0, got: -1.0"),
        ("LSTM", {"cell_clip": float("inf")}, ValueError, "a finite number above 0, got: inf"),
        ("LSTM", {"cell_clip": float("nan")}, ValueError, "a finite number above 0, got: nan"),
        ("LSTM", {"cell_clip": 10**400}, ValueError, "a finite number above 0, got: 1000"),
        ("LSTMCell", {"cell_clip": "1"}, TypeError, "None or a number, got: str"),
        ("LSTMCell", {"cell_clip": True}, TypeError, "None or a number, got: bool"),
        (
            "RNN",
            {"reverse": True, "bidirectional": True},
            ValueError,
            "reverse=True is a layer of one direction",
        ),
        ("LSTMCell", {"reverse": True}, TypeError, "unexpected keyword argument 'reverse'"),
        ("GRU", {"peepholes": True}, TypeError, "unexpected keyword argument 'peepholes'"),
        ("RNN", {"activation": "relu"}, TypeError, "unexpected keyword argument 'activation'"),
        ("LSTM", {"reset_after": False}, TypeError, "unexpected keyword argument 'reset_after'"),
    ],
)
def test_arguments_that_are_refused(make, options, error, text):
    with pytest.raises(error) as raised:
        getattr(pylstm, make)(2, 3, **options)
    assert text in str(raised.value)


def test_all_names_are_tested():
    assert {
        "gate_activation": tuple(GATE_ACTIVATIONS),
        "activation": tuple(ACTIVATIONS),
    } == variants.ACTIVATIONS
    for names, cases in (
        (variants.LSTM_VARIANTS, LSTM_VARIANTS),
        (variants.GRU_VARIANTS, GRU_VARIANTS),
    ):
        assert set(names) == {option for case in cases for option in case}


def test_the_c_half_refuses_what_a_kind_has_not():
    for mode, options in [
        ("GRU", {"peepholes": True}),
        ("GRU", {"cell_clip": 1.0}),
        ("LSTM", {"reset_after": False}),
        ("RNN_TANH", {"activation": "relu"}),
        ("LSTM", {"cell_clip": -1.0}),
        ("LSTM", {"cell_clip": float("nan")}),
        ("LSTM", {"activation": "elu"}),
        ("LSTM", {"gate_activation": "tanh"}),
        ("LSTM", {"reverse": True, "bidirectional": True}),
    ]:
        with pytest.raises(ValueError):
            pylstm._core.RNN()._native_build(mode, 2, 3, **options)
