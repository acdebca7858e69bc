"""Sequential, ModuleList, ModuleDict, Parameter; hooks and extra state of state_dict."""

import copy
import gc
import json
import pickle
from collections import OrderedDict
from pathlib import Path

import container_cases
import numpy as np
import pytest

import pylstm as nn

RECORDED = json.loads((Path(__file__).parent / "data" / "containers.json").read_text("utf-8"))


def test_every_case_is_recorded():
    assert [(box, statement) for box, statement, _ in RECORDED] == [*container_cases.cases()]
    assert len(RECORDED) > 200


@pytest.mark.parametrize(("box", "statement", "expected"), RECORDED)
def test_containers_do_what_torch_does(box, statement, expected):
    mine = [*container_cases.outcome(nn, box, statement)]
    if (box, statement) == ("named", "box *= 3"):  # torch: KeyError '0'
        assert mine[0].count("LSTMCell") == 12
    else:
        assert mine == expected


def test_a_chain_hands_results_on_and_hooks_of_its_members_run():
    chain = nn.Sequential(nn.LSTM(3, 4), nn.Module())
    chain[1].forward = lambda pair: pair[0] * 2
    seen = []
    chain[0].register_forward_hook(lambda module, args, result: seen.append(result[0]))
    x = np.ones((5, 2, 3), np.float32)
    result = chain(x)
    assert (result == seen[0] * 2).all() and (result == chain[0](x)[0] * 2).all()
    assert list(chain.state_dict()) == [f"0.{name}" for name in chain[0].state_dict()]


def containers():
    shared = nn.LSTMCell(2, 3)
    return nn.ModuleDict(
        {
            "chain": nn.Sequential(OrderedDict(a=nn.LSTM(2, 3), b=shared)),
            "list": nn.ModuleList([shared, nn.GRU(3, 4)]),
        }
    )


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda box: pickle.loads(pickle.dumps(box)),
        lambda box: nn.compress(box, "int8"),
    ],
    ids=["deepcopy", "pickle", "compress"],
)
def test_copies_keep_the_tree(copied):
    box = containers()
    other = copied(box)
    assert type(other["chain"]) is nn.Sequential and type(other["list"]) is nn.ModuleList
    assert other["list"][0] is other["chain"].b is not box["chain"].b
    assert [name for name, _ in other.named_modules()] == [name for name, _ in box.named_modules()]
    names = [name for name in other.state_dict() if not name.endswith("_scale")]
    assert names == list(box.state_dict())


def test_slices_share_their_modules():
    box = containers()["list"]
    assert box[1:][0] is box[1] and isinstance(box[1:], nn.ModuleList)


# ---------------------------------------------------------------------------- Parameter


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(np.ones(3, np.float32))
        self.plain = np.zeros(3, np.float32)

    def forward(self, x):
        return x * self.w


def is_parameter(value):
    return isinstance(value, nn.Parameter)


def test_assigning_a_parameter_registers_it():
    module = Scaled()
    assert list(module.state_dict()) == ["w"] and "w" not in vars(module)
    assert is_parameter(module.w) and not is_parameter(module.plain)
    assert next(module.parameters()) is module.w
    module.w = np.zeros(3, np.float32)  # as an array it stays a parameter
    assert list(module.state_dict()) == ["w"] and is_parameter(module.w)
    module.w += 1
    assert (module.w == 1).all() and is_parameter(module.w)
    module.plain = nn.Parameter(module.plain)
    assert list(module.state_dict()) == ["w", "plain"] and "plain" not in vars(module)
    del module.plain
    assert list(module.state_dict()) == ["w"]


def test_a_parameter_takes_the_place_of_a_buffer_or_a_child():
    module = Scaled()
    module.register_buffer("b", np.zeros(2), persistent=False)
    module.child = nn.LSTMCell(1, 1)
    module.b, module.child = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(1))
    assert list(module.state_dict()) == ["w", "b", "child"]
    assert not list(module.buffers()) and not list(module.children())


def test_results_are_plain_arrays():
    p = nn.Parameter(np.ones((2, 3)))
    results = [p * 2, p + p, p @ p.T, p[0], p.T, p.reshape(-1), np.concatenate([p, p]), p.copy()]
    assert type(p) is np.ndarray and is_parameter(p)
    for result in results:
        assert type(result) is np.ndarray and not is_parameter(result)


