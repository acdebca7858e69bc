"""Hooks run around forward in torch's order, and cost nothing once they are gone."""

import copy
import re
from collections import OrderedDict

import numpy as np
import pytest

from pylstm import GRU, LSTM, RNN, GRUCell, LSTMCell, Module, RNNCell, _core

X = np.ones((5, 2, 4))


class Wrapper(Module):
    def __init__(self):
        super().__init__()
        self.lstm = LSTM(4, 3)

    def forward(self, input, hx=None):
        return self.lstm(input, hx)


class Own(LSTM):
    def __init__(self):
        super().__init__(4, 3)

    def forward(self, input, hx=None):
        return super().forward(input, hx)


class OwnCell(GRUCell):
    def __init__(self):
        super().__init__(4, 3)

    def forward(self, input, hx=None):
        return super().forward(input, hx)


MAKERS = {
    **{cls.__name__: lambda cls=cls: cls(4, 3) for cls in (LSTM, GRU, RNN)},
    **{cls.__name__: lambda cls=cls: cls(4, 3) for cls in (LSTMCell, GRUCell, RNNCell)},
    "container": Wrapper,
    "subclass": Own,
    "subclass of a cell": OwnCell,
}


@pytest.fixture(params=MAKERS)
def module(request):
    return MAKERS[request.param]()


@pytest.fixture
def x(module):
    return X[0] if isinstance(module, _core.Cell) else X


def same(a, b):
    return np.array_equal(a[0], b[0])


def test_a_hook_sees_the_module_the_arguments_and_the_output(module, x):
    seen = []
    expected = module(x)
    handle = module.register_forward_hook(lambda *args: seen.append(args))
    result = module(x)
    assert same(result, expected)
    [(self_, args, output)] = seen
    assert self_ is module and len(args) == 1 and args[0] is x and output is result
    handle.remove()
    handle.remove()
    module(x)
    assert len(seen) == 1


def test_keyword_arguments_are_shown_only_on_request(module, x):
    seen = []
    module.register_forward_hook(lambda m, args, out: seen.append(args))
    module.register_forward_hook(lambda m, a, kw, out: seen.append((a, kw)), with_kwargs=True)
    module.register_forward_pre_hook(lambda m, args: seen.append(args))
    module.register_forward_pre_hook(lambda m, a, kw: seen.append((a, kw)), with_kwargs=True)
    module(x, hx=None)
    assert [len(seen[0]), len(seen[2])] == [1, 1]
    assert seen[1][0][0] is x and seen[1][1] == {"hx": None}
    assert seen[3][0][0] is x and seen[3][1] == {"hx": None}


def test_order_and_prepend(module, x):
    order = []
    for name in "ab":
        module.register_forward_hook(lambda *args, name=name: order.append(name))
        module.register_forward_pre_hook(lambda *args, name=name: order.append(f"pre {name}"))
    module.register_forward_hook(lambda *args: order.append("c"), prepend=True)
    module.register_forward_pre_hook(lambda *args: order.append("pre c"), prepend=True)
    module(x)
    assert order == ["pre c", "pre a", "pre b", "c", "a", "b"]


def test_hooks_replace_arguments_and_output(module, x):
    expected = module(2 * x)
    with module.register_forward_pre_hook(lambda m, args: 2 * args[0]):
        assert same(module(x), expected)
    with module.register_forward_pre_hook(lambda m, args: (2 * args[0], None)):
        assert same(module(x), expected)
    with module.register_forward_pre_hook(
        lambda m, args, kwargs: ((2 * args[0],), {"hx": None}), with_kwargs=True
    ):
        assert same(module(x), expected)
    with module.register_forward_hook(lambda m, args, out: "first"):
        assert module(x) == "first"
        module.register_forward_hook(lambda m, args, out: out + " second")
        assert module(x) == "first second"


@pytest.mark.parametrize("wrong", [5, (1, 2, 3), [(), {}]])
def test_a_pre_hook_with_keywords_returns_both_or_nothing(module, x, wrong):
    module.register_forward_pre_hook(lambda *args: wrong, with_kwargs=True)
    text = (
        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {wrong}."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"):
        module(x)


