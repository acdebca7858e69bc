"""Numbers that depend on no generator of ours: simple formulas in, known digits out."""

import hashlib

import numpy as np
import pytest
import reference
from support import (
    assert_same_bits,
    cell_of,
    kind_of,
    largest_error,
    layer_of,
)

import pylstm
from pylstm.utils.rnn import pack_padded_sequence


def golden(module):
    """`module` with every parameter 0.5*cos(k), k counted row-major from 0 in each."""
    module.load_state_dict(
        {
            name: 0.5 * np.cos(np.arange(value.size)).reshape(value.shape)
            for name, value in module.state_dict().items()
        }
    )
    return module


def sines(*shape):
    """sin(k), k counted row-major."""
    return np.sin(np.arange(np.prod(shape))).reshape(shape)


OUT_A = [-0.12518197118229182, -0.07430547835624711, -0.3142881167502911, 0.291396113066168]
C_A = [-0.5980562701334321, 0.3832565786464872]

OUT_B = [
    *(-0.23217360677428944, 0.1637801494992308, -0.3342553587671374, 0.22393730729536743),
    *(-0.34064690137962605, 0.21775779960646038, -0.23953777592369804, 0.15622513189886142),
]
H_B = [
    *(-0.4912014900501775, 0.06468801979628444, -0.5060202591809321, 0.1298015551687607),
    *(-0.34064690137962605, 0.21775779960646038, -0.3342553587671374, 0.22393730729536743),
]
C_B = [
    *(-0.7403672094955227, 0.0971298694644751, -0.8013671457984267, 0.21834365423088742),
    *(-0.552936016996213, 0.32245084002286434, -0.5493981371502598, 0.32911076196103783),
]

OUT_C = [0.051275849747232684, -0.045812131517542966, 0.11894276035641048, -0.11126265638045733]
C_C = [0.3885230173419732, -0.04502743823572003, -0.21195042624631955]

H_D = [-0.38074387872819243, -0.1503872138489167]
C_D = [-0.4783401511969231, -0.3082264354488101]

DATA_E = [
    *(-0.39293417780512313, -0.037731173480553215, -0.4261508419031318, 0.0889308416551494),
    *(-0.4578343149580349, 0.17378088939559208, -0.18265557133671131, 0.35077426275058016),
    *(-0.22803917804808718, 0.33929725755309664),
]
H_E = [-0.18265557133671131, 0.35077426275058016, -0.22803917804808718, 0.33929725755309664]
C_E = [-0.3695424221646514, 0.5221630030786507, -0.4499509822379728, 0.5026681980668302]

TOLERANCE = {"float64": 1e-14, "float32": 2e-7}


def shaped(*pairs):
    """Arrays of (flat values, shape) pairs."""
    return [np.reshape(values, shape) for values, shape in pairs]


@pytest.mark.parametrize(
    ("arguments", "input_shape", "expected"),
    [
        (
            {"args": (3, 2)},
            (2, 1, 3),
            [(OUT_A, (2, 1, 2)), (OUT_A[2:], (1, 1, 2)), (C_A, (1, 1, 2))],
        ),
        (
            {"args": (2, 2, 2), "bidirectional": True},
            (2, 1, 2),
            [(OUT_B, (2, 1, 4)), (H_B, (4, 1, 2)), (C_B, (4, 1, 2))],
        ),
        (
            {"args": (2, 3), "proj_size": 2, "bias": False},
            (2, 1, 2),
            [(OUT_C, (2, 1, 2)), (OUT_C[2:], (1, 1, 2)), (C_C, (1, 1, 3))],
        ),
    ],
    ids=["plain", "two layers, bidirectional", "projection without bias"],
)
def test_lstm(arguments, input_shape, expected, dtype):
    options = dict(arguments)
    lstm = golden(pylstm.LSTM(*options.pop("args"), **options, dtype=dtype))
    out, (h, c) = lstm(sines(*input_shape))
    assert largest_error([out, h, c], shaped(*expected)) <= TOLERANCE[dtype]


def test_cell(dtype):
    cell = golden(pylstm.LSTMCell(3, 2, dtype=dtype))
    result = cell(sines(1, 3), (np.full((1, 2), 0.25), np.full((1, 2), -0.5)))
    assert largest_error(result, shaped((H_D, (1, 2)), (C_D, (1, 2)))) <= TOLERANCE[dtype]


