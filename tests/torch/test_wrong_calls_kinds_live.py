"""Wrong calls of GRU, RNN and their cells beside torch 2.13, as test_wrong_calls_live.py has LSTM's.

`Layer` and `Cell` are the classes, `layer` is Layer(4, 5, 2), `first`, `two_way` and `bare` are it with
an option, `cell` is Cell(4, 5), `rows` are the rows of its weights.
"""

import pytest

# By its submodule, since this folder itself would do for a module of the name "torch".
pytest.importorskip("torch.nn")
from wrong_calls import Row, agree, check, check_rows, core_of, normalised, outcomes

KINDS = ("GRU", "RNN")

# ---------------------------------------------------------------------------- as torch

CONSTRUCTORS = """
Layer()
Layer(2)
Layer(hidden_size=3)
Layer(2, 3, input_size=2)
Layer(2, 3, foo=1)
Layer(2, 3, dropout='x')
Layer(2, 3, dropout='0.5')
Layer(2, 3, dropout='')
Layer(2, 3, dropout=None)
Layer(2, 3, dropout=1j)
Layer(2, 3, dropout=[0.5])
Layer(2, 3, dropout=True)
Layer(2, 3, dropout=1.5)
Layer(2, 3, dropout=-1)
Layer(2, 3, dropout=nan)
Layer(2, 3, dropout=inf)
Layer(2, 3, bias=1)
Layer(2, 3, bias=0)
Layer(2, 3, bias=None)
Layer(2, 3, bias='True')
Layer(2, 3, bias=np.True_)
Layer(2, 3, batch_first=1)
Layer(2, 3, batch_first=0)
Layer(2, 3, batch_first='False')
Layer(2.0, 3)
Layer('10', 3)
Layer(None, 3)
Layer([2], 3)
Layer(0, 3)
Layer(-1, 3)
Layer(False, 3)
Layer(2, 3.0)
Layer(2, '3')
Layer(2, None)
Layer(2, 0)
Layer(2, -1)
Layer(2, False)
Layer(2, 3, 0)
Layer(2, 3, -1)
Layer(2, 3, False)
Layer(2, 3, 1.0)
Layer(2, 3, 'a')
Layer(2, 3, None)
Layer(2, 3, [1])
Layer(2, 3, proj_size=0)
Layer(2, 3, proj_size=2)
Layer(2, 3, proj_size=-1)
Layer(2, 3, proj_size=None)
Layer(2, 3, proj_size='a')
Layer(proj_size=1)
Layer('a', 'b', proj_size=1)
Layer(2, 3, proj_size=1, foo=1)
Layer(0, 0, 0)
Layer(2, 0, 0)
Layer(0, 3, 0)
Layer(0, 0, bias=0, batch_first=0, dropout=2.0)
Layer(0, 0, bias=0, batch_first=0)
Layer(0, 0, batch_first=0)
Layer('a', 'b')
Layer(2, 3, dtype=int64)
Layer(2, 3, dtype=int32)
Layer(2, 3, dtype=bool_)
Cell()
Cell(2)
Cell(hidden_size=3)
Cell(2, 3, foo=1)
Cell(2, 3, num_layers=2)
Cell(2, 3, proj_size=1)
Cell(2, 3, bidirectional=True)
Cell(2, 3, batch_first=True)
Cell(2, 3, dropout=0.5)
Cell(2, 3, input_size=2)
Cell(-1, 3)
Cell(2, -3)
Cell(-2, -3)
Cell(2, 3, dtype=int64)
Cell(2, 3, dtype=bool_)
"""

