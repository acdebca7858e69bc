"""LSTM and LSTMCell have the members of torch's modules, with their rules."""

import copy
import functools
import gc
import importlib
import io
import pickle
import pkgutil
import re
import subprocess
import sys
import weakref
from array import array as number_array
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from support import assert_same_bits

import pylstm
from pylstm import LSTM, LSTMCell, Module

X = np.random.default_rng(0).standard_normal((5, 2, 4))


@pytest.fixture
def lstm():
    return LSTM(4, 3, 2, bidirectional=True)


# ---------------------------------------------------------------------------- package


def test_errors_name_methods_by_the_public_class():
    module = pylstm.Module()
    for call in (module.load_state_dict, module.float, module.register_parameter):
        with pytest.raises(TypeError, match=rf"^Module\.{call.__name__}\(\) "):
            call(1, 2, 3, 4, 5, 6)
    for name in ("eval", "to", "state_dict", "register_buffer", "register_forward_hook"):
        method = getattr(pylstm.Module, name)
        assert pickle.loads(pickle.dumps(method)) is method


def test_public_names():
    assert pylstm.__version__ == "0.1.0"
    for name in pylstm.__all__:
        assert hasattr(pylstm, name)
    assert isinstance(LSTM(1, 1), Module) and isinstance(LSTMCell(1, 1), Module)
    assert pylstm.utils.rnn.pack_sequence
    assert {*pylstm.__all__} <= {*dir(pylstm)}
    with pytest.raises(AttributeError, match=r"^module 'pylstm' has no attribute 'nope'$"):
        _ = pylstm.nope


@pytest.mark.parametrize("name", ["Transformer", "Conv3d", "Conv2d", "PReLU"])
def test_what_torch_has_and_pylstm_has_not_is_hinted_at(name):
    with pytest.raises(AttributeError, match=rf"'{name}': torch\.nn has it, and pylstm.* LSTM, "):
        getattr(pylstm, name)
    assert not hasattr(pylstm, name)


@pytest.mark.parametrize(
    "name", ["pylstm", "pylstm.plot", "pylstm.utils", "pylstm.utils.rnn", "pylstm.files"]
)
def test_dir_shows_what_is_public(name):
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
        if not module.name.startswith("_"):  # each becomes an attribute, as after some use
            importlib.import_module(f"{name}.{module.name}")
    shown = [each for each in dir(package) if not each.startswith("__")]
    assert shown == sorted({*package.__all__} - {"__version__"})
    assert all(hasattr(package, each) for each in shown)


def test_import_is_light():
    code = (
        "import numpy, sys; before = set(sys.modules); import pylstm; "
        "print(*sorted(name for name in set(sys.modules) - before if '.' not in name))"
    )
    command = [sys.executable, "-c", code]
    new = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "pylstm" in new
    assert not {"torch", "dataclasses", "inspect", "argparse", "html", "zipfile"} & set(new)


def test_show_config_says_what_is_in_use():
    lstm = LSTM(2, 3)
    held = lstm.weight_ih_l0
    with redirect_stdout(io.StringIO()) as out:
        pylstm.show_config(lstm)
    text = out.getvalue()
    for word in (pylstm.__version__, np.__version__, "SIMD", "compiler", "portable", "LSTM(2, 3)"):
        assert word in text
    assert "leases:         1 " in text
    del held
    with redirect_stdout(io.StringIO()) as out:
        pylstm.show_config()
    assert "leases" not in out.getvalue()


def config_lines():
    with redirect_stdout(io.StringIO()) as out:
        pylstm.show_config()
    return dict(re.split(r": +", line, maxsplit=1) for line in out.getvalue().splitlines())


