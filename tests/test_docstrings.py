"""The docstrings: every example runs, every public class and function has one."""

import dataclasses
import doctest
import inspect
import typing

import pytest

import pylstm
from pylstm.files import Record

# What the bases of these classes bring with them is Python's to explain.
FOREIGN = (object, tuple, ValueError)


def namespaces(module=pylstm):
    """The package and its public modules, as ``__all__`` names them."""
    yield module
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.ismodule(value):
            yield from namespaces(value)


def top_objects():
    """{dotted name: object} of all public classes and functions."""
    found = {"pylstm.files.Record": Record}
    for module in namespaces():
        for name in module.__all__:
            if callable(value := getattr(module, name)):
                found[f"{module.__name__}.{name}"] = value
    return found


TOP = top_objects()


def public_objects():
    """Those and their public methods, what Python's own classes bring with them left out."""
    found = dict(TOP)
    for path, owner in TOP.items():
        if inspect.isclass(owner):
            for name, member in inspect.getmembers(owner, callable):
                foreign = any(member is getattr(base, name, None) for base in FOREIGN)
                if not name.startswith("_") and not foreign and name not in dir(tuple):
                    found[f"{path}.{name}"] = member
    return found


PUBLIC = public_objects()


def examples(name, value):
    """The doctest of an object, an empty one where it has no examples."""
    return doctest.DocTestParser().get_doctest(
        inspect.getdoc(value) or "", {}, name, inspect.getsourcefile(pylstm), 0
    )


@pytest.mark.parametrize("name", ["pylstm", *PUBLIC])
def test_the_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    report = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(examples(name, PUBLIC.get(name, pylstm)), out=report.append)
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize("name", TOP)
def test_no_source_is_shown_that_is_not_its_own(name):
    value = TOP[name]
    # Python 3.13 would look up this line in the file of the place where the class is public.
    assert "__firstlineno__" not in vars(value) if inspect.isclass(value) else True
    try:
        source = inspect.getsource(value)
    except (OSError, TypeError):  # a class that is public elsewhere; a function in C
        assert inspect.isclass(value) or inspect.isbuiltin(value)
    else:
        assert f" {value.__name__}(" in source


def test_the_annotations_of_found_lstms_can_be_evaluated():
    names = [field.name for field in dataclasses.fields(pylstm.FoundLSTM)]
    assert list(typing.get_type_hints(pylstm.FoundLSTM)) == names
    assert list(typing.get_type_hints(pylstm.FoundLSTM.__init__)) == [*names, "return"]


class Tagger(pylstm.Module):
    lstm: pylstm.LSTM
    size: int


@pytest.mark.parametrize("name", TOP)
def test_annotations_can_be_evaluated(name):
    value = TOP[name]
    hints = typing.get_type_hints(value.__init__ if inspect.isclass(value) else value)
    if not inspect.isbuiltin(value):
        assert hints or inspect.isclass(value)
    if inspect.isclass(value):
        assert set(inspect.get_annotations(value)) <= set(typing.get_type_hints(value))


def test_the_annotations_of_a_subclass_can_be_evaluated():
    hints = typing.get_type_hints(Tagger)
    assert (hints["lstm"], hints["size"], hints["training"]) == (pylstm.LSTM, int, bool)


def test_every_class_and_function_has_an_example():
    without = [name for name, value in TOP.items() if not examples(name, value).examples]
    assert without == []
    assert examples("pylstm", pylstm).examples


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_is_explained(name):
    assert inspect.getdoc(PUBLIC[name]), "no docstring"
    inspect.signature(PUBLIC[name])  # C types included: a ValueError where there is none


@pytest.mark.parametrize(
    "function, signature",
    [
        (pylstm.LSTM.forward, "(self, /, input, hx=None, *, lengths=None, reset=None, out=None)"),
        (pylstm.LSTMCell.forward, "(self, /, input, hx=None, *, out=None)"),
        (pylstm.LSTM.flatten_parameters, "(self, /)"),
        (pylstm.set_num_threads, "(n, /)"),
        (pylstm.get_num_threads, "()"),
    ],
)
def test_functions_in_c_show_their_signatures(function, signature):
    assert str(inspect.signature(function)) == signature
