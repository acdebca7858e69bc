"""The constructors take what torch's take, and refuse the rest in its order and its words."""

import re
import warnings

import numpy as np
import pytest

import pylstm
from pylstm import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

LAYERS = (LSTM, GRU, RNN)
CELLS = (LSTMCell, GRUCell, RNNCell)
GATES = (4, 3, 1)

DROPOUT = (
    "dropout should be a number in range [0, 1] "
    "representing the probability of an element being zeroed"
)


class Spelling:
    """An object that is known by its str(), as torch's dtypes and devices are."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


class device(Spelling):  # torch's name
    pass


# ---------------------------------------------------------------------------- arguments


def test_all_arguments_by_position():
    lstm = LSTM(4, 8, 2, False, True, 0.5, True, 3, "cpu", np.float64)
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers) == (4, 8, 2)
    assert (lstm.bias, lstm.batch_first, lstm.dropout) == (False, True, 0.5)
    assert (lstm.bidirectional, lstm.proj_size) == (True, 3)
    assert lstm.mode == "LSTM" and lstm.training is True
    assert lstm.weight_hr_l1_reverse.dtype == np.float64
    gru = GRU(4, 8, 2, False, True, 0.5, True, "cpu", np.float64)
    rnn = RNN(4, 8, 2, "relu", False, True, 0.5, True, "cpu", np.float64)
    for layer, mode in ((gru, "GRU"), (rnn, "RNN_RELU")):
        assert (layer.input_size, layer.hidden_size, layer.num_layers) == (4, 8, 2)
        assert (layer.bias, layer.batch_first, layer.dropout) == (False, True, 0.5)
        assert (layer.bidirectional, layer.proj_size, layer.mode) == (True, 0, mode)
        assert layer.weight_hh_l1_reverse.dtype == np.float64
    assert rnn.nonlinearity == "relu" and not hasattr(gru, "nonlinearity")
    for cls, nonlinearity in ((LSTMCell, ()), (GRUCell, ()), (RNNCell, ("relu",))):
        cell = cls(4, 8, False, *nonlinearity, "cpu", np.float64)
        assert (cell.input_size, cell.hidden_size, cell.bias) == (4, 8, False)
        assert cell.weight_ih.dtype == np.float64


# ---------------------------------------------------------------------------- refusals

WRONG_LSTM = [
    ("(2, 3, dropout='x')", ValueError, "could not convert string to float: 'x'"),
    ("(2, 3, dropout=None)", TypeError, "float() argument must be a string or a real number"),
    ("(2, 3, dropout=1j)", TypeError, "float() argument must be a string or a real number"),
    ("(2, 3, dropout='0.5')", ValueError, DROPOUT),
    ("(2, 3, dropout=True)", ValueError, DROPOUT),
    ("(2, 3, dropout=1.5)", ValueError, DROPOUT),
    ("(2, 3, dropout=-0.5)", ValueError, DROPOUT),
    ("(2, 3, dropout=float('nan'))", ValueError, DROPOUT),
    ("(2, 3, 2, dropout=np.array(0.5))", ValueError, DROPOUT),
    ("(2, 3, bias=1)", TypeError, "bias should be of type bool, got: int"),
    ("(2, 3, bias=None)", TypeError, "bias should be of type bool, got: NoneType"),
    ("(2, 3, bias=np.True_)", TypeError, "bias should be of type bool, got: bool"),
    ("(2, 3, batch_first=1)", TypeError, "batch_first should be of type bool, got: int"),
    ("(2.0, 3)", TypeError, "input_size should be of type int, got: float"),
    ("('a', 3)", TypeError, "input_size should be of type int, got: str"),
    ("(np.float64(2), 3)", TypeError, "input_size should be of type int, got: float64"),
    ("(np.True_, 3)", TypeError, "input_size should be of type int, got: bool"),
    ("([2], 3)", TypeError, "input_size should be of type int, got: list"),
    ("(0, 3)", ValueError, "input_size must be greater than zero"),
    ("(2, 3.0)", TypeError, "hidden_size should be of type int, got: float"),
    ("(2, 0)", ValueError, "hidden_size must be greater than zero"),
    ("(2, -1)", ValueError, "hidden_size must be greater than zero"),
    ("(2, 3, 0)", ValueError, "num_layers must be greater than zero"),
    ("(2, 3, -1)", ValueError, "num_layers must be greater than zero"),
    ("(2, 3, 1.0)", TypeError, "'float' object cannot be interpreted as an integer"),
    ("(2, 3, 'a')", TypeError, "'<=' not supported between instances of 'str' and 'int'"),
    ("(2, 3, None)", TypeError, "'<=' not supported between instances of 'NoneType' and 'int'"),
    (
        "(2, 3, proj_size=-1)",
        ValueError,
        "proj_size should be a positive integer or zero to disable projections",
    ),
    ("(2, 3, proj_size=3)", ValueError, "proj_size has to be smaller than hidden_size"),
    ("(2, 3, proj_size=4)", ValueError, "proj_size has to be smaller than hidden_size"),
    ("(2, 3, proj_size=0.5)", TypeError, "proj_size should be of type int, got: float"),
    ("(2, 3, proj_size=True)", TypeError, "proj_size should be of type int, got: bool"),
    ("(2, 3, proj_size=None)", TypeError, "'<' not supported between instances"),
    ("(2, 3, bidirectional=np.ones(2))", ValueError, "truth value of an array"),
    ("()", TypeError, "missing 2 required positional arguments: 'input_size' and 'hidden_size'"),
    ("(2)", TypeError, "missing 1 required positional argument: 'hidden_size'"),
    ("(2, 3, nonlinearity='tanh')", TypeError, "unexpected keyword argument 'nonlinearity'"),
    ("(2, 3, mode='LSTM')", TypeError, "argument 'mode'"),
]

WRONG_CELL = [
    ("(2, -3)", RuntimeError, "Trying to create tensor with negative dimension -12: [-12, 2]"),
    ("(-2, 3)", RuntimeError, "Trying to create tensor with negative dimension -2: [12, -2]"),
    ("(2.0, 3)", TypeError, "input_size should be of type int, got: float"),
    ("(2, None)", TypeError, "hidden_size should be of type int, got: NoneType"),
    ("(2, 3, np.ones(2))", ValueError, "truth value of an array"),
    ("()", TypeError, "missing 2 required positional arguments: 'input_size' and 'hidden_size'"),
    ("(2, 3, num_layers=2)", TypeError, "unexpected keyword argument 'num_layers'"),
]

# Beside those of LSTM that do not speak of a projection.
UNKNOWN = "Unknown nonlinearity '{}'. Select from 'tanh' or 'relu'."
NO_PROJECTION = "proj_size argument is only supported for LSTM, not RNN or GRU"
WRONG_OTHERS = [
    *(wrong for wrong in WRONG_LSTM if not re.search("proj_size|nonlinearity|mode", wrong[0])),
    ("(2, 3, proj_size=0)", ValueError, NO_PROJECTION),
    ("(2, 3, proj_size=2)", ValueError, NO_PROJECTION),
    ("(proj_size=None)", ValueError, NO_PROJECTION),
    ("(2, 3, mode='GRU')", TypeError, "unexpected keyword argument 'mode'"),
    ("(2, 3, foo=1)", TypeError, "unexpected keyword argument 'foo'"),
]
WRONG_RNN = [
    ("(2, 3, nonlinearity='RELU')", ValueError, UNKNOWN.format("RELU")),
    ("(2, 3, nonlinearity=None)", ValueError, UNKNOWN.format("None")),
    ("(2, 3, nonlinearity='')", ValueError, UNKNOWN.format("")),
    ("(2, 3, nonlinearity=b'tanh')", ValueError, UNKNOWN.format("b'tanh'")),
    ("(2, 3, nonlinearity=['tanh'])", ValueError, UNKNOWN.format("['tanh']")),
    ("(2, 3, 1, True)", ValueError, UNKNOWN.format("True")),
    ("(2, 3, 1, 'bad', nonlinearity='tanh')", ValueError, UNKNOWN.format("bad")),
    ("(2, 3, 1, 'tanh', nonlinearity='relu')", TypeError, "argument 'nonlinearity'"),
    ("(nonlinearity='bad')", ValueError, UNKNOWN.format("bad")),
    ("(0, 0, nonlinearity='bad', dropout='x', foo=1)", ValueError, UNKNOWN.format("bad")),
    ("(nonlinearity='bad', proj_size=1)", ValueError, NO_PROJECTION),
    ("(nonlinearity='relu')", TypeError, "missing 2 required positional arguments"),
]

WRONG_DTYPE = [
    ("int32", RuntimeError, "Only Tensors of floating point and complex dtype can require grad"),
    ("bool", RuntimeError, "Only Tensors of floating point and complex dtype can require grad"),
    ("float16", TypeError, "dtype float16 is not offered: pylstm computes in float32"),
    ("complex64", TypeError, "dtype complex64 is not offered"),
    ("U3", TypeError, "is not offered"),
    ("nonsense", TypeError, "dtype must be a dtype, not str"),
    (5, TypeError, "dtype must be a dtype, not int"),
    (Spelling("torch.bfloat16"), TypeError, "dtype torch.bfloat16 is not offered"),
    (Spelling("torch.complex64"), TypeError, "dtype torch.complex64 is not offered"),
    (Spelling("torch.int64"), RuntimeError, "can require gradients: got dtype torch.int64"),
]

WRONG_DEVICE = [
    ("cuda", RuntimeError),
    ("cuda:1", RuntimeError),
    ("nonsense", RuntimeError),
    ("meta", RuntimeError),
    (0, RuntimeError),
    (device("cuda:0"), RuntimeError),
    (1.5, TypeError),
    ([], TypeError),
]


@pytest.mark.filterwarnings("ignore:dropout option")
@pytest.mark.parametrize("arguments, error, text", WRONG_LSTM)
def test_lstm_refuses(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        eval(f"LSTM{arguments}" if arguments != "(2)" else "LSTM(2)")


@pytest.mark.filterwarnings("ignore:dropout option")
@pytest.mark.parametrize("name", ["GRU", "RNN"])
@pytest.mark.parametrize("arguments, error, text", WRONG_OTHERS)
def test_gru_and_rnn_refuse(name, arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        eval(f"{name}{arguments}")


@pytest.mark.parametrize("arguments, error, text", WRONG_RNN)
def test_rnn_refuses(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        eval(f"RNN{arguments}")


def test_gru_has_no_nonlinearity():
    for arguments in ({"nonlinearity": "tanh"}, {"nonlinearity": "bad"}):
        for cls in (GRU, GRUCell):
            text = (
                rf"{cls.__name__}\.__init__\(\) got an unexpected keyword argument 'nonlinearity'"
            )
            with pytest.raises(TypeError, match=text):
                cls(2, 3, **arguments)
    with pytest.raises(RuntimeError, match="device 'relu'"):
        GRUCell(2, 3, True, "relu")


@pytest.mark.parametrize("arguments, error, text", WRONG_CELL)
@pytest.mark.parametrize(("name", "gates"), [("LSTMCell", 4), ("GRUCell", 3), ("RNNCell", 1)])
def test_cell_refuses(name, gates, arguments, error, text):
    text = text.replace("-12", str(-3 * gates)).replace("12", str(3 * gates))
    with pytest.raises(error, match=re.escape(text)):
        eval(f"{name}{arguments}")


def test_a_cell_takes_any_nonlinearity():
    """As in torch, the first call looks at it."""
    for value in ("bad", None, 3, [], np.array(["tanh", "relu"]), pylstm.Module()):
        cell = RNNCell(2, 3, nonlinearity=value)
        assert cell.nonlinearity is value
        with pytest.raises(RuntimeError, match="Unknown nonlinearity"):
            cell(np.ones(2))


@pytest.mark.parametrize("cls", [RNN, RNNCell])
def test_a_nonlinearity_that_is_equal_is_kept(cls):
    for name in ("tanh", "relu"):
        value = np.str_(name)
        module = cls(2, 3, nonlinearity=value)
        assert module.nonlinearity is value
        x = np.full((1, 2), 3.0)
        plain = cls(2, 3, nonlinearity=name)
        plain.load_state_dict(module.state_dict())
        given, expected = module(x), plain(x)
        if cls is RNN:
            assert module.mode == plain.mode == f"RNN_{name.upper()}"
            given, expected = given[0], expected[0]
        assert given.tobytes() == expected.tobytes()


def test_the_third_argument_of_a_cell_is_its_bias():
    for cell in (RNNCell(10, 20, "relu"), GRUCell(10, 20, "tanh"), LSTMCell(10, 20, "x")):
        assert cell.bias in ("relu", "tanh", "x") and cell.bias_ih.ndim == 1
    assert RNNCell(10, 20, "relu").nonlinearity == "tanh"


@pytest.mark.parametrize("dtype, error, text", WRONG_DTYPE)
@pytest.mark.parametrize("cls", [*LAYERS, *CELLS])
def test_dtypes_refused(cls, dtype, error, text):
    with pytest.raises(error, match=re.escape(text)):
        cls(2, 3, dtype=dtype)


@pytest.mark.parametrize("place, error", WRONG_DEVICE)
@pytest.mark.parametrize("cls", [*LAYERS, *CELLS])
def test_devices_refused(cls, place, error):
    with pytest.raises(error, match="'cpu'"):
        cls(2, 3, device=place)


@pytest.mark.parametrize("cls", LAYERS)
def test_the_first_mistake_in_the_order_of_torch_is_reported(cls):
    """Every call has all the later mistakes as well."""
    wrong = {
        "dropout": "x",
        "bias": 1,
        "batch_first": 1,
        "input_size": 0,
        "hidden_size": 0,
        "num_layers": 0,
        "proj_size": -1,
        "device": "cuda",
    }
    right = {
        "dropout": 0.0,
        "bias": True,
        "batch_first": False,
        "input_size": 2,
        "hidden_size": 3,
        "num_layers": 1,
        "proj_size": 0,
        "device": None,
    }
    if cls is not LSTM:
        del wrong["proj_size"], right["proj_size"]
    for name in list(wrong):
        with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
            cls(**wrong)
        expected = "could not convert" if name == "dropout" else name
        assert str(caught.value).startswith(expected)
        wrong[name] = right[name]
    cls(**wrong)


def test_sizes_beyond_memory_are_memory_errors():
    for arguments in [(10**9, 10**9), (2, 10**18), (10**30, 1)]:
        for cls in (*LAYERS, *CELLS):
            text = f"parameters do not fit into memory: {cls.__name__} with"
            with pytest.raises(MemoryError, match=text):
                cls(*arguments)
    for cls in LAYERS:
        with pytest.raises(MemoryError):
            cls(1, 1, 10**30)


@pytest.mark.parametrize(("cls", "gates"), [*zip(LAYERS, GATES, strict=True)])
def test_a_refused_second_init_changes_nothing(cls, gates):
    layer = cls(2, 3)
    before = layer.weight_ih_l0.copy()
    with pytest.raises(ValueError):
        layer.__init__(2, 0)
    assert repr(layer) == f"{cls.__name__}(2, 3)"
    assert np.array_equal(layer.weight_ih_l0, before)
    layer.__init__(4, 5, batch_first=True)
    assert repr(layer) == f"{cls.__name__}(4, 5, batch_first=True)"
    assert layer.weight_ih_l0.shape == (5 * gates, 4)


# ---------------------------------------------------------------------------- warning


@pytest.mark.parametrize("cls", LAYERS)
def test_dropout_without_a_layer_to_follow_warns_at_the_callers_line(cls):
    with pytest.warns(UserWarning) as caught:
        cls(2, 3, dropout=0.5)
    assert str(caught[0].message) == (
        "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
        "expects num_layers greater than 1, but got dropout=0.5 and num_layers=1"
    )
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="got dropout=1 and num_layers=1"):
        assert cls(2, 3, dropout=1).dropout == 1.0
    with pytest.warns(UserWarning), pytest.raises(TypeError):
        cls(2, 3, dropout=0.5, bias=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cls(2, 3, 2, dropout=0.5)


# ---------------------------------------------------------------------------- what is taken


@pytest.mark.parametrize("cls", [*LAYERS, *CELLS])
@pytest.mark.parametrize(
    "dtype, name",
    [
        (None, "float32"),
        (np.float32, "float32"),
        ("float32", "float32"),
        ("f4", "float32"),
        (">f4", "float32"),
        (np.dtype("<f4"), "float32"),
        (Spelling("torch.float32"), "float32"),
        ("torch.float32", "float32"),
        (float, "float64"),
        ("double", "float64"),
        (np.dtype(np.float64), "float64"),
        (">f8", "float64"),
        (Spelling("torch.float64"), "float64"),
    ],
)
def test_spellings_of_a_dtype(cls, dtype, name):
    module = cls(2, 3, dtype=dtype)
    assert {array.dtype for array in module.parameters()} == {np.dtype(name)}


@pytest.mark.parametrize("place", [None, "cpu", "cpu:0", device("cpu")])
def test_spellings_of_the_cpu(place):
    for cls in (*LAYERS, *CELLS):
        cls(2, 3, device=place)


def test_whole_numbers_of_any_type_are_sizes():
    lstm = LSTM(np.int64(2), np.uint8(6), np.int16(2), proj_size=np.array(3))
    assert repr(lstm) == "LSTM(2, 6, proj_size=3, num_layers=2)"
    assert all(type(size) is int for size in (lstm.input_size, lstm.hidden_size, lstm.num_layers))
    assert repr(GRU(np.int64(2), np.uint8(6), np.int16(2))) == "GRU(2, 6, num_layers=2)"
    for cls, gates in zip(CELLS, GATES, strict=True):
        assert cls(np.int64(2), np.int32(3)).weight_ih.shape == (3 * gates, 2)


def test_bools_stay_as_they_were_given():
    assert repr(LSTM(2, True)) == "LSTM(2, True)"
    assert repr(LSTM(2, 3, True)) == "LSTM(2, 3)"
    assert repr(LSTM(2, 3, bidirectional=1)) == "LSTM(2, 3, bidirectional=1)"
    assert repr(LSTM(2, 3, bidirectional=None)) == "LSTM(2, 3, bidirectional=None)"
    assert repr(LSTMCell(2, 3, "x")) == "LSTMCell(2, 3, bias=x)"
    assert repr(LSTMCell(2, 3, 0)) == "LSTMCell(2, 3, bias=0)"
    assert len(list(LSTMCell(2, 3, 0).parameters())) == 2
    assert len(list(LSTMCell(2, 3, "x").parameters())) == 4


@pytest.mark.parametrize(("cls", "gates"), [*zip(CELLS, GATES, strict=True)])
def test_cells_of_size_zero(cls, gates):
    assert cls(2, 0).weight_ih.shape == (0, 2)
    assert cls(0, 3).weight_ih.shape == (3 * gates, 0)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ("LSTM(10, 20)", "LSTM(10, 20)"),
        ("LSTM(10, 20, num_layers=2, dropout=0.25)", "LSTM(10, 20, num_layers=2, dropout=0.25)"),
        (
            "LSTM(10, 20, 3, False, True, 0.5, True, 5)",
            "LSTM(10, 20, proj_size=5, num_layers=3, bias=False, batch_first=True, dropout=0.5, "
            "bidirectional=True)",
        ),
        ("LSTM(10, 20, dtype='f8')", "LSTM(10, 20)"),
        (
            "GRU(10, 20, 2, False, True, 0.5, True)",
            "GRU(10, 20, num_layers=2, bias=False, batch_first=True, dropout=0.5, "
            "bidirectional=True)",
        ),
        ("GRU(10, 20, bidirectional=[])", "GRU(10, 20, bidirectional=[])"),
        ("RNN(2, 3, nonlinearity='relu')", "RNN(2, 3)"),
        ("RNN(2, 3, 2, 'relu', dropout=0.25)", "RNN(2, 3, num_layers=2, dropout=0.25)"),
        ("GRUCell(2, 3, bias=0)", "GRUCell(2, 3, bias=0)"),
        ("RNNCell(2, 3)", "RNNCell(2, 3)"),
        ("RNNCell(2, 3, False, 'relu')", "RNNCell(2, 3, bias=False, nonlinearity=relu)"),
        ("RNNCell(2, 3, nonlinearity=None)", "RNNCell(2, 3, nonlinearity=None)"),
        ("LSTMCell(2, 3)", "LSTMCell(2, 3)"),
        ("LSTMCell(2, 3, bias=False)", "LSTMCell(2, 3, bias=False)"),
    ],
)
def test_repr_is_that_of_torch(arguments, text):
    module = eval(arguments)
    assert repr(module) == str(module) == text


# ---------------------------------------------------------------------------- parameters

SHAPES = {
    "LSTM(2, 4, 2, bidirectional=True, proj_size=3)": {
        "weight_ih_l0": (16, 2),
        "weight_hh_l0": (16, 3),
        "bias_ih_l0": (16,),
        "bias_hh_l0": (16,),
        "weight_hr_l0": (3, 4),
        "weight_ih_l0_reverse": (16, 2),
        "weight_hh_l0_reverse": (16, 3),
        "bias_ih_l0_reverse": (16,),
        "bias_hh_l0_reverse": (16,),
        "weight_hr_l0_reverse": (3, 4),
        "weight_ih_l1": (16, 6),
        "weight_hh_l1": (16, 3),
        "bias_ih_l1": (16,),
        "bias_hh_l1": (16,),
        "weight_hr_l1": (3, 4),
        "weight_ih_l1_reverse": (16, 6),
        "weight_hh_l1_reverse": (16, 3),
        "bias_ih_l1_reverse": (16,),
        "bias_hh_l1_reverse": (16,),
        "weight_hr_l1_reverse": (3, 4),
    },
    "LSTM(2, 3, bias=False)": {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3)},
    "LSTM(2, 3, bias=False, proj_size=1)": {
        "weight_ih_l0": (12, 2),
        "weight_hh_l0": (12, 1),
        "weight_hr_l0": (1, 3),
    },
    "LSTMCell(2, 3)": {
        "weight_ih": (12, 2),
        "weight_hh": (12, 3),
        "bias_ih": (12,),
        "bias_hh": (12,),
    },
}


@pytest.mark.parametrize("arguments", SHAPES)
def test_names_order_and_shapes_of_the_parameters(arguments):
    module = eval(arguments)
    assert [(n, a.shape) for n, a in module.named_parameters()] == list(SHAPES[arguments].items())


def test_without_bias_the_lstm_lacks_the_names_and_the_cell_has_none():
    with pytest.raises(AttributeError, match=r"^'LSTM' object has no attribute 'bias_ih_l0'$"):
        _ = LSTM(2, 3, bias=False).bias_ih_l0
    cell = LSTMCell(2, 3, bias=False)
    assert cell.bias_ih is None and cell.bias_hh is None


def test_initial_values_lie_within_one_over_the_root_of_hidden_size():
    for module in (LSTM(5, 16, 2, proj_size=3, bidirectional=True), LSTMCell(5, 16)):
        values = np.concatenate([array.ravel() for array in module.parameters()])
        assert np.abs(values).max() <= 0.25
        assert values.max() > 0.2 and values.min() < -0.2
        assert abs(values.mean()) < 0.03


# ---------------------------------------------------------------------------- before __init__


@pytest.mark.parametrize("cls", [*LAYERS, *CELLS])
def test_an_object_without_init_is_safe_to_touch(cls):
    module = cls.__new__(cls)
    assert "__init__() has not been called" in repr(module)
    assert not hasattr(module, "weight_ih_l0")
    assert not hasattr(module, "hidden_size")
    assert "forward" in dir(module)
    message = r"__init__\(\) has not been called"
    for touch in (
        lambda: module(np.ones((1, 1, 1))),
        lambda: module.forward(np.ones((1, 1, 1))),
        lambda: module.flatten_parameters(),
        lambda: module.reset_parameters(),
        lambda: module._native_parameter("weight_ih"),
        lambda: module.double(),
    ):
        with pytest.raises((RuntimeError, AttributeError)):
            touch()
    with pytest.raises(RuntimeError, match=f"{cls.__name__}.{message}"):
        module(np.ones((1, 1, 1)))
    module.note = 5
    assert module.note == 5


# ---------------------------------------------------------------------------- the generator


@pytest.mark.parametrize(
    "seed, expected",
    [
        (0, 0),
        (2**64 - 1, 2**64 - 1),
        (-1, 2**64 - 1),
        (-(2**63), 2**63),
        (1.5, 1),
        ("1", 1),
        (True, 1),
        (np.int64(7), 7),
        (np.array(7), 7),
    ],
)
def test_seeds_that_are_taken(seed, expected):
    assert pylstm.manual_seed(seed) is None
    assert pylstm.initial_seed() == expected


@pytest.mark.parametrize(
    "seed, error, text",
    [
        (2**64, ValueError, "Overflow when unpacking long long"),
        (-(2**63) - 1, ValueError, "Overflow when unpacking long long"),
        (1e30, ValueError, "Overflow when unpacking long long"),
        ("x", ValueError, "invalid literal for int() with base 10: 'x'"),
        (float("nan"), ValueError, "cannot convert float NaN to integer"),
        (None, TypeError, "int() argument must be a string, a bytes-like object or a real number"),
    ],
)
def test_seeds_that_are_refused(seed, error, text):
    pylstm.manual_seed(5)
    with pytest.raises(error, match=re.escape(text)):
        pylstm.manual_seed(seed)
    assert pylstm.initial_seed() == 5


def test_the_state_of_the_generator_can_be_kept_and_set():
    pylstm.manual_seed(3)
    state = pylstm.get_rng_state()
    assert state.shape == (5056,) and state.dtype == np.uint8
    first = LSTM(2, 3).weight_ih_l0.copy()
    assert not np.array_equal(LSTM(2, 3).weight_ih_l0, first)
    pylstm.set_rng_state(state)
    assert np.array_equal(LSTM(2, 3).weight_ih_l0, first)


@pytest.mark.parametrize(
    "state, error, text",
    [
        (None, TypeError, "expected a torch.ByteTensor, but got NoneType"),
        (5, TypeError, "expected a torch.ByteTensor, but got int"),
        (np.zeros(5056), TypeError, "RNG state must be a torch.ByteTensor"),
        (
            np.zeros(3, np.uint8),
            RuntimeError,
            "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size "
            "to be 3",
        ),
        (np.zeros(5056, np.uint8), RuntimeError, "Invalid mt19937 state"),
    ],
)
def test_states_that_are_refused(state, error, text):
    before = pylstm.get_rng_state()
    with pytest.raises(error, match=re.escape(text)):
        pylstm.set_rng_state(state)
    assert np.array_equal(pylstm.get_rng_state(), before)


def test_reset_parameters_draws_anew():
    lstm = LSTM(2, 3)
    before = lstm.weight_ih_l0.copy()
    pylstm.manual_seed(11)
    assert lstm.reset_parameters() is None
    assert not np.array_equal(lstm.weight_ih_l0, before)
    pylstm.manual_seed(11)
    assert np.array_equal(LSTM(2, 3).weight_ih_l0, lstm.weight_ih_l0)