def test_packed(dtype):
    lstm = golden(pylstm.LSTM(2, 2, dtype=dtype))
    packed = pack_padded_sequence(sines(3, 2, 2), [2, 3], enforce_sorted=False)
    assert [list(indices) for indices in packed[1:]] == [[2, 2, 1], [1, 0], [1, 0]]
    out, (h, c) = lstm(packed)
    assert [list(indices) for indices in out[1:]] == [[2, 2, 1], [1, 0], [1, 0]]
    expected = shaped((DATA_E, (5, 2)), (H_E, (1, 2, 2)), (C_E, (1, 2, 2)))
    assert largest_error([out.data, h, c], expected) <= TOLERANCE[dtype]


# GRU and RNN ----------------------------------------------------------------------------------

# (kind, sizes, options, shape of x, value of every state or None, output, h_n)
OTHER_LAYERS = {
    "GRU": (
        *("GRU", (3, 2), {}, (2, 1, 3), None),
        [-0.06687846886243427, -0.2319808921489359, -0.4605599568261966, 0.35367799051118354],
        [-0.4605599568261966, 0.35367799051118354],
    ),
    "GRU of two layers, bidirectional": (
        *("GRU", (2, 2, 2), {"bidirectional": True}, (2, 1, 2), None),
        [
            *(-0.23968461945707814, 0.2529801365019869, -0.3705560910851834, 0.35223260648296384),
            *(-0.3727871502986699, 0.3536770709129288, -0.24502244729492073, 0.25593981146465306),
        ],
        [
            *(-0.555343803209215, 0.013011180336237431, -0.5764054367308373, 0.19328591966376407),
            *(-0.3727871502986699, 0.3536770709129288, -0.3705560910851834, 0.35223260648296384),
        ],
    ),
    "GRU without bias, from a state beyond 1": (
        *("GRU", (2, 3), {"bias": False}, (2, 1, 2), 2.0),
        [
            *(1.1651937622363326, 1.5362967729991857, 1.054470141135441),
            *(0.9934966843832592, 1.0877348082042773, 0.5343448134107348),
        ],
        [0.9934966843832592, 1.0877348082042773, 0.5343448134107348],
    ),
    "RNN": (
        *("RNN_TANH", (3, 2), {}, (2, 1, 3), None),
        [0.7771460650618308, 0.37502509576968635, 0.9146920286477246, 0.2302403550318896],
        [0.9146920286477246, 0.2302403550318896],
    ),
    "relu of two layers, bidirectional": (
        *("RNN_RELU", (2, 2, 2), {"bidirectional": True}, (2, 1, 2), None),
        [
            *(1.2206147609426177, 1.1407671280191964, 2.2099492319206235, 0.4751753035893663),
            *(2.5386006660753098, 0, 1.6201137307403273, 0.6636196205743938),
        ],
        [
            *(2.1398732117917643, 0, 2.0496899993065485, 0),
            *(2.5386006660753098, 0, 2.2099492319206235, 0.4751753035893663),
        ],
    ),
}


@pytest.mark.parametrize("name", OTHER_LAYERS)
def test_other_layers(name, dtype):
    kind, sizes, options, shape, state, output, h_n = OTHER_LAYERS[name]
    layer = golden(layer_of(kind, *sizes, **options, dtype=dtype))
    depth = layer.num_layers * (1 + layer.bidirectional)
    hx = None if state is None else np.full((depth, 1, layer.hidden_size), state)
    directions = 1 + layer.bidirectional
    expected = shaped(
        (output, (*shape[:2], directions * layer.hidden_size)), (h_n, (depth, 1, layer.hidden_size))
    )
    assert largest_error(layer(sines(*shape), hx), expected) <= 4 * TOLERANCE[dtype]
    values = {name: value.astype(float) for name, value in layer.state_dict().items()}
    exact = reference.layer(kind, values, sines(*shape), hx)
    assert largest_error(exact, expected) <= (4e-15 if dtype == "float64" else 1e-6)


# (kind, sign of x, h)
OTHER_CELLS = [
    ("GRU", 1, [-0.01727055850036216, -0.20311563604886887]),
    ("RNN_TANH", 1, [0.8427710996061504, 0.2150788254443093]),
    ("RNN_RELU", 1, [1.230661521112956, 0.21849046620867033]),
    ("RNN_RELU", -1, [1.1544140553540791, 0.5105793122407123]),
]


