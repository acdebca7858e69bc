"""A plain class Tagger(nn.Module) collects children, arrays and their state, as in torch."""

import numpy as np
import pytest

import pylstm as nn

# Printed by torch 2.13.0 for the same classes.
TAGGER = """Tagger(
  tags=5
  (lstm): LSTM(4, 3, bidirectional=True)
  (inner): Inner(
    (cell): LSTMCell(4, 3, bias=False)
  )
)"""


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(4, 3, bias=False)
        self.register_buffer("mean", np.zeros(3, np.float32))
        self.register_buffer("scratch", np.zeros(3, np.float32), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x):
        return self.cell(x - self.mean.mean())


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, bidirectional=True)
        self.inner = Inner()
        self.register_parameter("weight", np.zeros((5, 6), np.float32))
        self.register_parameter("bias", None)
        self.table = np.arange(3)  # a plain attribute

    def extra_repr(self):
        return f"tags={len(self.weight)}"

    def forward(self, x):
        output, _ = self.lstm(x)
        return output @ self.weight.T


LSTM_NAMES = [
    f"lstm.{kind}_l0{direction}"
    for direction in ("", "_reverse")
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
]


@pytest.fixture
def tagger():
    return Tagger()


def test_names_of_everything(tagger):
    cell = ["inner.cell.weight_ih", "inner.cell.weight_hh"]
    assert [n for n, _ in tagger.named_parameters()] == ["weight", *LSTM_NAMES, *cell]
    assert [n for n, _ in tagger.named_parameters("p", recurse=False)] == ["p.weight"]
    assert [n for n, _ in tagger.named_buffers()] == ["inner.mean", "inner.scratch"]
    assert [n for n, _ in tagger.named_modules()] == ["", "lstm", "inner", "inner.cell"]
    assert [n for n, _ in tagger.named_children()] == ["lstm", "inner"]
    assert list(tagger.state_dict()) == ["weight", *LSTM_NAMES, "inner.mean", *cell]
    assert list(tagger.state_dict()._metadata) == ["", "lstm", "inner", "inner.cell"]
    assert next(iter(tagger.state_dict(prefix="m."))) == "m.weight"
    assert len(list(tagger.parameters())) == len(list(tagger.parameters(recurse=False))) + 10
    assert next(iter(tagger.modules())) is tagger and list(tagger.children())[1] is tagger.inner


def test_repr_is_nested_as_in_torch(tagger):
    assert repr(tagger) == TAGGER
    assert repr(nn.Module()) == "Module()"
    tagger.extra_repr = lambda: "two\nlines"
    assert repr(tagger).startswith("Tagger(\n  two\n  lines\n  (lstm): ")
    alone = nn.Module()
    alone.extra_repr = lambda: "two\nlines"
    assert repr(alone) == "Module(\n  two\n  lines\n)"


def test_html_shows_the_whole_tree(tagger):
    text = tagger._repr_html_()
    assert "inner.cell.weight_ih" in text and "inner.mean" in text and "5 × 6" in text
    assert "leases: 0<" in text
    plain = nn.Module()
    plain.register_buffer("mean", np.zeros(3))
    assert "mean" in plain._repr_html_() and "kernels" not in plain._repr_html_()


def test_access_by_dotted_name(tagger):
    assert tagger.get_submodule("inner.cell") is tagger.inner.cell
    assert tagger.get_parameter("inner.cell.weight_ih").shape == (12, 4)
    assert tagger.get_parameter("weight") is tagger.weight
    assert tagger.get_buffer("inner.mean") is tagger.inner.mean
    for call, name, text in [
        (tagger.get_submodule, "inner.nope", "Inner has no attribute `nope`"),
        (tagger.get_submodule, "weight", "`weight` is not an nn.Module"),
        (tagger.get_parameter, "lstm.nope", "LSTM has no attribute `nope`"),
        (tagger.get_parameter, "table", "`table` is not an nn.Parameter"),
        (tagger.get_parameter, "inner.mean", "`mean` is not an nn.Parameter"),
        (tagger.get_buffer, "weight", "`weight` is not a buffer"),
    ]:
        with pytest.raises(AttributeError, match=f"^{text}$"):
            call(name)


