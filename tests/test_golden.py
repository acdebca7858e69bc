"""Numbers that depend on no generator of ours: simple formulas in, known digits out."""

import numpy as np
import pytest
import reference
from support import assert_same_bits, largest_error

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