@pytest.mark.parametrize(("kind", "sign", "expected"), OTHER_CELLS)
def test_other_cells(kind, sign, expected, dtype):
    cell = golden(cell_of(kind, 3, 2, dtype=dtype))
    result = cell(sign * sines(1, 3), np.full((1, 2), 0.25))
    assert result.shape == (1, 2)
    assert largest_error(result, [np.array([expected])]) <= 2 * TOLERANCE[dtype]


PACKED_GRU = [
    *(-0.4129884369141167, -0.09786145194233353, -0.4277060264747099, 0.1427267233221775),
    *(-0.5394854654543569, 0.2929761784187546, -0.21560950011784333, 0.544624492959021),
    *(-0.2857636377635076, 0.5288237718330291),
]
PACKED_GRU_H = [-0.21560950011784333, 0.544624492959021, -0.2857636377635076, 0.5288237718330291]


def test_packed_gru(dtype):
    gru = golden(pylstm.GRU(2, 2, dtype=dtype))
    packed = pack_padded_sequence(sines(3, 2, 2), [2, 3], enforce_sorted=False)
    out, h_n = gru(packed)
    assert [list(indices) for indices in out[1:]] == [[2, 2, 1], [1, 0], [1, 0]]
    expected = shaped((PACKED_GRU, (5, 2)), (PACKED_GRU_H, (1, 2, 2)))
    assert largest_error([out.data, h_n], expected) <= TOLERANCE[dtype]


# Units 0 to 3 of the last of 3 steps; the sums over 40 inputs and 35 units are of two blocks each.
WIDE = {
    "GRU": [0.9967335508099264, -0.9297514713603325, -0.5137139494342016, -0.5119958970004634],
    "RNN_TANH": [-0.9999998019725727, 0.9999984094660169, 0.5072806898265869, -0.999999984161715],
    "RNN_RELU": [0, 3.454760549444182, 0.7382212751103825, 0],
}


@pytest.mark.parametrize("kind", WIDE)
def test_wide_layers(kind, dtype):
    layer = golden(layer_of(kind, 40, 35, dtype=dtype))
    output, h_n = layer(sines(3, 1, 40))
    assert_same_bits(output[-1], h_n[0])
    bound = {"float64": 2e-14, "float32": 4e-6}[dtype]
    assert largest_error(h_n[0, 0, :4], [np.array(WIDE[kind])]) <= bound


# The contract's bits, from two programs that share nothing with this one: float32, parameters and
# inputs rounded once. The last three are of the layers of WIDE.
BITS = {
    ("GRU", 3, 2): "-0x1.11ef26p-4 -0x1.db18cap-3 -0x1.d79d06p-2 0x1.6a2a9p-2",
    ("RNN_TANH", 3, 2): "0x1.8de618p-1 0x1.800692p-2 0x1.d45284p-1 0x1.d7884p-3",
    ("GRU", 40, 35): "0x1.fe53dep-1 -0x1.dc0862p-1 -0x1.070584p-1 -0x1.062456p-1",
    ("RNN_TANH", 40, 35): "-0x1.fffffap-1 0x1.ffffcap-1 0x1.03ba4ep-1 -0x1p+0",
    ("RNN_RELU", 40, 35): "0x0p+0 0x1.ba358cp+1 0x1.79f8p-1 0x0p+0",
}
# The first 16 hexadecimal digits of SHA-256 over all 105 outputs.
SHA = {"GRU": "4cb53c6f2f6dc8fb", "RNN_TANH": "6d11af12bac470a5", "RNN_RELU": "f7d5b96ecdc64720"}


@pytest.mark.parametrize(("kind", "input_size", "hidden_size"), BITS)
def test_bits_of_the_contract(kind, input_size, hidden_size):
    steps = 2 if input_size == 3 else 3
    layer = golden(layer_of(kind, input_size, hidden_size))
    output = layer(sines(steps, 1, input_size).astype(np.float32))[0]
    text = BITS[kind, input_size, hidden_size]
    expected = np.array([float.fromhex(number) for number in text.split()], np.float32)
    shown = output.ravel() if input_size == 3 else output[-1, 0, :4]
    assert_same_bits(np.array(shown), expected)
    if input_size == 40:
        assert hashlib.sha256(output.astype("<f4").tobytes()).hexdigest()[:16] == SHA[kind]