FORWARD = """
layer()
layer(hx=None)
layer(ones(3, 2, 4), None, None)
layer(ones(3, 2, 4), foo=1)
layer(ones(3, 2, 4), h_0=ones(2, 2, 5))
layer(ones(3, 2, 4), hidden=ones(2, 2, 5))
layer(ones(3, 2, 4), input=ones(3, 2, 4))
layer(ones(3, 2, 4), None, hx=None)
layer(array(1.0))
layer(ones(4))
layer(ones(0))
layer(ones(1, 3, 2, 4))
layer(ones(1, 1, 3, 2, 4))
layer(ones(4), ones(2, 2, 6))
layer(ones(3, 2, 3))
layer(ones(3, 2, 5))
layer(ones(3, 2, 0))
layer(ones(3, 4, 2))
layer(ones(3, 3))
layer(ones(4, 3))
layer(ones(0, 2, 4))
layer(ones(0, 0, 4))
layer(ones(0, 4))
layer(ones(0, 2, 3))
first(ones(2, 0, 4))
first(ones(0, 0, 4))
first(ones(2, 3, 3))
first(ones(4))
layer(ones(3, 2, 4), ones(4, 5))
layer(ones(3, 2, 4), ones(2, 5))
layer(ones(3, 2, 4), ones(1, 4, 2, 5))
layer(ones(3, 2, 4), ones(5))
layer(ones(3, 2, 4), array(1.0))
layer(ones(3, 2, 3), ones(5))
layer(ones(0, 2, 4), ones(5))
layer(ones(3, 4), ones(2, 1, 5))
layer(ones(3, 4), ones(2, 1, 1, 5))
layer(ones(3, 4), ones(5))
layer(ones(3, 4), array(1.0))
layer(ones(3, 2, 4), ones(1, 2, 5))
layer(ones(3, 2, 4), ones(3, 2, 5))
layer(ones(3, 2, 4), ones(2, 3, 5))
layer(ones(3, 2, 4), ones(2, 2, 4))
layer(ones(3, 2, 4), ones(2, 2, 0))
layer(ones(3, 2, 4), ones(0, 2, 5))
layer(ones(3, 2, 4), ones(2, 1, 5))
layer(ones(3, 2, 4), ones(1, 1, 1))
layer(ones(3, 0, 4), ones(2, 1, 5))
layer(ones(3, 2, 4), ones(2, 5, 2))
layer(ones(3, 4), ones(1, 5))
layer(ones(3, 4), ones(2, 4))
layer(ones(3, 4), ones(4, 5))
layer(ones(3, 4), ones(5, 2))
layer(ones(3, 2, 4), hx=ones(2, 2, 6))
layer(ones(3, 2, 3), ones(2, 2, 6))
layer(ones(0, 2, 4), ones(2, 2, 6))
layer(ones(0, 2, 4), ones(2, 2, 5))
first(ones(2, 3, 4), ones(2, 3, 5))
first(ones(3, 2, 4), ones(3, 2, 5))
first(ones(2, 3, 4), ones(2, 4, 5))
two_way(ones(3, 2, 4), ones(2, 2, 5))
two_way(ones(3, 2, 4), ones(4, 2, 10))
two_way(ones(3, 4), ones(2, 5))
bare(ones(3, 2, 4), ones(2, 2, 6))
layer.forward()
layer.forward(ones(4))
layer.forward(ones(3, 2, 4), foo=1)
layer.forward(ones(3, 2, 4), ones(2, 2, 6))
Layer(4, 5)(ones(3, 2, 4), ones(2, 2, 5))
Layer(4, 5, 4)(ones(3, 3, 4), ones(2, 3, 5))
cell()
cell(hx=None)
cell(ones(2, 4), None, None)
cell(ones(2, 4), foo=1)
cell(ones(2, 4), h_0=ones(2, 5))
cell(ones(2, 4), input=ones(2, 4))
cell(ones(2, 4), None, hx=None)
cell(array(1.0))
cell(ones(1, 2, 4))
cell(ones(1, 1, 2, 4))
cell(ones(1, 2, 4), ones(1, 2, 5))
cell(ones(2, 3))
cell(ones(2, 5))
cell(ones(2, 0))
cell(ones(2, 1))
cell(ones(4, 2))
cell(ones(3))
cell(ones(5))
cell(ones(0))
cell(ones(0, 3))
cell(ones(2, 4), ones(3, 5))
cell(ones(2, 4), ones(1, 5))
cell(ones(2, 4), ones(2, 6))
cell(ones(2, 4), ones(2, 1))
cell(ones(2, 4), ones(3, 6))
cell(ones(2, 4), hx=ones(2, 6))
cell(ones(2, 3), ones(2, 6))
cell(ones(2, 3), ones(3, 5))
cell(ones(0, 4), ones(1, 5))
cell(ones(4), ones(6))
cell(ones(4), ones(1))
cell(ones(4), ones(0))
cell(ones(2, 4), ones(1, 2, 5))
cell(ones(2, 4), ones(1, 1, 2, 5))
cell(ones(2, 4), array(1.0))
cell(ones(4), ones(1, 1, 5))
cell(ones(3), ones(1, 1, 5))
cell.forward(ones(1, 2, 4))
cell.forward(ones(2, 3))
cell.forward(ones(2, 4), ones(2, 6))
layer(packed(ones(3, 2, 4)), None, None)
layer(packed(ones(3, 2, 4)), foo=1)
layer(packed(ones(3, 2, 3)))
layer(packed(ones(3, 2, 5)))
layer(packed(ones(3, 2)))
layer(packed(ones(3, 2, 4, 1)))
layer(packed(ones(3, 2, 4)), ones(2, 3, 5))
layer(packed(ones(3, 2, 4)), ones(1, 2, 5))
layer(packed(ones(3, 2, 4)), ones(2, 2, 6))
layer(packed(ones(3, 2, 4)), ones(2, 1, 5))
two_way(packed(ones(3, 2, 4)), ones(2, 2, 5))
layer(unsorted(ones(3, 2, 4), 2, 3), ones(2, 2, 6))
layer(unsorted(ones(3, 2, 4), 2, 3), ones(1, 2, 5))
"""