def test_modes_and_apply_reach_every_module(tagger):
    assert tagger.eval() is tagger
    assert not any(module.training for module in tagger.modules())
    tagger.inner.train()
    assert [m.training for m in tagger.modules()] == [False, False, True, True]
    order = []
    tagger.apply(lambda module: order.append(type(module).__name__))
    assert order == ["LSTM", "LSTMCell", "Inner", "Tagger"]


def test_conversion_reaches_floats_and_leaves_whole_numbers(tagger):
    tagger.register_buffer("steps", np.zeros(2, np.int32))
    table = tagger.table
    assert tagger.double() is tagger
    dtypes = {name: array.dtype.name for name, array in tagger.state_dict().items()}
    assert dtypes.pop("steps") == "int32"
    assert set(dtypes.values()) == {"float64"}
    assert tagger.table is table
    assert tagger(np.ones((2, 1, 4))).dtype == np.float64
    tagger.to(np.zeros(1, np.float32))
    assert tagger.lstm.weight_ih_l0.dtype == tagger.weight.dtype == np.float32
    for wrong in (tagger.half, tagger.bfloat16, tagger.cuda):
        with pytest.raises((TypeError, RuntimeError)):
            wrong()


def test_calls_go_through_forward(tagger):
    assert tagger(np.ones((7, 2, 4))).shape == (7, 2, 5)
    assert tagger.inner(np.ones((2, 4)))[0].shape == (2, 3)
    text = r'^Module \[Module\] is missing the required "forward" function$'
    with pytest.raises(NotImplementedError, match=text):
        nn.Module()(1)


def test_a_module_in_two_places_is_one_module(tagger):
    tagger.again = tagger.lstm
    assert [n for n, _ in tagger.named_modules()] == ["", "lstm", "inner", "inner.cell"]
    assert "again" in dict(tagger.named_modules(remove_duplicate=False))
    assert [n for n, _ in tagger.named_children()] == ["lstm", "inner"]
    assert len(list(tagger.parameters())) == 11
    assert len(list(tagger.named_parameters(remove_duplicate=False))) == 19
    assert "again.weight_ih_l0" in tagger.state_dict()


# ---------------------------------------------------------------------------- attributes


def test_registered_arrays_are_attributes(tagger):
    array = np.ones((2, 2))
    tagger.register_parameter("w", array)
    assert tagger.w is array and "w" in tagger.state_dict() and "w" in dir(tagger)
    other = np.zeros((3,))
    tagger.w = other
    assert tagger.w is other
    tagger.w = None
    assert tagger.w is None and "w" not in tagger.state_dict()
    del tagger.w
    assert not hasattr(tagger, "w")


def test_plain_arrays_stay_plain(tagger):
    assert "table" not in tagger.state_dict()
    tagger.table = np.ones(4)
    assert tagger.table.shape == (4,) and "table" not in dict(tagger.named_parameters())


def test_buffers_can_be_replaced_and_deleted(tagger):
    inner = tagger.inner
    inner.mean = np.ones(2)
    assert dict(inner.named_buffers())["mean"].shape == (2,)
    inner.scratch = np.ones(1)
    assert "scratch" not in inner.state_dict()
    del inner.scratch
    inner.register_buffer("scratch", np.ones(1))
    assert "scratch" in inner.state_dict()


def test_children_can_be_replaced_emptied_and_deleted(tagger):
    tagger.inner = nn.LSTM(1, 1)
    assert repr(tagger).endswith("(inner): LSTM(1, 1)\n)")
    tagger.inner = None
    assert tagger.inner is None and "inner" not in dict(tagger.named_modules())
    assert repr(tagger).endswith("(inner): None\n)")
    del tagger.inner
    assert not hasattr(tagger, "inner")
    tagger.table = nn.LSTM(1, 1)
    assert "table.weight_ih_l0" in tagger.state_dict()
    tagger.add_module("more", nn.LSTM(1, 1))
    tagger.register_module("most", None)
    assert "more" in dict(tagger.named_children())