def with_values(module, **values):
    """`module` with every parameter 0 but these, by their names without `_l0`."""
    module.load_state_dict(
        {
            name: np.broadcast_to(
                np.float64(values.get(name.removesuffix("_l0"), 0.0)), value.shape
            )
            for name, value in module.state_dict().items()
        }
    )
    return module


def test_where_the_biases_of_a_gru_act():
    # r is a half: b_hn counts by half, b_in whole.
    gates = [0.0, 0.0, 2.0]
    for name, expected in (("bias_hh", 0.38079707797788), ("bias_ih", 0.48201379003790845)):
        cell = with_values(pylstm.GRUCell(1, 1, dtype="float64"), **{name: gates})
        assert cell(np.zeros(1)).item() == pytest.approx(expected, abs=1e-14)


# Corners of the contract. z = 1 keeps a state, which torch's order of operations does not.


def gru_of_one(dtype="float32", layer=False, **values):
    make = pylstm.GRU if layer else pylstm.GRUCell
    return with_values(make(1, 1, dtype=dtype), **values)


@pytest.mark.parametrize("h", [1e-10, 0.1, -0.3, 5.0, 3.4e38, -3.4e38, 1e-45])
def test_an_update_gate_of_one_keeps_every_bit_of_the_state(h, dtype):
    gru = gru_of_one(dtype, layer=True, bias_ih=[0.0, 200.0, np.arctanh(0.9)])
    state = np.full((1, 1, 1), h, dtype)
    output, h_n = gru(np.zeros((50, 1, 1)), state)
    assert_same_bits(h_n, state)
    assert_same_bits(np.array(output[:, 0, 0]), np.full(50, h, dtype))


def test_an_update_gate_of_one_makes_a_negative_zero_positive(dtype):
    cell = gru_of_one(dtype, bias_ih=[0.0, 200.0, np.arctanh(0.9)])
    assert_same_bits(cell(np.zeros(1), np.array([-0.0], dtype)), np.zeros(1, dtype))


@pytest.mark.parametrize("bias", [-200.0, -np.inf])
@pytest.mark.parametrize("h", [0.5, -7.0, 1e30])
def test_an_update_gate_of_zero_gives_the_new_value(bias, h, dtype):
    new = gru_of_one(dtype, bias_ih=[0.0, bias, 0.7])(np.zeros(1), np.array([h]))
    rnn = with_values(pylstm.RNNCell(1, 1, dtype=dtype), bias_ih=0.7)
    assert_same_bits(new, rnn(np.zeros(1)))


def test_a_state_beyond_one_is_not_clipped():
    cell = gru_of_one(bias_ih=[0.0, 0.0, np.arctanh(0.9)])
    assert cell(np.zeros(1), np.full(1, 5.0)).item().hex()[:9] == "0x1.79999"
    halved = cell(np.zeros(1), np.float32([3.4e38])).item()
    assert halved == pytest.approx(1.7e38)


INF, NAN = np.inf, np.nan