MODULE = """
layer.load_state_dict()
layer.load_state_dict(None)
layer.load_state_dict([])
layer.load_state_dict('model.pt')
layer.load_state_dict(layer)
layer.load_state_dict({})
cell.load_state_dict({})
tagger.load_state_dict({})
layer.load_state_dict({'a': ones(1)})
layer.load_state_dict(without('weight_hh_l1'))
layer.load_state_dict(without('bias_ih_l0', 'bias_hh_l0'))
layer.load_state_dict(state(a=ones(1)))
layer.load_state_dict(state(weight_hr_l0=ones(2, 5)))
layer.load_state_dict({'rnn.' + k: v for k, v in state().items()})
layer.load_state_dict(state(bias_ih_l0=ones(rows + 1)))
layer.load_state_dict(state(bias_ih_l0=ones(rows + 1)), strict=False)
layer.load_state_dict(state(bias_ih_l0=ones(1, rows)))
layer.load_state_dict(state(weight_ih_l0=ones(4, rows)))
layer.load_state_dict(state(weight_ih_l0=ones(4, rows), a=ones(2)))
layer.load_state_dict(state(bias_ih_l0=None))
layer.load_state_dict(state(bias_ih_l0='abc'))
bare.load_state_dict(state())
layer.load_state_dict(bare.state_dict())
two_way.load_state_dict(state())
layer.load_state_dict(two_way.state_dict())
Layer(4, 6, 2).load_state_dict(state())
Layer(4, 5, 3).load_state_dict(state())
Layer(4, 5, 1).load_state_dict(state())
cell.load_state_dict(state())
layer.load_state_dict(cell.state_dict())
Cell(4, 6).load_state_dict(cell.state_dict())
Cell(4, 5, bias=False).load_state_dict(cell.state_dict())
cell.load_state_dict(Cell(4, 5, bias=False).state_dict())
layer.load_state_dict(LSTM(4, 5, 2).state_dict())
LSTM(4, 5, 2).load_state_dict(state())
layer.load_state_dict(LSTM(4, 5, 2, proj_size=3).state_dict())
cell.load_state_dict(LSTMCell(4, 5).state_dict())
LSTMCell(4, 5).load_state_dict(cell.state_dict())
RNN(4, 15, 1).load_state_dict(GRU(4, 5, 1).state_dict())
GRU(4, 5, 1).load_state_dict(RNN(4, 15, 1).state_dict())
RNN(4, 5, 2, bias=False).load_state_dict(GRU(4, 5, 2).state_dict())
tagger.load_state_dict({**tagger.state_dict(), 'lstm.bias_ih_l0': ones(3)})
layer.train(1)
layer.eval(1)
layer.to(int64)
layer.float(1)
layer.apply(None)
layer.reset_parameters(1)
layer.nope
layer.weight_hr_l0
layer.weight_ih
layer.weight_ih_l9
bare.bias_ih_l0
cell.weight_ih_l0
del_(layer, 'nope')
layer.get_parameter('nope')
layer.get_parameter('input_size')
layer.get_submodule('nope')
layer.get_buffer('weight_ih_l0')
layer.register_forward_hook(print, True)
hooked(lambda m, a: None)
hooked(lambda m, a, o: 1 / 0)
pre_hooked(lambda m, a, k: None)
pre_hooked(lambda m, a: (a[0], None, None))
pre_hooked(lambda m, a: ones(4))
layer.register_parameter('input_size', None)
layer.add_module('weight_ih_l0', None)
set_(layer, 'weight_ih_l0', 5)
set_(cell, 'bias_ih', 5)
Unready()
"""

