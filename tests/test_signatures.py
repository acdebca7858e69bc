"""What `inspect.signature` shows is what torch's documentation shows: names, order, defaults."""

import inspect
import sys

import pytest
from test_project_rules import ROOT, run

import pylstm
from pylstm.utils import rnn

SIGNATURES = {
    pylstm.LSTM: "(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, "
    "dropout=0.0, bidirectional=False, proj_size=0, device=None, dtype=None, *, peepholes=False, "
    "gate_activation='sigmoid', activation='tanh', cell_clip=None, reverse=False)",
    pylstm.GRU: "(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, "
    "dropout=0.0, bidirectional=False, device=None, dtype=None, *, reset_after=True, "
    "gate_activation='sigmoid', activation='tanh', reverse=False)",
    pylstm.RNN: "(input_size, hidden_size, num_layers=1, nonlinearity='tanh', bias=True, "
    "batch_first=False, dropout=0.0, bidirectional=False, device=None, dtype=None, *, "
    "reverse=False)",
    pylstm.LSTMCell: "(input_size, hidden_size, bias=True, device=None, dtype=None, *, "
    "peepholes=False, gate_activation='sigmoid', activation='tanh', cell_clip=None)",
    pylstm.GRUCell: "(input_size, hidden_size, bias=True, device=None, dtype=None, *, "
    "reset_after=True, gate_activation='sigmoid', activation='tanh')",
    pylstm.RNNCell: "(input_size, hidden_size, bias=True, nonlinearity='tanh', device=None, "
    "dtype=None)",
    pylstm.LSTM.forward: "(self, /, input, hx=None, *, lengths=None, reset=None, out=None)",
    pylstm.LSTMCell.forward: "(self, /, input, hx=None, *, out=None)",
    pylstm.LSTM.stream: "(self, batch=1, hx=None)",
    pylstm.Stream: "(module, batch=1, hx=None)",
    pylstm.Stream.__call__: "(self, /, input, *, rows=None, out=None)",
    pylstm.Stream.reset: "(self, /, rows=None)",
    pylstm.Stream.fork: "(self, /)",
    pylstm.Stream.select: "(self, /, rows)",
    pylstm.Stream.join: "(self, /, n)",
    pylstm.Stream.leave: "(self, /, rows)",
    rnn.PackedSequence: "(data, batch_sizes=None, sorted_indices=None, unsorted_indices=None)",
    rnn.invert_permutation: "(permutation)",
    rnn.pack_padded_sequence: "(input, lengths, batch_first=False, enforce_sorted=True)",
    rnn.pad_packed_sequence: "(sequence, batch_first=False, padding_value=0.0, total_length=None)",
    rnn.pad_sequence: "(sequences, batch_first=False, padding_value=0.0, padding_side='right')",
    rnn.unpad_sequence: "(padded_sequences, lengths, batch_first=False)",
    rnn.pack_sequence: "(sequences, enforce_sorted=True)",
    rnn.unpack_sequence: "(packed_sequences)",
    pylstm.Module.state_dict: "(self, *args, destination=None, prefix='', keep_vars=False)",
    pylstm.Module.load_state_dict: "(self, state_dict, strict=True, assign=False)",
    pylstm.Module.register_forward_hook: "(self, hook, *, prepend=False, with_kwargs=False, "
    "always_call=False)",
    pylstm.Module.register_forward_pre_hook: "(self, hook, *, prepend=False, with_kwargs=False)",
    pylstm.LSTM.from_weights: "(source, prefix=None, **options)",
    pylstm.LSTMCell.from_weights: "(source, prefix=None, **options)",
    pylstm.find_lstms: "(source)",
    pylstm.load: "(source, mmap=False, *, flat=False, prefix='')",
    pylstm.save: "(mapping, path)",
    pylstm.manual_seed: "(seed)",
    pylstm.set_rng_state: "(new_state)",
}


def without_types(function):
    signature = inspect.signature(function)
    empty = inspect.Parameter.empty
    bare = [p.replace(annotation=empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize(("function", "expected"), SIGNATURES.items(), ids=lambda v: str(v)[:60])
def test_signature(function, expected):
    assert without_types(function) == expected


def test_the_eight_utilities_are_all_here():
    assert set(rnn.__all__) <= {function.__name__ for function in SIGNATURES}
    assert len(rnn.__all__) == 8


MODULES = [
    *(pylstm.LSTM(2, 3), pylstm.GRU(2, 3), pylstm.RNN(2, 3)),
    *(pylstm.LSTMCell(2, 3), pylstm.GRUCell(2, 3), pylstm.RNNCell(2, 3)),
]


def shown(module):
    """Return the signature of a call."""
    only_layers = "" if "Cell" in type(module).__name__ else "lengths=None, reset=None, "
    return f"(input, hx=None, *, {only_layers}out=None)"


@pytest.mark.parametrize("module", MODULES, ids=repr)
def test_bound_methods_and_subclasses(module):
    assert without_types(module.forward) == shown(module)

    class Derived(type(module)):
        pass

    assert without_types(Derived) == SIGNATURES[type(module)]


@pytest.mark.parametrize("module", MODULES, ids=repr)
def test_instances_show_how_they_are_called(module):
    assert without_types(module) == shown(module)
    module.forward = lambda x, *, scale=1.0: x
    assert without_types(module) == "(x, *, scale=1.0)"


def test_containers_show_their_forward():
    class Tagger(pylstm.Module):
        def __init__(self, size=3):
            super().__init__()

        def forward(self, words, lengths=None):
            return words

    assert without_types(Tagger) == "(size=3)"
    assert without_types(Tagger()) == "(words, lengths=None)"
    assert without_types(pylstm.Module()) == "(*args, **kwargs)"


@pytest.mark.parametrize("name", ["RNN", "Cell"])
def test_everything_public_on_the_types_in_c_has_a_docstring(name):
    native = getattr(pylstm._core, name)
    public = [native, *(getattr(native, n) for n in dir(native) if not n.startswith("_"))]
    for thing in public:
        assert inspect.getdoc(thing), thing
        if inspect.isroutine(thing):
            assert inspect.signature(thing), thing


def test_the_c_half_and_the_python_half_show_the_same_forward():
    for name in ("LSTM", "GRU", "RNN"):
        for native, public in ((pylstm._core.RNN, name), (pylstm._core.Cell, name + "Cell")):
            expected = inspect.signature(getattr(pylstm, public).forward)
            assert inspect.signature(native.forward) == expected


def test_mypy_passes_on_the_typed_examples():
    pytest.importorskip("mypy")
    # strict, and with the package as users have it: installed, with its types.
    result = run(sys.executable, "-m", "mypy", "tests/typed_examples.py")
    assert result.returncode == 0, result.stdout


def test_the_typed_examples_run():
    run_path = ROOT / "tests" / "typed_examples.py"
    scope = {"__name__": "typed_examples"}
    exec(compile(run_path.read_text(encoding="utf-8"), str(run_path), "exec"), scope)
    scope["main"]()