@pytest.mark.parametrize(
    "act, error, text",
    [
        (
            lambda t: setattr(t, "inner", 5),
            TypeError,
            "cannot assign 'int' as child module 'inner'",
        ),
        (
            lambda t: setattr(t, "weight", 5),
            TypeError,
            r"cannot assign 'int' as parameter 'weight' \(torch.nn.Parameter or None expected\)",
        ),
        (
            lambda t: setattr(t.inner, "mean", "x"),
            TypeError,
            r"cannot assign 'str' as buffer 'mean' \(torch.nn.Buffer, torch.Tensor or None exp",
        ),
        (lambda t: t.add_module("a.b", t), KeyError, "module name can\\\\'t contain"),
        (lambda t: t.add_module("", t), KeyError, "module name can\\\\'t be empty string"),
        (lambda t: t.add_module(5, t), TypeError, "module name should be a string. Got int"),
        (lambda t: t.add_module("x", 5), TypeError, "^int is not a Module subclass"),
        (lambda t: t.add_module("table", t), KeyError, "attribute 'table' already exists"),
        (lambda t: t.register_parameter("a.b", None), KeyError, "parameter name can"),
        (lambda t: t.register_parameter("", None), KeyError, "can\\\\'t be empty string"),
        (lambda t: t.register_parameter(5, None), TypeError, "should be a string. Got int"),
        (lambda t: t.register_parameter("table", None), KeyError, "'table' already exists"),
        (
            lambda t: t.register_parameter("x", [1.0]),
            TypeError,
            r"cannot assign 'list' object to parameter 'x' \(torch.nn.Parameter or None required",
        ),
        (lambda t: t.register_parameter("x", np.array("a")), TypeError, "to parameter 'x'"),
        (lambda t: t.register_buffer("a.b", None), KeyError, "buffer name can"),
        (lambda t: t.register_buffer(5, None), TypeError, "should be a string. Got int"),
        (lambda t: t.register_buffer("lstm", None), KeyError, "'lstm' already exists"),
        (
            lambda t: t.register_buffer("x", 5),
            TypeError,
            r"cannot assign 'int' object to buffer 'x' \(torch Tensor or None required\)",
        ),
        (lambda t: delattr(t, "nope"), AttributeError, "'Tagger' object has no attribute 'nope'"),
        (lambda t: t.nope, AttributeError, "^'Tagger' object has no attribute 'nope'$"),
    ],
)
def test_mistakes(tagger, act, error, text):
    names = list(tagger.state_dict())
    with pytest.raises(error, match=text):
        act(tagger)
    assert list(tagger.state_dict()) == names


@pytest.mark.parametrize(
    "act, text",
    [
        (lambda m: setattr(m, "a", nn.LSTM(1, 1)), "cannot assign module before Module.__init__"),
        (lambda m: m.register_buffer("b", None), "cannot assign buffer before Module.__init__"),
        (lambda m: m.register_parameter("b", None), "cannot assign parameter before Module.__init"),
    ],
)
def test_nothing_is_registered_before_init(act, text):
    class Early(nn.Module):
        def __init__(self):
            self.plain = 5  # allowed, as in torch
            act(self)

    with pytest.raises(AttributeError, match=text):
        Early()


@pytest.mark.parametrize("convert", [nn.Module.double, lambda m: m.to(np.float64)])
def test_a_conversion_that_does_not_fit_into_memory_changes_nothing(convert):
    tagger = Tagger()
    tagger.inner.register_buffer("huge", np.broadcast_to(np.float32(0), (2**45,)))
    tagger.register_buffer("vast", np.broadcast_to(np.float32(0), (2**46,)))
    before = {name: value.dtype for name, value in tagger.state_dict().items()}
    x = np.ones((2, 1, 4), np.float32)
    output = tagger.lstm(x)[0]
    with pytest.raises(MemoryError):
        convert(tagger)
    assert {name: value.dtype for name, value in tagger.state_dict().items()} == before
    assert tagger.lstm(x)[0].tobytes() == output.tobytes()
    del tagger.inner.huge, tagger.vast
    convert(tagger)
    assert {str(value.dtype) for value in tagger.state_dict().values()} == {"float64"}


def test_modules_with_a_constructor_of_their_own_are_converted():
    class Odd(nn.LSTM):
        def __new__(cls, needed):
            return super().__new__(cls)

        def __init__(self, needed):
            super().__init__(needed, 3)

        def __del__(self, names=[]):  # noqa: B006
            names.append(self._native_names)  # an object without parameters would raise

    odd = Odd(4)
    assert odd.double().weight_ih_l0.dtype == np.float64
    odd.load_state_dict({k: v.astype(np.float32) for k, v in odd.state_dict().items()}, assign=True)
    assert odd.weight_ih_l0.dtype == np.float32