# Of one kind alone.
OWN = {
    "GRU": """
Layer(2, 3, nonlinearity='tanh')
Layer(2, 3, nonlinearity='bad')
Layer(2, 3, nonlinearity='tanh', proj_size=1)
Cell(2, 3, nonlinearity='tanh')
Cell(2, 3, True, None, None, 1)
""",
    "RNN": """
Layer(2, 3, nonlinearity='bad')
Layer(2, 3, nonlinearity='RELU')
Layer(2, 3, nonlinearity='Tanh')
Layer(2, 3, nonlinearity='')
Layer(2, 3, nonlinearity=None)
Layer(2, 3, nonlinearity=True)
Layer(2, 3, nonlinearity=1.5)
Layer(2, 3, nonlinearity=b'tanh')
Layer(2, 3, nonlinearity=['tanh'])
Layer(2, 3, nonlinearity=('relu',))
Layer(2, 3, nonlinearity={'tanh'})
Layer(2, 3, 1, 'bad')
Layer(2, 3, 1, True)
Layer(2, 3, 1, False)
Layer(2, 3, 1, None)
Layer(2, 3, 0, 'bad')
Layer(2, 3, 0, 'relu')
Layer(2, 3, 1, 'relu', 1)
Layer(2, 3, 1, 'relu', True, 1)
Layer(2, 3, 1, 'relu', True, False, 2.0)
Layer(nonlinearity='bad')
Layer(nonlinearity='relu')
Layer(nonlinearity='bad', proj_size=1)
Layer(0, 0, nonlinearity='bad')
Layer(2, 3, nonlinearity='bad', foo=1)
Layer(2, 3, nonlinearity='bad', dropout=2.0)
Cell(2, 3, True, 'tanh', None, None, 1)
Cell(4, 5, nonlinearity='bad')(ones(2, 4))
Cell(4, 5, nonlinearity=None)(ones(2, 4))
Cell(4, 5, nonlinearity='bad')(ones(2, 3))
Cell(4, 5, nonlinearity='bad')(ones(2, 4), ones(3, 6))
Cell(4, 5, nonlinearity='bad')(ones(1, 2, 4))
Cell(4, 5, nonlinearity='bad')(ones(2, 4), ones(1, 2, 5))
(set_(cell, 'nonlinearity', 'x'), cell(ones(2, 4)))
(del_(cell, 'nonlinearity'), cell(ones(2, 4)))
Layer(4, 5, 2, 'relu')(ones(4))
Layer(4, 5, 2, 'relu')(ones(3, 2, 3))
Layer(4, 5, 2, 'relu')(ones(3, 2, 4), ones(5))
Layer(4, 5, 2, 'relu')(ones(3, 2, 4), ones(2, 3, 5))
Layer(4, 5, 2, 'relu')(ones(0, 2, 4))
Layer(4, 5, 2, 'relu')(ones(3, 4), ones(1, 5))
Layer(4, 5, 2, 'relu').load_state_dict({})
Cell(4, 5, True, 'relu')(ones(2, 3))
Cell(4, 5, True, 'relu')(ones(2, 4), ones(3, 5))
Cell(4, 5, True, 'relu')(ones(2, 4), ones(2, 6))
Cell(4, 5, 'relu')(ones(2, 3))
Cell(4, 5, 'tanh')(ones(2, 4), ones(2, 6))
""",
}

SAME = {
    kind: [
        call
        for group in (CONSTRUCTORS, FORWARD, MODULE, OWN[kind])
        for call in group.strip().splitlines()
    ]
    for kind in KINDS
}
ALL_SAME = [(kind, call) for kind in KINDS for call in SAME[kind]]