# (class, values, x, h or None, result); NaN for "only that it is NaN"
CORNERS = {
    "GRU, h inf, z 0": ("GRUCell", {"bias_ih": [0, -200, 0]}, 0, INF, NAN),
    "GRU, h inf, weights 1": ("GRUCell", {"weight_hh": [[1], [1], [1]]}, 0, INF, INF),
    "GRU, h inf, W_hn -1": ("GRUCell", {"weight_hh": [[1], [1], [-1]]}, 0, INF, INF),
    "GRU, h inf, W_hz -1": ("GRUCell", {"weight_hh": [[1], [-1], [1]]}, 0, INF, NAN),
    "GRU, h -inf, weights 1": ("GRUCell", {"weight_hh": [[1], [1], [1]]}, 0, -INF, NAN),
    "GRU, h inf, weights 0": ("GRUCell", {}, 0, INF, NAN),
    "GRU, h -inf, weights 0": ("GRUCell", {}, 0, -INF, NAN),
    "GRU, r 0, b_hn inf": (
        "GRUCell",
        {"bias_ih": [-200, 0, 0], "bias_hh": [0, 0, INF]},
        *(0, None, NAN),
    ),
    "GRU, b_hn inf": ("GRUCell", {"bias_hh": [0, 0, INF]}, 0, None, 0.5),
    "GRU, b_hn -inf": ("GRUCell", {"bias_hh": [0, 0, -INF]}, 0, None, -0.5),
    "GRU, b_hn inf, b_in -inf": (
        "GRUCell",
        {"bias_hh": [0, 0, INF], "bias_ih": [0, 0, -INF]},
        *(0, None, NAN),
    ),
    "GRU, x inf, z 0": ("GRUCell", {"weight_ih": [[1], [-1], [1]]}, INF, None, 1.0),
    "GRU, x -inf, z 1": ("GRUCell", {"weight_ih": [[1], [-1], [1]]}, -INF, None, 0.0),
    "GRU, x NaN": ("GRUCell", {"weight_ih": [[0], [0], [0]]}, NAN, None, NAN),
    "RNN, x -0": ("RNNCell", {}, -0.0, None, 0.0),
    "RNN, W 0, x -1": ("RNNCell", {}, -1.0, None, 0.0),
    "RNN, h inf, W_hh 0": ("RNNCell", {}, 0, INF, NAN),
    "RNN, total inf": ("RNNCell", {"bias_ih": INF}, 0, None, 1.0),
    "RNN, total -inf": ("RNNCell", {"bias_ih": -INF}, 0, None, -1.0),
    "RNN, total 3.4e38": ("RNNCell", {"bias_ih": 3.4e38}, 0, None, 1.0),
    "RNN, no hx, W_hh inf": ("RNNCell", {"weight_hh": INF}, 0, None, NAN),
    "RNN, no hx, W_hh NaN": ("RNNCell", {"weight_hh": NAN}, 0, None, NAN),
    "RNN, subnormal": ("RNNCell", {"bias_ih": 1e-40}, 0, None, 1e-40),
    "relu, total NaN": ("relu", {"bias_ih": NAN}, 0, None, NAN),
    "relu, total inf": ("relu", {"bias_ih": INF}, 0, None, INF),
    "relu, total -inf": ("relu", {"bias_ih": -INF}, 0, None, 0.0),
    "relu, total -1e-45": ("relu", {"bias_ih": -1e-45}, 0, None, 0.0),
    "relu, total 1e-45": ("relu", {"bias_ih": 1e-45}, 0, None, 1e-45),
    "relu, total 3.4e38": ("relu", {"bias_ih": 3.4e38}, 0, None, 3.4e38),
    "relu, h -5, x 1": ("relu", {"weight_ih": 1, "weight_hh": 1}, 1, -5, 0.0),
    "relu, h 0, x 10": ("relu", {"weight_ih": 1, "weight_hh": 1}, 10, 0, 10.0),
    "relu, x inf, W_ih 1": ("relu", {"weight_ih": 1}, INF, None, INF),
    "relu, x inf, W_ih -1": ("relu", {"weight_ih": -1}, INF, None, 0.0),
    "relu, h inf, W_hh 0": ("relu", {}, 0, INF, NAN),
    "relu, no hx, W_hh inf": ("relu", {"weight_hh": INF}, 0, None, NAN),
}


@pytest.mark.parametrize("name", CORNERS)
def test_corners(name):
    cls, values, x, h, expected = CORNERS[name]
    cell = cell_of("RNN_RELU", 1, 1) if cls == "relu" else getattr(pylstm, cls)(1, 1)
    with_values(cell, **values)
    arrays = [np.full(1, value, np.float32) for value in (x, *(() if h is None else (h,)))]
    wanted = np.full(1, expected, np.float32)
    assert_same_bits(cell(*arrays), wanted)
    layer = layer_of(kind_of(cell), 1, 1)
    layer.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
    output, h_n = layer(*(array[None] for array in arrays))
    assert_same_bits((output[0], h_n[0]), (wanted, wanted))
    # A batch: other rows of one vector.
    rows = [np.repeat(array[None], 9, axis=0) for array in arrays]
    assert_same_bits(cell(*rows), np.repeat(wanted[None], 9, axis=0))


def test_a_relu_layer_that_grows_without_bound():
    relu = with_values(layer_of("RNN_RELU", 1, 2), weight_ih=1.0, weight_hh=2.0)
    output = relu(np.ones((80, 1, 1)))[0]
    assert np.isinf(output[64:]).all() and np.isfinite(output[:64]).all()
    with_values(relu, weight_ih=1.0, weight_hh=[[4.0, 0.0], [4.0, -4.0]])
    output = relu(np.ones((80, 1, 1)))[0]
    assert np.isfinite(output[:64]).all()
    assert np.isinf(output[64]).all() and np.isnan(output[65:]).all()