def test_always_call_runs_after_an_error(module, x):
    log = []

    def fail(*args, **kwargs):
        raise KeyError("forward")

    module.register_forward_hook(lambda m, args, out: log.append(("plain", out)))
    module.register_forward_hook(lambda m, a, out: log.append(("always", out)), always_call=True)
    module.register_forward_hook(
        lambda m, a, kw, out: log.append(("keywords", out)), always_call=True, with_kwargs=True
    )
    module.forward = fail
    with pytest.raises(KeyError, match="forward"):
        module(x)
    assert log == [("always", None), ("keywords", None)]
    del module.forward
    module(x)
    assert [name for name, _ in log[2:]] == ["plain", "always", "keywords"]


def test_always_call_hooks_run_once_and_their_errors_warn(module, x):
    log = []

    def raising(m, args, out):
        log.append("raising")
        raise ValueError("from the hook")

    module.register_forward_hook(lambda *args: log.append("before"), always_call=True)
    module.register_forward_hook(lambda *args: 1 / 0)
    module.register_forward_hook(raising, always_call=True)
    with (
        pytest.warns(UserWarning, match="was silenced as another error .*: from the hook"),
        pytest.raises(ZeroDivisionError),
    ):
        module(x)
    assert log == ["before", "raising"]


def test_a_hook_may_remove_itself(module, x):
    calls = []

    def once(*args):
        calls.append(args)
        handle.remove()

    handle = module.register_forward_hook(once)
    module(x), module(x)
    assert len(calls) == 1


def test_the_tables_have_the_names_and_the_contents_of_torch(module):
    handle = module.register_forward_hook(print, with_kwargs=True, always_call=True)
    pre = module.register_forward_pre_hook(print, with_kwargs=True)
    assert list(module._forward_hooks.items()) == [(handle.id, print)]
    assert handle.id in module._forward_hooks_with_kwargs
    assert handle.id in module._forward_hooks_always_called
    assert list(module._forward_pre_hooks.items()) == [(pre.id, print)]
    assert pre.id in module._forward_pre_hooks_with_kwargs
    handle.remove(), pre.remove()
    tables = [value for name, value in vars(module).items() if name.startswith("_forward")]
    assert len(tables) == 5 and not any(tables)


def test_options_are_keyword_only(module):
    with pytest.raises(TypeError):
        module.register_forward_hook(print, True)
    with pytest.raises(TypeError):
        module.register_forward_pre_hook(print, True)


@pytest.mark.parametrize("name", [name for name in MAKERS if name[:3] not in ("con", "sub")])
def test_the_direct_call_comes_back_with_the_last_hook(name):
    lstm = MAKERS[name]()
    assert lstm._native_direct
    first, second = lstm.register_forward_hook(len), lstm.register_forward_pre_hook(len)
    assert not lstm._native_direct
    first.remove()
    assert not lstm._native_direct
    second.remove()
    assert lstm._native_direct


def test_changing_a_table_by_hand_works():
    lstm = LSTM(4, 3)
    lstm.register_forward_hook(lambda *args: "hooked")
    assert lstm(X) == "hooked"
    lstm._forward_hooks.clear()
    assert lstm(X)[0].shape == (5, 2, 3)
    lstm._forward_hooks = OrderedDict({0: lambda *args: "hooked"})
    assert lstm(X) == "hooked"
    lstm._forward_hooks = OrderedDict()
    assert lstm._native_direct


def test_deepcopy_keeps_hooks_and_its_handles_are_its_own(module, x):
    log = []
    module.register_forward_hook(lambda *args: log.append("hook"))
    module.handle = module.register_forward_hook(lambda *args: log.append("handled"))
    copied = copy.deepcopy(module)
    copied(x)
    assert log == ["hook", "handled"]
    copied.handle.remove()
    log.clear()
    copied(x)
    assert log == ["hook"]
    log.clear()
    module(x)
    assert log == ["hook", "handled"]


def test_a_bound_method_as_a_hook_follows_the_copy():
    class Counting(LSTM):
        def __init__(self):
            super().__init__(4, 3)
            self.calls = 0
            self.register_forward_hook(Counting.count)

        def count(self, args, output):
            self.calls += 1

    one = Counting()
    two = copy.deepcopy(one)
    two(X), two(X)
    assert (one.calls, two.calls) == (0, 2)


def test_a_handle_outlives_its_module():
    handle = LSTM(4, 3).register_forward_hook(print)
    handle.remove()


def test_hooks_of_children_run_in_containers():
    outer = Wrapper()
    seen = []
    outer.lstm.register_forward_hook(lambda m, args, out: seen.append(out[0].shape))
    outer(X)
    assert seen == [(5, 2, 3)]