@pytest.mark.parametrize(
    ("kind", "call"), ALL_SAME, ids=[f"{kind}: {call}" for kind, call in ALL_SAME]
)
def test_the_error_is_that_of_torch(kind, call):
    theirs, ours = outcomes(call, kind)
    assert theirs is not None, "torch takes it"
    assert type(ours) is type(theirs), f"torch: {theirs!r}\npylstm: {ours!r}"
    assert core_of(theirs, kind) in normalised(ours, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_many_calls_and_none_twice(kind):
    assert len(SAME[kind]) >= 150
    listed = SAME[kind] + [call for of, call, *_ in DIFFERENT + CLEARER if of == kind]
    assert len(listed) == len(set(listed))


# ---------------------------------------------------------------------------- on purpose

# The difference, by its row in the migration page; pylstm's exception, None where the call is
# taken; a part of its text.
BY_ROW = {
    Row.INPUTS: [
        ("layer(cast(ones(3, 2, 4), int64))", None, ""),
        ("layer(cast(ones(3, 2, 4), float64))", None, ""),
        ("layer(ones(3, 2, 4), cast(ones(2, 2, 5), float64))", None, ""),
        ("layer(ones(3, 2, 4), cast(ones(2, 2, 5), int64))", None, ""),
        ("cell(cast(ones(2, 4), float64))", None, ""),
        ("cell(ones(2, 4), cast(ones(2, 5), float64))", None, ""),
        ("layer(packed(cast(ones(3, 2, 4), float64)))", None, ""),
    ],
    Row.ARRAYS: [
        ("layer([[1.0, 2.0, 3.0, 4.0]])", None, ""),
        ("layer(ones(3, 4), [[0.0] * 5] * 2)", None, ""),
        ("cell([1, 2, 3, 4], [0, 0, 0, 0, 0])", None, ""),
        ("layer.load_state_dict({k: v.tolist() for k, v in state().items()})", None, ""),
    ],
    Row.SIZES: [
        ("Layer(np.int64(2), 3)", None, ""),
        ("Layer(2, np.uint8(3))", None, ""),
    ],
    Row.STRUCTURE: [
        ("set_(layer, 'input_size', 7)", AttributeError, "'input_size' cannot be changed"),
        ("set_(layer, 'hidden_size', 7)", AttributeError, "'hidden_size' cannot be changed"),
        ("set_(layer, 'num_layers', 1)", AttributeError, "'num_layers' cannot be changed"),
        ("set_(layer, 'bias', False)", AttributeError, "'bias' cannot be changed"),
        ("set_(layer, 'bidirectional', True)", AttributeError, "'bidirectional' cannot be"),
        ("set_(layer, 'mode', 'LSTM')", AttributeError, "'mode' cannot be changed"),
        ("set_(layer, 'proj_size', 2)", AttributeError, "'proj_size' cannot be changed"),
        ("set_(cell, 'hidden_size', 7)", AttributeError, "'hidden_size' cannot be changed"),
        ("del_(layer, 'num_layers')", AttributeError, "'num_layers' cannot be deleted"),
    ],
    Row.PARAMETERS: [
        ("del_(layer, 'weight_ih_l0')", AttributeError, "'weight_ih_l0' cannot be deleted"),
        ("set_(layer, 'bias_ih_l0', ones(rows))", None, ""),
        ("set_(layer, 'bias_ih_l0', None)", TypeError, "cannot assign 'NoneType' as parameter"),
        ("set_(cell, 'bias_ih', parameter(ones(7)))", ValueError, "for good"),
    ],
    Row.PACKED: [
        (
            "layer(packed(ones(3, 2, 4)), ones(2, 5))",
            RuntimeError,
            "For batched 3-D input, hx should also be 3-D but got 2-D tensor",
        ),
        (
            "layer(unsorted(ones(3, 2, 4), 2, 3), ones(2, 3, 5))",
            RuntimeError,
            "Expected hidden size (2, 2, 5), got [2, 3, 5]",
        ),
        (
            "layer(unsorted(ones(3, 2, 4), 2, 3), ones(2, 1, 5))",
            RuntimeError,
            "Expected hidden size (2, 2, 5), got [2, 1, 5]",
        ),
        ("layer(packed(cast(ones(3, 2, 4), complex64)))", TypeError, "must hold real numbers"),
    ],
    Row.LENGTHS: [("layer(packed(ones(3, 2, 4), 4, 3))", RuntimeError, "length")],
    Row.TEXTS: [("Layer(2, 3, mode='GRU')", TypeError, "unexpected keyword argument 'mode'")],
    Row.DEVICES: [
        ("Layer(2, 3, device='cuda')", RuntimeError, "device 'cuda' is not offered"),
        ("Layer(2, 3, device=1.5)", TypeError, "device must be None or 'cpu', not float"),
        ("Cell(2, 3, device='cuda:1')", RuntimeError, "device 'cuda:1' is not offered"),
        ("layer.cuda()", RuntimeError, "device 'cuda' is not offered"),
    ],
    Row.DTYPES: [
        ("Layer(2, 3, dtype=float16)", TypeError, "dtype float16 is not offered"),
        ("Layer(2, 3, dtype='double')", None, ""),
        ("Cell(2, 3, dtype=complex64)", TypeError, "dtype complex64 is not offered"),
        ("layer.half()", TypeError, "half() is not offered"),
    ],
    Row.MEMORY: [
        ("Layer(2**62, 3)", MemoryError, "do not fit into memory"),
        ("Layer(2, 2**62)", MemoryError, "do not fit into memory"),
        ("Cell(2**62, 3)", MemoryError, "do not fit into memory"),
    ],
    Row.STATES: [
        ("layer(ones(3, 2, 4), (ones(2, 2, 5), ones(2, 2, 5)))", TypeError, "hx"),
        ("layer(ones(3, 2, 4), [ones(2, 2, 5), ones(2, 2, 5)])", TypeError, "hx"),
        ("layer(ones(3, 2, 4), (ones(2, 2, 5),))", TypeError, "hx"),
        ("layer(ones(3, 2, 4), [ones(2, 2, 5)])", TypeError, "hx"),
        ("layer(ones(3, 4), (ones(2, 5), ones(2, 5)))", TypeError, "hx"),
        ("layer(ones(3, 4), [ones(5), ones(5)])", TypeError, "hx"),
        ("layer(packed(ones(3, 2, 4)), (ones(2, 2, 5), ones(2, 2, 5)))", TypeError, "hx"),
        ("layer(packed(ones(3, 2, 4)), [ones(2, 2, 5)])", TypeError, "hx"),
        ("layer(unsorted(ones(3, 2, 4), 2, 3), (ones(2, 2, 5),))", TypeError, "hx"),
        ("cell(ones(2, 4), (ones(2, 5), ones(2, 5)))", TypeError, "hx"),
        ("cell(ones(2, 4), [ones(2, 5)])", TypeError, "hx"),
        ("cell(ones(2, 4), (ones(5), ones(5)))", TypeError, "hx"),
        ("cell(ones(2, 4), [ones(5), ones(5)])", TypeError, "hx"),
        ("cell(ones(4), (ones(5), ones(5)))", TypeError, "hx"),
        ("cell(ones(4), (ones(5),))", TypeError, "hx"),
        ("cell(ones(2, 4), ones(5))", RuntimeError, "input is 2-D but hx is 1-D"),
        ("cell(ones(4), ones(1, 5))", RuntimeError, "input is 1-D but hx is 2-D"),
        ("cell(ones(2, 4), ones(4))", RuntimeError, "input is 2-D but hx is 1-D"),
    ],
}  # fmt: skip

OWN_BY_ROW = {
    "GRU": {
        Row.DEVICES: [
            ("Layer(2, 3, 1, True, False, 0.0, False, 'cpu')", None, ""),
            ("Layer(2, 3, 1, True, False, 0.0, False, None, float64)", None, ""),
            ("Cell(2, 3, True, 'relu')", RuntimeError, "device 'relu' is not offered"),
        ],
    },
    "RNN": {
        Row.DEVICES: [
            ("Layer(2, 3, 1, 'tanh', True, False, 0.0, False, 'cpu')", None, ""),
            ("Layer(2, 3, 1, 'relu', True, False, 0.0, False, None, float64)", None, ""),
        ],
        Row.TEXTS: [
            (
                "Layer(2, 3, 1, 'tanh', nonlinearity='relu')",
                TypeError,
                "RNN.__init__() got multiple values for argument 'nonlinearity'",
            ),
        ],
        Row.STRUCTURE: [
            ("set_(layer, 'nonlinearity', 'relu')", AttributeError, "'nonlinearity' cannot be"),
            ("del_(layer, 'nonlinearity')", AttributeError, "'nonlinearity' cannot be"),
            ("(set_(layer, 'mode', 'GRU'), layer(ones(3, 2, 4)))", AttributeError, "'mode' cannot"),
        ],
    },
}

DIFFERENT = [
    (kind, *entry, row)
    for kind in KINDS
    for rows in (BY_ROW, OWN_BY_ROW[kind])
    for row, entries in rows.items()
    for entry in entries
]


@pytest.mark.parametrize(
    ("kind", "call", "expected", "text", "row"),
    DIFFERENT,
    ids=[f"{kind}: {row}: {call}" for kind, call, _, _, row in DIFFERENT],
)
def test_the_difference_is_listed(kind, call, expected, text, row):
    theirs, ours = outcomes(call, kind)
    check(ours, expected, text)
    assert not agree(theirs, ours, kind), "no difference: it belongs to the other calls"


def test_every_row_is_on_the_migration_page():
    check_rows({row for *_, row in DIFFERENT})


# ---------------------------------------------------------------------------- clearer than torch

# Where torch fails in its depths, or lets a mistake pass: the text names the argument.
OF_BOTH = [
    ("Cell(2.0, 3)", TypeError, "input_size should be of type int, got: float"),
    ("Cell('a', 3)", TypeError, "input_size should be of type int, got: str"),
    ("Cell(2, None)", TypeError, "hidden_size should be of type int, got: NoneType"),
    ("layer(None)", TypeError, "input must be an array"),
    ("layer('abc')", TypeError, "input must be an array"),
    ("layer(object())", TypeError, "input must be an array"),
    ("layer([[1.0]])", RuntimeError, "input.size(-1) must be equal to input_size. Expected 4"),
    ("layer([[1.0, 2.0], [3.0]])", ValueError, "input must be an array"),
    ("layer(cast(ones(3, 2, 4), bool_))", TypeError, "input must hold real numbers, got dtype bool"),
    ("layer(cast(ones(3, 2, 4), complex64))", TypeError, "input must hold real numbers"),
    ("layer(ones(3, 2, 4), 5)", TypeError, "hx must be one array"),
    ("layer(ones(3, 2, 4), False)", TypeError, "hx must be one array"),
    ("layer(packed(ones(3, 2, 4)), 5)", TypeError, "hx must be one array"),
    ("layer(ones(3, 2, 4), 'ab')", TypeError, "hx must be an array"),
    ("layer(ones(3, 2, 4), {})", TypeError, "hx must be an array"),
    ("layer(ones(3, 2, 4), cast(ones(2, 2, 5), complex64))", TypeError, "must hold real numbers"),
    ("layer(ones(3, 2, 4), cast(ones(2, 2, 5), bool_))", TypeError, "must hold real numbers"),
    ("cell(None)", TypeError, "input must be an array"),
    ("cell('abc')", TypeError, "input must be an array"),
    ("cell(packed(ones(3, 2, 4)))", ValueError, "input must be an array"),
    ("cell(cast(ones(2, 4), bool_))", TypeError, "input must hold real numbers, got dtype bool"),
    ("cell(ones(2, 4), 5)", TypeError, "hx must be one array"),
    ("cell(ones(2, 4), 'ab')", TypeError, "hx must be an array"),
    ("cell(ones(2, 4), {})", TypeError, "hx must be an array"),
    ("cell(ones(2, 4), cast(ones(2, 5), complex64))", TypeError, "must hold real numbers"),
]  # fmt: skip
CLEARER = [(kind, *entry) for kind in KINDS for entry in OF_BOTH]


@pytest.mark.parametrize(
    ("kind", "call", "expected", "text"),
    CLEARER,
    ids=[f"{kind}: {call}" for kind, call, *_ in CLEARER],
)
def test_the_text_is_clearer_than_that_of_torch(kind, call, expected, text):
    theirs, ours = outcomes(call, kind)
    check(ours, expected, text)
    assert not agree(theirs, ours, kind), "as clear as torch: it belongs to the other calls"