def test_show_config_says_where_the_package_is(tmp_path):
    lines = config_lines()
    assert lines["package"] == str(Path(pylstm.__file__).parent)
    assert lines["compiled part"] == pylstm._core.__file__
    assert Path(lines["package"]).is_absolute() and Path(lines["compiled part"]).is_absolute()
    assert lines["NumPy"] == np.__version__
    command = [sys.executable, "-m", "pylstm", "info"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert f"\npackage:        {lines['package']}\n" in result.stdout


@pytest.mark.parametrize("folder", ["größe 中", "a\x1b[2Jb", "a\nb", "a\udcffb"])
def test_no_path_steers_a_terminal(folder, monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("pylstm.runtime.config"),
        "__file__",
        f"/{folder}/pylstm/runtime/config.py",
    )
    monkeypatch.setattr(pylstm._core, "__file__", f"/{folder}/pylstm/_core.so")
    lines = config_lines()
    for name in ("package", "compiled part"):
        assert lines[name].isprintable() and "pylstm" in lines[name]
        assert (folder in lines[name]) == folder.isprintable()


# ---------------------------------------------------------------------------- modes


def test_train_and_eval(lstm):
    assert lstm.training is True
    assert lstm.eval() is lstm and lstm.training is False
    assert lstm.train() is lstm and lstm.training is True
    assert lstm.train(False).training is False
    for mode in (1, 0, None, "yes", np.True_):
        with pytest.raises(ValueError, match=r"^training mode is expected to be boolean$"):
            lstm.train(mode)
    assert lstm.training is False


def test_batch_first_and_dropout_are_live():
    lstm = LSTM(4, 3, 2)
    expected = lstm(X)[0]
    lstm.batch_first = True
    assert np.array_equal(lstm(X.swapaxes(0, 1))[0], expected.swapaxes(0, 1))
    assert repr(lstm) == "LSTM(4, 3, num_layers=2, batch_first=True)"
    lstm.batch_first = False
    lstm.dropout = 1
    assert lstm.dropout == 1.0 and type(lstm.dropout) is float
    assert not np.array_equal(lstm(X)[0], expected)
    lstm.eval()
    assert np.array_equal(lstm(X)[0], expected)
    with pytest.raises(ValueError):
        lstm.dropout = 1.5
    assert lstm.dropout == 1.0


# ---------------------------------------------------------------------------- attributes


@pytest.mark.parametrize(
    "name", ["input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size"]
)
def test_structure_is_read_only(lstm, name):
    before = getattr(lstm, name)
    with pytest.raises(AttributeError, match=f"attribute '{name}' cannot be changed"):
        setattr(lstm, name, 5)
    with pytest.raises(AttributeError, match=f"attribute '{name}' cannot be deleted"):
        delattr(lstm, name)
    assert getattr(lstm, name) is before


def test_other_attributes_are_free(lstm):
    lstm.note = "kept"
    assert lstm.note == "kept"
    del lstm.note
    with pytest.raises(AttributeError, match=r"^'LSTM' object has no attribute 'note'$"):
        _ = lstm.note
    with pytest.raises(AttributeError, match="'LSTM' object has no attribute 'note'"):
        del lstm.note


def test_dir_lists_everything(lstm):
    names = dir(lstm)
    assert names == sorted(names)
    assert {"weight_ih_l0", "bias_hh_l1_reverse", "training", "hidden_size", "forward"} <= {*names}


# ---------------------------------------------------------------------------- parameters


def test_parameters_share_the_memory_of_the_module(lstm):
    before = lstm(X)[0]
    lstm.weight_ih_l0[...] = 0
    changed = lstm(X)[0]
    assert not np.array_equal(changed, before)
    assert np.shares_memory(lstm.weight_ih_l0, lstm.state_dict()["weight_ih_l0"])
    held = lstm.weight_hh_l1
    for value in (0.5, 0.25):
        np.copyto(held, value)
        assert not np.array_equal(lstm(X)[0], changed)
        changed = lstm(X)[0]


def test_assigning_a_parameter_copies(lstm):
    lstm.bias_ih_l0 = number_array("d", range(12))
    assert np.array_equal(lstm.bias_ih_l0, np.arange(12))
    for value in (np.full((12, 4), 0.5), np.full((12, 4), 0.5).tolist(), np.full((12, 4), 1, int)):
        lstm.weight_ih_l0 = value
        assert np.array_equal(lstm.weight_ih_l0, value)
        assert lstm.weight_ih_l0.dtype == np.float32
    source = np.full((12, 4), 0.125, np.float32)
    lstm.weight_ih_l0 = source
    source[...] = 7
    assert np.all(lstm.weight_ih_l0 == 0.125)
    lstm.weight_ih_l0 = source[::-1, ::-1]
    assert np.all(lstm.weight_ih_l0 == 7)


def test_assigning_a_view_of_itself(lstm):
    before = lstm.bias_ih_l0.copy()
    lstm.bias_ih_l0 += 1
    assert np.array_equal(lstm.bias_ih_l0, before + 1)
    square = LSTMCell(12, 3)
    expected = square.weight_ih.T.copy()
    square.weight_ih = square.weight_ih.T
    assert np.array_equal(square.weight_ih, expected)
    expected = lstm.weight_hh_l0[::-1].copy()
    lstm.weight_hh_l0 = lstm.weight_hh_l0[::-1]
    assert np.array_equal(lstm.weight_hh_l0, expected)


@pytest.mark.parametrize(
    "value, error, text",
    [
        (np.zeros((12, 5)), ValueError, r"\(12, 5\) to parameter 'weight_ih_l0': its shape is"),
        (np.zeros(48), ValueError, r"its shape is \(12, 4\)"),
        ([], ValueError, r"its shape is \(12, 4\)"),
        (5, TypeError, "cannot assign 'int' as parameter 'weight_ih_l0' "),
        (None, TypeError, "cannot assign 'NoneType' as parameter 'weight_ih_l0' "),
        ("abc", TypeError, "cannot assign 'str' as parameter 'weight_ih_l0' "),
        (LSTM(1, 1), TypeError, "cannot assign 'pylstm.LSTM' as parameter"),
        (np.zeros((12, 4), complex), TypeError, "weight_ih_l0"),
        (np.ma.zeros((12, 4)), TypeError, "weight_ih_l0"),
    ],
)
def test_assignments_that_are_refused(lstm, value, error, text):
    before = lstm.weight_ih_l0.copy()
    with pytest.raises(error, match=text):
        lstm.weight_ih_l0 = value
    assert np.array_equal(lstm.weight_ih_l0, before)


def test_parameters_cannot_be_deleted_or_registered_again(lstm):
    with pytest.raises(AttributeError, match="parameter 'weight_ih_l0' cannot be deleted"):
        del lstm.weight_ih_l0
    with pytest.raises(KeyError, match="attribute 'weight_ih_l0' already exists"):
        lstm.register_parameter("weight_ih_l0", np.zeros((12, 4)))
    with pytest.raises(KeyError, match="attribute 'weight_ih_l0' already exists"):
        lstm.register_buffer("weight_ih_l0", np.zeros((12, 4)))
    with pytest.raises(KeyError, match="attribute 'weight_ih_l0' already exists"):
        lstm.add_module("weight_ih_l0", LSTM(1, 1))
    assert lstm.weight_ih_l0.shape == (12, 4)


def test_leases_are_counted_while_somebody_holds_an_array(lstm):
    assert lstm._native_leases == 0
    held = [lstm.weight_ih_l0, lstm.bias_hh_l1[2:]]
    assert lstm._native_leases == 2
    lstm.state_dict()
    repr(lstm), lstm._repr_html_(), dir(lstm), list(lstm.named_buffers())
    assert lstm._native_leases == 2
    held.clear()
    gc.collect()
    assert lstm._native_leases == 0


def test_parameters_in_lists(lstm):
    names = [name for name, _ in lstm.named_parameters()]
    assert lstm._flat_weights_names == names
    assert [n for group in lstm._all_weights for n in group] == names
    assert lstm._all_weights[1] == [
        "weight_ih_l0_reverse",
        "weight_hh_l0_reverse",
        "bias_ih_l0_reverse",
        "bias_hh_l0_reverse",
    ]
    assert len(lstm.all_weights) == 4
    for group, group_names in zip(lstm.all_weights, lstm._all_weights, strict=True):
        for weight, name in zip(group, group_names, strict=True):
            assert np.shares_memory(weight, getattr(lstm, name))
    assert [weight.shape for weight in lstm._flat_weights] == [p.shape for p in lstm.parameters()]
    for name in ("all_weights", "_flat_weights", "_flat_weights_names", "_all_weights"):
        with pytest.raises(AttributeError):
            setattr(lstm, name, [])


def test_iteration_over_a_single_module(lstm):
    names = [name for name, _ in lstm.named_parameters(prefix="rnn")]
    assert names[0] == "rnn.weight_ih_l0" and len(names) == 16
    assert sum(array.size for array in lstm.parameters()) == 480
    assert list(lstm.modules()) == [lstm]
    assert list(lstm.named_modules()) == [("", lstm)]
    assert list(lstm.children()) == list(lstm.named_children()) == []
    assert list(lstm.buffers()) == list(lstm.named_buffers()) == []


def test_access_by_name(lstm):
    assert np.shares_memory(lstm.get_parameter("weight_ih_l0"), lstm.weight_ih_l0)
    assert lstm.get_submodule("") is lstm
    for call, argument, text in [
        (lstm.get_parameter, "nope", "LSTM has no attribute `nope`"),
        (lstm.get_parameter, "a.b", "LSTM has no attribute `a`"),
        (lstm.get_parameter, "hidden_size", "`hidden_size` is not an nn.Parameter"),
        (lstm.get_submodule, "hidden_size", "`hidden_size` is not an nn.Module"),
        (lstm.get_buffer, "nope", "LSTM has no attribute `nope`"),
        (lstm.get_buffer, "hidden_size", "`hidden_size` is not a buffer"),
    ]:
        with pytest.raises(AttributeError, match=f"^{text}$"):
            call(argument)


def test_what_exists_for_ported_code(lstm):
    assert lstm.requires_grad_() is lstm
    assert lstm.requires_grad_(False) is lstm
    with pytest.raises(TypeError, match=r"argument 'requires_grad' \(position 1\) must be bool"):
        lstm.requires_grad_(5)
    assert lstm.zero_grad() is None and lstm.zero_grad(set_to_none=False) is None
    before = lstm(X)[0]
    assert lstm.flatten_parameters() is None
    assert np.array_equal(lstm(X)[0], before)
    seen = []
    assert lstm.apply(seen.append) is lstm and seen == [lstm]


# ---------------------------------------------------------------------------- conversion


@pytest.mark.parametrize(
    "convert",
    [
        lambda m: m.double(),
        lambda m: m.to(np.float64),
        lambda m: m.to("float64"),
        lambda m: m.to(float),
        lambda m: m.to("cpu", np.float64),
        lambda m: m.to("cpu", np.float64, False),
        lambda m: m.to(device="cpu", dtype="f8", non_blocking=True),
        lambda m: m.to(np.zeros(2)),
        lambda m: m.to(np.float64(2)),
        lambda m: m.type(np.float64),
        lambda m: m.type("torch.DoubleTensor"),
    ],
)
def test_conversion_to_float64_keeps_the_values(lstm, convert):
    before = {name: array.copy() for name, array in lstm.named_parameters()}
    assert convert(lstm) is lstm
    for name, array in lstm.named_parameters():
        assert array.dtype == np.float64
        assert np.array_equal(array, before[name])
    assert lstm(X)[0].dtype == np.float64
    assert lstm.float() is lstm and lstm(X)[0].dtype == np.float32
    for name, array in lstm.named_parameters():
        assert np.array_equal(array, before[name])


def test_conversion_leaves_exported_arrays_alone(lstm):
    held = lstm.weight_ih_l0
    lstm.double()
    assert held.dtype == np.float32
    held[...] = 99
    assert not np.any(lstm.weight_ih_l0 == 99)


def test_conversions_that_change_nothing(lstm):
    held = lstm.weight_ih_l0
    for module in (lstm.to(), lstm.to(None), lstm.to("cpu"), lstm.cpu(), lstm.float()):
        assert module is lstm
        assert np.shares_memory(held, lstm.weight_ih_l0)


@pytest.mark.parametrize(
    "convert, error, text",
    [
        (lambda m: m.to("cuda"), RuntimeError, "device 'cuda' is not offered"),
        (lambda m: m.to(0), RuntimeError, "is not offered: pylstm computes on the CPU"),
        (lambda m: m.cuda(), RuntimeError, "device 'cuda' is not offered"),
        (lambda m: m.cuda(1), RuntimeError, "device 'cuda:1' is not offered"),
        (lambda m: m.to("nonsense"), RuntimeError, "Invalid device string: 'nonsense'"),
        (
            lambda m: m.to(np.int32),
            TypeError,
            "nn.Module.to only accepts floating point or complex dtypes, but got desired "
            "dtype=int32",
        ),
        (lambda m: m.to(np.zeros(2, int)), TypeError, "nn.Module.to only accepts floating point"),
        (lambda m: m.to(np.float16), TypeError, "dtype float16 is not offered"),
        (lambda m: m.to(complex), TypeError, "dtype complex128 is not offered"),
        (lambda m: m.to(foo=1), TypeError, r"invalid combination of arguments - got \(foo=int"),
        (lambda m: m.to(np.float64, "cpu"), TypeError, "invalid combination of arguments"),
        (lambda m: m.half(), TypeError, "pylstm computes in float32 or float64"),
        (lambda m: m.bfloat16(), TypeError, "pylstm computes in float32 or float64"),
        (lambda m: m.type("x"), ValueError, "invalid type: 'x'"),
        (lambda m: m.type(int), RuntimeError, "must be floating point or complex dtype"),
    ],
)
def test_conversions_that_are_refused(lstm, convert, error, text):
    with pytest.raises(error, match=text):
        convert(lstm)
    assert lstm.weight_ih_l0.dtype == np.float32


# ---------------------------------------------------------------------------- subclasses


class Scaled(LSTM):
    """A subclass with an __init__ of its own, more attributes and another forward."""

    def __init__(self, size, factor):
        super().__init__(4, size, batch_first=True)
        self.factor = factor
        self.head = LSTMCell(1, 1)

    def forward(self, input, hx=None):
        output, states = super().forward(input, hx)
        return self.factor * output, states


def test_an_overridden_forward_is_honoured():
    scaled = Scaled(3, 2.0)
    plain = LSTM(4, 3, batch_first=True)
    plain.load_state_dict({k: v for k, v in scaled.state_dict().items() if "head" not in k})
    assert np.array_equal(scaled(X)[0], 2 * plain(X)[0])
    assert repr(scaled) == ("Scaled(\n  4, 3, batch_first=True\n  (head): LSTMCell(1, 1)\n)")
    assert list(scaled.state_dict())[-2:] == ["head.bias_ih", "head.bias_hh"]


def test_a_forward_of_the_instance_is_honoured(lstm):
    lstm.forward = lambda input, hx=None: "mine"
    assert lstm(X) == "mine"
    del lstm.forward
    assert lstm(X)[0].shape == (5, 2, 6)


def test_an_overridden_call_is_honoured():
    class Logged(LSTM):
        def __call__(self, *args):
            return "logged", super().__call__(*args)

    assert Logged(4, 3)(X)[0] == "logged"


@pytest.mark.parametrize("kind", [LSTM, LSTMCell])
def test_every_way_to_call(kind):
    """From C with a vector of arguments, with a tuple and a dict, and through forward()."""
    module, x = kind(4, 3), X if kind is LSTM else X[0]
    hx = module(x)[1] if kind is LSTM else module(x)
    positional, keywords = (x, hx), {"hx": hx, "input": x}
    expected = module(x, hx)
    ways = [
        lambda: module(x, hx=hx),
        lambda: module(hx=hx, input=x),
        lambda: module(*positional),
        lambda: module(**keywords),
        lambda: type(module).__call__(module, x, hx=hx),
        lambda: module.forward(x, hx=hx),
        lambda: functools.partial(module, hx=hx)(x),
        lambda: next(map(module, [x], [hx])),
    ]
    for way in ways:
        assert_same_bits(way(), expected)
    name = f"{kind.__name__}.forward"
    for wrong, text in [
        (lambda: module(x, input=x), "multiple values for argument 'input'"),
        (lambda: module(x, hx, hx=hx), "multiple values for argument 'hx'"),
        (lambda: module(x, hx, 1), "takes from 2 to 3 positional arguments but 4 were given"),
        (lambda: module(hx=hx), "missing 1 required positional argument: 'input'"),
        (lambda: module(x, states=hx), "unexpected keyword argument 'states'"),
        (lambda: module.forward(x, states=hx), "unexpected keyword argument 'states'"),
        (lambda: type(module).__call__(module, x, states=hx), "keyword argument 'states'"),
    ]:
        with pytest.raises(TypeError, match=re.escape(f"{name}() ") + ".*" + re.escape(text)):
            wrong()


def test_a_call_that_the_class_gets_later_is_honoured():
    class Later(LSTM):
        pass

    module = Later(4, 3)
    module(X)
    Later.__call__ = lambda self, *args, **kwargs: (args, kwargs)
    assert module(1, 2, hx=3) == ((1, 2), {"hx": 3})
    del Later.__call__
    assert module(X)[0].shape == (5, 2, 3)


def test_an_object_is_called_as_its_class_is():
    class Other(LSTM):
        def __call__(self, input, hx=None):
            return "other"

    class Here(LSTM):
        pass

    module = Here(4, 3)
    module(X)
    module.__class__ = Other
    assert module(X, hx=None) == "other"


def test_a_class_of_the_bare_base_is_called_as_python_calls_it():
    # The C type below LSTM and LSTMCell cannot be called: it has no place for a vectorcall function.
    class Own(pylstm._core.Layer):
        def __call__(self, *args, **kwargs):
            return args, kwargs

    class Plain(pylstm._core.Layer):
        pass

    assert Own()(1, hx=2) == ((1,), {"hx": 2})
    with pytest.raises(TypeError, match="not callable"):
        Plain()(1)


def test_overridden_reset_parameters_is_used_at_construction():
    class Zero(LSTM):
        def reset_parameters(self):
            for array in self.parameters():
                array[...] = 0

    assert not np.any(Zero(2, 3).weight_ih_l0)


def test_attributes_before_init_as_torch_allows():
    class Early(LSTM):
        def __init__(self):
            self.hidden_size = 7  # overwritten below
            self.early = 1
            super().__init__(2, 3)

    early = Early()
    assert early.hidden_size == 3 and early.early == 1


def test_the_direct_way_is_taken_where_nothing_asks_for_another(lstm):
    class Plain(LSTM):
        pass

    assert lstm._native_direct and Plain(2, 3)._native_direct and LSTMCell(2, 3)._native_direct
    assert not Scaled(3, 1.0)._native_direct
    lstm.__class__ = Plain
    assert lstm._native_direct


def test_modules_can_be_weakly_referenced_and_hashed(lstm):
    reference = weakref.ref(lstm)
    assert reference() is lstm
    assert {lstm: 1}[lstm] == 1
    cell = LSTMCell(1, 1)
    reference = weakref.ref(cell)
    cell.self = cell
    del cell
    gc.collect()
    assert reference() is None


# ---------------------------------------------------------------------------- notebooks


def test_repr_html_is_a_small_escaped_table(lstm):
    lstm.register_parameter("evil", np.zeros((2,)))
    lstm._parameters["<script>&"] = lstm._parameters.pop("evil")
    text = lstm._repr_html_()
    assert text.count("<tr>") == 1 + 16 + 1 + 1
    assert "<script>" not in text and "&lt;script&gt;&amp;" in text
    assert "12 × 4" in text and "float32" in text and "float64" in text
    total = sum(p.nbytes for p in lstm.state_dict().values())
    assert f'<th style="text-align:left">{total:,}</th>' in text
    assert f"kernels: {pylstm._core.simd_level()}, float32; leases: 0<" in text
    assert "writable" not in text
    held = lstm.weight_ih_l0
    assert "leases: 1 (1 writable parameter array is held outside" in lstm._repr_html_()
    del held
    assert "leases: 0<" in lstm._repr_html_()
    assert "LSTM" in LSTM.__new__(LSTM)._repr_html_()


# Private names of this library once, and of attributes and methods of users' subclasses.
THEIRS = (
    "_weights", "_dtype", "_leases", "_mode", "_direct", "_options", "_structure", "_kind",
    "_stored", "_share", "_assign", "_convert", "_parameter", "_parameter_names", "_held", "_cast",
    "_apart", "_converted", "_build", "_reset_parameters", "_scale", "_storage", "_state", "_hidden",
)  # fmt: skip


@pytest.mark.parametrize("how", ["attribute", "method"])
@pytest.mark.parametrize("cls", [pylstm.LSTM, pylstm.GRUCell, pylstm.RNNCell])
@pytest.mark.parametrize("name", THEIRS)
def test_a_subclass_may_have_private_names_of_its_own(name, cls, how):
    class Mine(cls):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            if how == "attribute":
                setattr(self, name, [1, 2])

    if how == "method":
        setattr(Mine, name, lambda self: [1, 2])

    def own(module):
        return getattr(module, name)() if how == "method" else getattr(module, name)

    pylstm.manual_seed(0)
    module = Mine(4, 3)
    pylstm.manual_seed(0)
    plain = cls(4, 3)
    assert_same_bits(tuple(module.parameters()), tuple(plain.parameters()))
    x = X if cls is pylstm.LSTM else X[0]
    options = {"nonlinearity": "tanh"} if cls is pylstm.RNNCell else {}
    made = {
        "itself": module,
        "loaded": Mine.from_weights(plain.state_dict(), **options),
        "copied": pylstm.compress(module, "int8"),
        "shared": copy.copy(module),
    }
    made["widened"] = copy.deepcopy(made["copied"]).float()
    for each in made.values():
        assert own(each) == [1, 2]
        assert each.load_state_dict(each.state_dict()) == ([], [])
        each(x)
        assert repr(each).startswith("Mine(4, 3") and each._repr_html_()
    assert made["copied"].weights == "int8" and made["widened"].weights is None
    assert np.asarray(made["loaded"].double()(x)[0]).dtype == np.float64
    assert own(made["loaded"]) == [1, 2]
    module.reset_parameters()