def test_reference_agrees_with_the_golden_values():
    # The oracle of all other tests answers to the same digits.
    parameters = {
        name: 0.5 * np.cos(np.arange(np.prod(shape))).reshape(shape)
        for name, shape in reference.parameter_shapes(2, 2, 2, bidirectional=True).items()
    }
    result = reference.lstm(parameters, sines(2, 1, 2))
    expected = shaped((OUT_B, (2, 1, 4)), (H_B, (4, 1, 2)), (C_B, (4, 1, 2)))
    assert largest_error(result, expected) <= 1e-15


FIRST_FOUR = {
    "float32": "-0x1.1b47d0p-8 0x1.3d2626p-2 -0x1.e696fcp-2 -0x1.b31792p-2",
    "float64": "0x1.15e6024c8073ep-1 0x1.eb753d2c145b2p-3 -0x1.80358e4ec4c4ep-5 0x1.f17f67e8041e1p-2",
}


def test_first_initial_values(dtype):
    pylstm.manual_seed(0)
    drawn = pylstm.LSTM(2, 3, dtype=dtype).weight_ih_l0.ravel()[:4]
    expected = np.array([float.fromhex(text) for text in FIRST_FOUR[dtype].split()], dtype)
    assert_same_bits(np.array(drawn), expected)


FIRST_OF_EACH = {
    "_l0": [
        -0.004322517663240433,
        -0.09305925667285919,
        -0.2560519874095917,
        0.26123541593551636,
        0.22690436244010925,
    ],
    "_l0_reverse": [
        0.05311189219355583,
        -0.2517392337322235,
        -0.14452800154685974,
        0.11684493720531464,
        -0.5403144359588623,
    ],
    "_l1": [
        0.36014071106910706,
        -0.3352450728416443,
        -0.19371044635772705,
        0.19063648581504822,
        0.47742173075675964,
    ],
    "_l1_reverse": [
        -0.27728039026260376,
        0.09612797945737839,
        -0.478443443775177,
        0.47403275966644287,
        0.10255001485347748,
    ],
}


def test_first_initial_value_of_each_parameter():
    pylstm.manual_seed(0)
    lstm = pylstm.LSTM(2, 3, 2, proj_size=2, bidirectional=True)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    expected = {
        name + end: np.float32(value)
        for end, values in FIRST_OF_EACH.items()
        for name, value in zip(names, values, strict=True)
    }
    drawn = {name: value.flat[0] for name, value in lstm.state_dict().items()}
    assert list(drawn) == list(expected)
    assert drawn == expected


# "manual_seed(0)", float32, two layers, bidirectional: weight_ih, weight_hh, bias_ih, bias_hh.
FIRST_OF_OTHERS = {
    "GRU": {
        "_l0": [
            -0.004322517663240433,
            -0.3914094567298889,
            -0.2976413667201996,
            0.38710546493530273,
        ],
        "_l0_reverse": [
            *(0.17442160844802856, 0.5129713416099548, -0.03181177377700806, 0.026051558554172516),
        ],
        "_l1": [-0.14452800154685974, 0.06195253133773804, 0.4869884252548218, -0.4516063332557678],
        "_l1_reverse": [
            *(0.2860065698623657, 0.16540712118148804, 0.09612797945737839, 0.3844936788082123),
        ],
    },
    "RNN": {
        "_l0": [
            *(-0.004322517663240433, -0.011439144611358643),
            *(0.021387115120887756, -0.3914094567298889),
        ],
        "_l0_reverse": [
            *(0.47942468523979187, -0.5355907082557678, -0.33702272176742554, 0.2798258066177368),
        ],
        "_l1": [0.09767881780862808, 0.26123541593551636, 0.5543683171272278, 0.22690436244010925],
        "_l1_reverse": [
            *(0.5094289183616638, 0.2158776968717575, -0.2517392337322235, -0.010377373546361923),
        ],
    },
}


@pytest.mark.parametrize("kind", FIRST_OF_OTHERS)
def test_first_initial_value_of_each_parameter_of_other_kinds(kind):
    pylstm.manual_seed(0)
    layer = getattr(pylstm, kind)(2, 3, 2, bidirectional=True)
    expected = {
        name + end: np.float32(value)
        for end, values in FIRST_OF_OTHERS[kind].items()
        for name, value in zip(
            ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), values, strict=True
        )
    }
    drawn = {name: value.flat[0] for name, value in layer.state_dict().items()}
    assert list(drawn) == list(expected)
    assert drawn == expected