def test_a_parameter_shares_the_memory_and_keeps_the_dtype():
    table = np.ones(3)
    p = nn.Parameter(table)
    assert p is not table and np.shares_memory(p, table) and not is_parameter(table)
    assert p.dtype == np.float64 and nn.Parameter().shape == (0,)
    assert nn.Parameter([1.0, 2.0]).tolist() == [1, 2]
    assert nn.Parameter(np.arange(3), requires_grad=False).dtype == np.int64
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype"):
        nn.Parameter(np.arange(3))
    with pytest.raises(TypeError, match="data must hold numbers"):
        nn.Parameter(np.array(["a"]))


def test_what_modules_in_c_hand_out_are_parameters():
    lstm = nn.LSTM(2, 3)
    assert all(map(is_parameter, lstm.parameters())) and is_parameter(lstm.weight_ih_l0)
    assert not is_parameter(lstm.weight_ih_l0[0])
    assert not any(map(is_parameter, lstm.state_dict().values()))
    lstm.weight_hh_l0 = nn.Parameter(np.ones((12, 3)))  # copied in, as any array is
    assert (lstm.weight_hh_l0 == 1).all() and list(lstm._parameters) == []


def test_marks_go_with_their_arrays():
    from pylstm.modules import parameter

    gc.collect()
    before = len(parameter._marked)
    kept = [nn.Parameter(np.ones(3)) for _ in range(100)]
    assert len(parameter._marked) == before + 100
    del kept
    assert len(parameter._marked) == before


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_a_module_have_parameters(copied):
    other = copied(Scaled())
    assert is_parameter(other.w) and list(other.state_dict()) == ["w"]
    assert is_parameter(other.double().w) and other.w.dtype == np.float64
    other.load_state_dict({"w": np.zeros(3, np.float32)}, assign=True)
    assert is_parameter(other.w) and other.w.dtype == np.float32


def test_a_parameter_before_init_is_refused():
    class Early(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.ones(1))

    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__"):
        Early()


# ---------------------------------------------------------------------------- hooks of state_dict


def test_state_dict_hooks_run_in_order():
    module, calls = Scaled(), []
    module.register_state_dict_pre_hook(lambda *args: calls.append(("pre", *args[1:])))
    module.register_state_dict_post_hook(
        lambda m, found, prefix, own: calls.append(("post", list(found), prefix, own["version"]))
    )
    assert list(module.state_dict(prefix="x.")) == ["x.w"]
    assert calls == [("pre", "x.", False), ("post", ["x.w"], "x.", 1)]


def test_what_a_state_dict_hook_may_return():
    module = Scaled()
    with module._register_state_dict_hook(lambda m, found, prefix, own: {"other": 1}):
        assert module.state_dict() == {"other": 1}
    box = nn.Sequential(module)
    with module._register_state_dict_hook(lambda m, found, prefix, own: {"other": 1}):
        assert list(box.state_dict()) == ["0.w"]  # counts for the module that was asked

    def returning(module, found, prefix, own):
        return {}

    with module.register_state_dict_post_hook(returning):
        with pytest.raises(RuntimeError, match="post-hook must return None"):
            module.state_dict()
        with pytest.raises(RuntimeError, match="Cannot register the same function"):
            module._register_state_dict_hook(returning)
    assert list(module.state_dict()) == ["w"]


def test_load_pre_hooks_rename_keys_in_a_copy():
    box = nn.Sequential(Scaled())

    def rename(module, state_dict, prefix, own, strict, missing, unexpected, errors):
        assert module is box[0] and prefix == "0." and strict is True
        state_dict[prefix + "w"] = state_dict.pop(prefix + "old")

    handle = box[0].register_load_state_dict_pre_hook(rename)
    given = {"0.old": np.full(3, 7.0)}
    box.load_state_dict(given)
    assert (box[0].w == 7).all() and list(given) == ["0.old"]
    handle.remove()
    with pytest.raises(RuntimeError, match="Missing key"):
        box.load_state_dict(given)


def test_load_pre_hooks_may_report_errors():
    module = Scaled()
    module._register_load_state_dict_pre_hook(lambda *args: args[-1].append("no good"))
    with pytest.raises(RuntimeError, match="no good"):
        module.load_state_dict({"w": np.zeros(3)})
    assert (module.w == 1).all()


def test_load_post_hooks_decide_about_names():
    module, seen = Scaled(), []

    def forgive(module, incompatible):
        seen.append((module.w[0], list(incompatible.unexpected_keys)))
        incompatible.unexpected_keys.clear()

    handle = module.register_load_state_dict_post_hook(forgive)
    result = module.load_state_dict({"w": np.full(3, 2.0), "more": np.zeros(1)})
    assert seen == [(2, ["more"])] and result.unexpected_keys == []
    handle.remove()
    with pytest.raises(RuntimeError, match="Unexpected key"):
        module.load_state_dict({"w": np.full(3, 3.0), "more": np.zeros(1)})
    assert (module.w == 2).all()


@pytest.mark.parametrize("weights", [None, "int8", "bfloat16"])
@pytest.mark.parametrize("assign", [False, True])
def test_a_post_hook_that_fails_leaves_every_array_as_it_was(weights, assign):
    box = nn.Sequential(Scaled(), nn.LSTM(2, 3), nn.LSTMCell(2, 3))
    if weights is not None:
        box = nn.compress(box, weights)
    before = {name: np.array(value) for name, value in box.state_dict().items()}
    kept = box[0].w
    other = nn.Sequential(Scaled(), nn.LSTM(2, 3), nn.LSTMCell(2, 3)).double()

    def fail(module, incompatible):
        assert not (box[1].weight_ih_l0 == before_weights).all()
        raise KeyError("mine")

    before_weights = np.array(box[1].weight_ih_l0)
    box[2].register_load_state_dict_post_hook(fail)
    with pytest.raises(KeyError, match="mine"):
        box.load_state_dict(other.state_dict(), assign=assign)
    after = box.state_dict()
    assert box[0].w is kept and list(after) == list(before)
    for name, value in before.items():
        assert after[name].dtype == value.dtype and after[name].tobytes() == value.tobytes()


def test_a_post_hook_returns_nothing():
    module = Scaled()
    module.register_load_state_dict_post_hook(lambda *args: 1)
    with pytest.raises(AssertionError, match="not expected to return new values"):
        module.load_state_dict({"w": np.zeros(3)})
    assert (module.w == 1).all()


class Counting(nn.Module):
    count = 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_extra_state_is_kept_beside_the_arrays():
    box = nn.Sequential(Counting(), Scaled())
    box[0].count = 5
    saved = box.state_dict()
    assert list(saved) == ["0._extra_state", "1.w"] and saved["0._extra_state"] == {"count": 5}
    other = nn.Sequential(Counting(), Scaled())
    other.load_state_dict(saved)
    assert other[0].count == 5
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0._extra_state"'):
        other.load_state_dict({"1.w": np.zeros(3)})
    assert (other[1].w == 1).all()
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "_extra_state"'):
        Scaled().load_state_dict({"w": np.zeros(3), "_extra_state": 1})
    with pytest.raises(KeyError):  # by set_extra_state
        other.load_state_dict({"0._extra_state": {}, "1.w": np.zeros(3)})
    assert (other[1].w == 1).all()
    for method, arguments in (("get_extra_state", ()), ("set_extra_state", (1,))):
        with pytest.raises(RuntimeError, match="should never be called"):
            getattr(Scaled(), method)(*arguments)


def test_hooks_travel_with_copies():
    module = Scaled()
    module.register_state_dict_post_hook(note)
    module.register_load_state_dict_pre_hook(look)
    other = copy.deepcopy(module)
    assert list(other.state_dict()) == ["w", "note"]
    other.load_state_dict({"w": np.zeros(3)})
    assert other.seen is True and not hasattr(module, "seen")
    old = vars(Scaled()).copy()
    for name in list(old):
        if "state_dict" in name:
            del old[name]  # as versions before these hooks pickled it
    revived = Scaled.__new__(Scaled)
    revived.__setstate__(old)
    assert list(revived.state_dict()) == ["w"]


def note(module, found, prefix, own):
    found[prefix + "note"] = 1


def look(module, *arguments):
    module.seen = True
