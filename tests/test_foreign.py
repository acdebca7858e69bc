"""Parameters of an LSTM beside others that are none of its own: refused by name, never misread."""

import collections
import functools
import inspect
import json
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest
from file_trees import lazy_all, whole_module
from reference import cell_parameter_shapes, make_parameters, parameter_shapes
from support import assert_same_bits
from timing import assert_units

import pylstm
from pylstm.files.base.named import described
from pylstm.files.base.record import Record, RecurrentLayer
from pylstm.weights.find import survey
from pylstm.weights.foreign import _Finder

LSTM, CELL = "torch.nn.modules.rnn.LSTM", "torch.nn.modules.rnn.LSTMCell"


def lstm(seed=1, **options):
    """The parameters of an LSTM(2, 3)."""
    return make_parameters(seed, parameter_shapes(2, 3, **options), np.float32, scale=1.0)


def cell(seed=1, **options):
    return make_parameters(seed, cell_parameter_shapes(2, 3, **options), np.float32, scale=1.0)


def ones(*shape):
    return np.ones(shape, np.float32)


def gated(kind):
    """The parameters of a GRU(2, 3), an RNN(2, 3), or a cell of these."""
    rows = {"GRU": 9, "RNN": 3}[kind.removesuffix("Cell")]
    end = "" if kind.endswith("Cell") else "_l0"
    shapes = {
        "weight_ih": (rows, 2),
        "weight_hh": (rows, 3),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
    }
    return {name + end: ones(*shape) for name, shape in shapes.items()}


def prefixed(prefix, mapping):
    return {f"{prefix}.{name}": value for name, value in mapping.items()}


def nested(mapping):
    """The same with a dictionary for every name before a dot."""
    tree = {}
    for name, value in mapping.items():
        *folders, last = name.split(".")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return tree


def near_misses(tree):
    """What is in a tree that holds no LSTM, as (prefix, kind, reason)."""
    report = survey(tree, "<test>")
    assert report.candidates == []
    return [(miss.prefix, miss.kind, miss.reason) for miss in report.near_misses]


# What makes an LSTM another module ------------------------------------------------------------

# As layers of other projects name them; each with what its error must say first.
OF_CELLS = {
    "layer norm": {"ln_ih.weight": ones(12), "ln_ih.bias": ones(12), "ln_hh.weight": ones(12)},
    "layer norm of a cell state": {"layernorm_c.weight": ones(3), "layernorm_c.bias": ones(3)},
    "layer norm as parameters": {"gamma": ones(2, 12), "gamma_h": ones(3), "beta_h": ones(3)},
    "multiplicative": {"weight_mih": ones(3, 2), "weight_mhh": ones(3, 3)},
    "peepholes": {"weight_ci": ones(3), "weight_cf": ones(3), "weight_co": ones(3)},
    "peepholes by another name": {"w_ci": ones(3), "w_cf": ones(3), "w_co": ones(3)},
    "learned states": {"h_0": ones(1, 3), "c_0": ones(1, 3)},
    "an attention": {"attention.query.weight": ones(3, 3)},
    "one more bias": {"bias": ones(12)},
    "a scale": {"alpha": np.array(0.5, np.float32)},
    "integers": {"permutation": np.arange(3)},
    "a mask": {"keep": np.array([True, False, True])},
    "state of its own": {"_extra_state": {"calibrated": True}},
}
OF_LSTMS = {
    "layer norm": {"layer_norms.0.weight": ones(12), "layer_norms.0.bias": ones(12)},
    "peepholes by another name": {"weight_ci_l0": ones(3), "weight_cf_l0": ones(3)},
    "a third weight": {"weight_ch_l0": ones(12, 3)},
    "learned states": {"h0": ones(1, 1, 3), "c0": ones(1, 1, 3)},
    "learned states, named otherwise": {"init_h": ones(1, 3)},
    "batch norm": {"bn.running_mean": ones(3), "bn.num_batches_tracked": np.array(3)},
    "a scale of a parameter": {"weight_hh_l0_gain": ones(12)},
    "a scale below a parameter": {"weight_hh_l0.scale": ones(12)},
    "a scale of floats": {"weight_hh_l0_scale": ones(12)},
    "a zero point": {"weight_ih_l0_zero_point": np.zeros((), np.int32)},
    "an output layer": {"fc.weight": ones(5, 3), "fc.bias": ones(5)},
    "a GRU": {"gru.weight_ih_l0": ones(9, 2), "gru.weight_hh_l0": ones(9, 3)},
}
CASES = [
    *((f"cell: {name}", "LSTMCell", cell(), more) for name, more in OF_CELLS.items()),
    *((f"LSTM: {name}", "LSTM", lstm(), more) for name, more in OF_LSTMS.items()),
    *(
        (f"bidirectional: {name}", "LSTM", lstm(bidirectional=True), more)
        for name, more in OF_LSTMS.items()
    ),
    *(
        (f"{kind}: {name}", kind, gated(kind), more)
        for kind in ("GRU", "RNN")
        for name, more in OF_LSTMS.items()
        if name != f"a {kind}"
    ),
    *(
        (f"{kind}: {name}", kind, gated(kind), more)
        for kind in ("GRUCell", "RNNCell")
        for name, more in OF_CELLS.items()
    ),
    ("GRU: an LSTM", "GRU", gated("GRU"), {f"lstm.{k}": v for k, v in lstm().items()}),
    ("LSTM: an RNN", "LSTM", lstm(), {f"rnn.{k}": v for k, v in gated("RNN").items()}),
    ("LSTMCell: a GRUCell", "LSTMCell", cell(), {f"g.{k}": v for k, v in gated("GRUCell").items()}),
]
IDS = [name for name, *_ in CASES]
# What is found in another module all the same.
OTHERS = {"a GRU": ["GRU"], "an LSTM": ["LSTM"], "an RNN": ["RNN"], "a GRUCell": ["GRUCell"]}


def saved(tree, path):
    """The content of a file that pylstm writes."""
    pylstm.save(tree, path)
    return path.read_bytes()


@pytest.mark.parametrize("prefix", ["", "a", "model.encoder.0"])
@pytest.mark.parametrize(("name", "kind", "own", "more"), CASES, ids=IDS)
def test_foreign_parameters_make_a_near_miss(name, kind, own, more, prefix):
    flat = prefixed(prefix, {**own, **more}) if prefix else {**own, **more}
    backwards = dict(reversed(flat.items()))
    trees = [flat, backwards, {"epoch": 3, "state_dict": flat}]
    if not any(key.startswith("weight_hh_l0.") for key in more):
        trees.append(nested(flat))
    for tree in trees:
        where = f"state_dict.{prefix}".rstrip(".") if "epoch" in tree else prefix
        report = survey(tree, "<test>")
        told = {(miss.prefix, miss.kind): miss.reason for miss in report.near_misses}
        reason = told[where, f"{kind} with foreign parameters"]
        assert "pass its own parameters alone" in reason
        others = [found.kind for found in pylstm.find_recurrent(tree)]
        assert others == OTHERS.get(name.rpartition(": ")[2], [])
        assert any(reason.startswith(each) for each in more) or others
        if not hasattr(pylstm, kind):
            continue
        cls = getattr(pylstm, kind)
        with pytest.raises(pylstm.WeightFileError, match=f"{kind} with foreign parameters"):
            cls.from_weights(tree)
        # But without them it is what it was.
        [found] = pylstm.find_recurrent(prefixed("x", own))
        assert found.kind == kind


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
@pytest.mark.parametrize(
    ("name", "kind", "own", "more"),
    [case for case in CASES if "state of its own" not in case[0]],
    ids=[name for name in IDS if "state of its own" not in name],
)
def test_foreign_parameters_in_files(name, kind, own, more, suffix, tmp_path):
    content = saved(prefixed("net", {**own, **more}), tmp_path / f"file{suffix}")
    assert all(found.prefix != "net" for found in pylstm.find_recurrent(content))
    with pytest.raises(pylstm.WeightFileError, match=r"'net': .* with foreign parameters"):
        pylstm.LSTM.from_weights(content, "net")


def test_companions_are_named_as_such():
    for name in ("weight_hh_l0_gain", "weight_hh_l0_scale", "weight_hh_l0.absmax"):
        [(_, _, reason)] = near_misses({**lstm(), name: ones(12)})
        assert reason.startswith(f"{name}, a companion of weight_hh_l0; if they play")
    many = {f"ln.{k}": ones(3) for k in range(9)}
    [(_, _, reason)] = near_misses({**lstm(), **many})
    assert reason.startswith("ln.0, ln.1, ln.2 and 6 more; if they play no role")


def test_unread_tensors_are_foreign_too():
    quantised = Record("torch._utils._rebuild_qtensor", ((), 0))
    for value in (quantised, Record("safetensors.F4", ((3,),)), np.zeros((0,))):
        assert near_misses({**lstm(), "x": value})[0][1] == "LSTM with foreign parameters"


@pytest.mark.parametrize(
    "beside",
    [
        {"below": {"weight": ones(3)}},
        {"below": [ones(3)]},
        {"below": ({"a": [ones(3)]},)},
        {"below": Record("mine.Norm", state={"weight": ones(3)})},
        {"below": whole_module("mine.Norm", {"weight": ones(3)})},
        {3: ones(3)},
        {(1, 2): ones(3)},
        {"optimizer": {"state": {}, "tensor": ones(3)}},
        {"": ones(3)},
        {"..": ones(3)},
    ],
    ids=str,
)
def test_what_is_below_in_any_container_is_foreign(beside):
    for tree in ({**lstm(), **beside}, {"a": {**lstm(), **beside}}):
        [(_, kind, _)] = near_misses(tree)
        assert kind == "LSTM with foreign parameters"
    tree = {**prefixed("a", lstm()), "a": beside}
    assert near_misses(tree)[0][:2] == ("a", "LSTM with foreign parameters")


def test_mappings_that_make_new_objects_each_time():
    class Fresh(collections.abc.Mapping):
        def __init__(self, values):
            self.values_ = values

        def __getitem__(self, key):
            value = self.values_[key]
            return Fresh(value) if isinstance(value, dict) else value.copy()

        def __iter__(self):
            return iter(self.values_)

        def __len__(self):
            return len(self.values_)

    assert len(pylstm.find_lstms(Fresh({"a": lstm()}))) == 1
    tree = {"a": {**lstm(), "ln": {"weight": ones(3)}}}
    assert near_misses(Fresh(tree))[0][2].startswith("ln.weight; ")


# Classes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_name", "kind"),
    [
        ("mine.layers.NormLSTM", "LSTM"),
        ("__torch__.mine.NormLSTM", "LSTM"),
        ("__torch__.___torch_mangle_0.NormLSTM", "LSTM"),
        ("torch.nn.modules.rnn.GRU", "LSTM"),
        ("torch.nn.modules.rnn.LSTMCell", "LSTM"),
        ("torch.nn.modules.rnn.LSTM", "LSTMCell"),
        ("mine.torch.nn.modules.rnn.LSTM", "LSTM"),
        ("torch.nn.modules.rnn.LSTM2", "LSTM"),
        ("LSTM", "LSTM"),
        ("mine.Cell", "LSTMCell"),
        ("keras.LSTM", "LSTM"),  # a file may name what pylstm's readers make
    ],
)
def test_another_class_is_refused(class_name, kind):
    own = lstm() if kind == "LSTM" else cell()
    module = whole_module(class_name, own)
    script = Record(class_name, state={"training": False, **own})
    slots = Record(class_name, state=(None, own))
    for tree in (
        module,
        script,
        slots,
        {"model": module},
        [whole_module("a.B", modules={"m": module})],
    ):
        [(_, told, reason)] = near_misses(tree)
        assert told == f"{kind} of another class"
        assert reason.startswith(f"its class is {class_name}, ")
    with pytest.raises(pylstm.WeightFileError, match=class_name):
        getattr(pylstm, kind).from_weights(module)


@pytest.mark.parametrize(
    "folder",
    [
        "torch.nn.modules.rnn",
        "__torch__.torch.nn.modules.rnn",
        "__torch__.torch.nn.modules.rnn.___torch_mangle_12",
    ],
)
def test_torchs_classes_are_what_they_are(folder):
    # Whatever else stands in them: a list of the same tensors, a buffer, a child.
    for name, own in (("LSTM", lstm(bidirectional=True)), ("LSTMCell", cell())):
        more = {"_flat_weights": list(own.values()), "note": ones(3), "step": 3}
        module = whole_module(f"{folder}.{name}", own, {"probe": Record("a.B", state=own)}, **more)
        script = Record(f"{folder}.{name}", state={"training": True, **own, **more})
        for tree in (module, script, {"a": [module]}):
            report = survey(tree, "<test>")
            assert [each.found.kind for each in report.candidates] == [name]
            made = getattr(pylstm, name).from_weights(tree)
            assert_same_bits(tuple(made.state_dict().values()), tuple(own.values()))


@pytest.mark.parametrize("kind", ["LSTM", "LSTMCell"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_forward_hooks", {0: Record("mine.double")}),
        ("_forward_pre_hooks", {3: Record("mine.scaled"), 4: Record("mine.shifted")}),
        ("forward", Record("mine.forward")),
    ],
)
def test_functions_of_its_own_make_a_module_another(kind, name, value):
    own = lstm() if kind == "LSTM" else cell()
    none = {"_forward_hooks": {}, "_forward_pre_hooks": {}, "_backward_hooks": {0: Record("m.f")}}
    class_name = f"torch.nn.modules.rnn.{kind}"
    assert len(pylstm.find_lstms({"a": whole_module(class_name, own, **none)})) == 1
    tree = {"a": whole_module(class_name, own, **{**none, name: value})}
    [(prefix, told, reason)] = near_misses(tree)
    assert prefix == "a"
    assert told == f"{kind} with {'another forward' if name == 'forward' else 'hooks'}"
    assert name in reason
    with pytest.raises(pylstm.WeightFileError, match=name):
        getattr(pylstm, kind).from_weights(tree)


def test_functions_of_a_module_are_remembered_by_the_flat_view():
    module = whole_module(LSTM, lstm(), _forward_hooks={0: Record("mine.double")})
    state = module.state
    assert described(module).state == {"training": True, "_forward_hooks": True}
    state["_forward_hooks"] = {}
    assert described(module).state == {"training": True}


def test_layers_of_other_readers_are_what_they_are():
    layer = RecurrentLayer("keras.LSTM", {"_parameters": lstm(), "extra": ones(3)})
    assert len(pylstm.find_lstms({"a": layer})) == 1


def test_a_class_derived_from_dict_is_a_mapping():
    class_name = "mine.Parameters"
    assert len(pylstm.find_lstms(Record(class_name, items=lstm()))) == 1
    both = Record(class_name, items=lstm(), state={"note": 3})
    assert len(pylstm.find_lstms(both)) == 1
    foreign = Record(class_name, items={**cell(), "ln.weight": ones(3)})
    assert near_misses(foreign)[0][1] == "LSTMCell with foreign parameters"


def test_attributes_that_contradict_the_parameters():
    for name, value in {
        "num_layers": 2,
        "bidirectional": True,
        "hidden_size": 4,
        "bias": False,
    }.items():
        module = whole_module(LSTM, lstm(), **{name: value})
        assert near_misses(module)[0][1] == "inconsistent LSTM"
        assert near_misses(module)[0][2].startswith(f"its {name} is ")
    right = {"input_size": 2, "hidden_size": 3, "num_layers": 1, "bias": True, "proj_size": 0}
    assert len(pylstm.find_lstms(whole_module(LSTM, lstm(), bidirectional=False, **right))) == 1
    assert len(pylstm.find_lstms(whole_module(CELL, cell(), hidden_size="3", num_chunks=4))) == 1


# What is not foreign --------------------------------------------------------------------------

ADAM = {
    "state": {k: {"exp_avg": ones(12, 2), "step": np.array(3.0)} for k in range(4)},
    "param_groups": [{"lr": 0.1, "params": [0, 1, 2, 3]}],
}


@pytest.mark.parametrize(
    "beside",
    [
        {"epoch": 3, "note": "best", "nothing": None, "lr": 0.1, "flag": True},
        {"config": {"hidden": 3, "names": ["a", None, 2.5], "nested": {"x": (1, 2)}}},
        {"epoch": np.array(3), "flag": np.array(True), "small": np.int8(3), "loss": np.float64(2)},
        {"optimizer": ADAM},
        {"optimizers": [ADAM, ADAM]},
        {"_extra_state": None},
        {"note": Record("mine.Config", state={"hidden": 3})},
        {"ema": lstm(2)},
        prefixed("0.cell", cell(2)),
    ],
    ids=lambda value: str(list(value)),
)
def test_what_plays_no_role(beside):
    for prefix in ("", "a"):
        tree = {**lstm(), **beside}
        found = pylstm.find_lstms(prefixed(prefix, tree) if prefix else tree)
        assert found[0].prefix == prefix
        if len(found) == 1:
            made = pylstm.LSTM.from_weights(tree)
            assert_same_bits(made.weight_ih_l0, lstm()["weight_ih_l0"])


def test_what_stands_beside_the_module_or_above_it():
    tree = {
        **prefixed("encoder.rnn", lstm()),
        "encoder.norm.weight": ones(3),
        "encoder.h0": ones(3),
        "encoder.rnn2.weight": ones(3),
        "encoder.rnn-norm.weight": ones(3),
        "fc.weight": ones(3),
        "scale": ones(3),
        "encoder": {"rnns": {"weight": ones(3)}},
    }
    for each in (tree, dict(reversed(tree.items())), {"model": tree}):
        assert [found.prefix.removeprefix("model.") for found in pylstm.find_lstms(each)] == [
            "encoder.rnn"
        ]


def test_lstms_in_an_lstm_are_judged_from_the_inside():
    tree = {**lstm(1), **prefixed("b", lstm(2)), **prefixed("b.c", cell(3))}
    assert [found.prefix for found in pylstm.find_lstms(tree)] == ["", "b", "b.c"]
    # What is foreign to the innermost makes all of them doubtful.
    refused = near_misses({**tree, "b.c.ln.weight": ones(3)})
    assert {(prefix, kind) for prefix, kind, _ in refused} == {
        ("", "LSTM with foreign parameters"),
        ("b", "LSTM with foreign parameters"),
        ("b.c", "LSTMCell with foreign parameters"),
    }
    # What is foreign to the outermost, that one only.
    report = survey({**tree, "ln.weight": ones(3)}, "<test>")
    assert [each.found.prefix for each in report.candidates] == ["b", "b.c"]
    assert [miss.prefix for miss in report.near_misses] == [""]


def test_a_cell_and_an_lstm_of_which_one_is_incomplete():
    tree = {**lstm(), **{name: value for name, value in cell().items() if name != "weight_hh"}}
    assert {kind for _, kind, _ in near_misses(tree)} == {
        "LSTM with foreign parameters",
        "incomplete LSTMCell",
    }


# The way out ----------------------------------------------------------------------------------


def recipe(tree, cls, prefix=None):
    """The expression in the error that tells how to read what was refused."""
    with pytest.raises(pylstm.WeightFileError) as caught:
        cls.from_weights(tree, prefix)
    lines = str(caught.value).splitlines()
    assert lines[-2].endswith(
        "if its class and the foreign parameters play no role, pass its own parameters alone:"
    )
    return lines[-1].strip()


@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}, {"proj_size": 2}],
    ids=str,
)
def test_the_error_tells_the_way_out(options, tmp_path):
    own = lstm(**options)
    path = tmp_path / "model.safetensors"
    tree = {**prefixed("a.rnn", own), "a.rnn.ln.weight": ones(3), "fc.weight": ones(3)}
    pylstm.save(tree, path)
    code = recipe(path, pylstm.LSTM)
    assert f"pylstm.load({str(path)!r}, flat=True, prefix='a.rnn').items()" in code

    def load(source, flat, prefix):
        return {
            name.removeprefix(f"{prefix}."): value
            for name, value in pylstm.load(source).items()
            if name.startswith(f"{prefix}.")
        }

    class Module:
        LSTM, LSTMCell = pylstm.LSTM, pylstm.LSTMCell

    flat = "flat" in inspect.signature(pylstm.load).parameters
    Module.load = staticmethod(pylstm.load if flat else load)
    values = eval(code, {"pylstm": Module})
    assert values.keys() == own.keys()
    made = pylstm.LSTM.from_weights(values)
    assert_same_bits(tuple(made.state_dict().values()), tuple(own.values()))


def test_the_way_out_of_cells_and_mappings():
    code = recipe({**cell(), "ln.weight": ones(3)}, pylstm.LSTMCell)
    assert code == (
        "{k: v for k, v in pylstm.load(FILE, flat=True).items() "
        "if k in pylstm.LSTMCell(1, 2).state_dict()}"
    )
    # Of several there is no telling which is meant, but by its prefix.
    two = {"a": {**cell(), "ln.weight": ones(3)}, "b": {**lstm(), "ln.weight": ones(3)}}
    with pytest.raises(pylstm.WeightFileError) as caught:
        pylstm.LSTM.from_weights(two)
    assert "pylstm.load" not in str(caught.value)
    assert "prefix='b'" in recipe(two, pylstm.LSTM, "b")


# Files that torch wrote -----------------------------------------------------------------------

ARCHIVE = Path(__file__).parent / "data" / "files" / "foreign.tar.xz"


@functools.cache
def recorded():
    """Files of modules that only look like an LSTM by name, and what must be said of each."""
    with tarfile.open(ARCHIVE) as archive:
        entries = {member.name: archive.extractfile(member).read() for member in archive}
    return entries, json.loads(entries.pop("index.json"))


@pytest.mark.parametrize("name", recorded()[1])
def test_recorded_files(name):
    content, told = recorded()[0][name], recorded()[1][name]
    for source in (content, pylstm.load(content)):
        assert [each.prefix for each in pylstm.find_lstms(source)] == told["found"]
        for prefix, (kind, word) in told["misses"].items():
            with pytest.raises(pylstm.WeightFileError) as caught:
                pylstm.LSTM.from_weights(source, prefix)
            assert f"{prefix!r}: {kind} (" in str(caught.value)
            assert word in str(caught.value)


# Bounds ---------------------------------------------------------------------------------------


def test_many_and_long_names_take_time_in_proportion():
    many = {**lstm(), **{f"a.{k}.weight": np.float32(1) for k in range(200_000)}}
    assert_units(lambda: pylstm.find_lstms(many), 40)
    chain = {}
    for depth in range(150):
        chain |= prefixed(".".join("a" * depth), lstm()) if depth else lstm()
    chain |= {"a." * 150 + f"b{k}": ones(1) for k in range(5000)}
    assert_units(lambda: near_misses(chain), 20)
    dotted = {**lstm(), **prefixed("a.a", lstm()), ".".join("a" * 1_000_000): ones(1)}
    assert_units(lambda: near_misses(dotted), 20)
    deep = {"x": ones(1)}
    for depth in range(60_000):
        deep = {"x": deep, "y": ones(1)} if depth % 20_000 else {"x": deep, **lstm()}
    assert_units(lambda: near_misses(deep), 80)


def test_names_that_take_too_long_are_an_error(monkeypatch):
    monkeypatch.setattr("pylstm.weights.foreign._MAX_WORK", 10_000)
    tree = {
        **prefixed("a." * 500 + "b", lstm()),
        **{"a." * 600 + str(k): ones(1) for k in range(99)},
    }
    with pytest.raises(pylstm.WeightFileError, match="too long"):
        pylstm.find_lstms(tree)
    assert _Finder("x")._left == 10_000


def test_lazy_tensors_stay_unread():
    tree = lazy_all({**cell(), "ln.weight": ones(3)})
    for value in tree.values():
        object.__setattr__(value.storage.content, "size", 0)
    assert near_misses(tree)[0][1] == "LSTMCell with foreign parameters"


WORDS = [
    *lstm(num_layers=2, bidirectional=True),
    *cell(),
    *("weight_hr_l0", "weight_hh_l0_scale", "weight_hh_l0_zero_point", "weight_hh_l0_g"),
    *("parametrizations.weight_hh_l0.original0", "ln.weight", "x", "", ".", "epoch", "weight"),
    *(
        "module.weight_hh_l0",
        "weight_ih_l1000000",
        "_packed_weight_ih",
        "StructuredToParameterName@@",
    ),
]


def any_value(rng):
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice([None, 3, "text", {}, [], {"weight_ih_l0": ones(12, 2)}])
    if kind == 1:
        return Record(rng.choice([LSTM, "a.B", "torch._utils._rebuild_qtensor"]), state=lstm())
    shape = tuple(rng.choice([0, 1, 2, 3, 4, 6, 12]) for _ in range(rng.randrange(4)))
    dtype = rng.choice(["f4", "f4", "f2", "f8", "i1", "u2", "?", "c8", "U3"])
    return np.zeros(shape, dtype)


@pytest.mark.parametrize("seed", range(300))
def test_any_change_of_names_shapes_and_dtypes_is_an_error_of_the_file(seed):
    rng = random.Random(seed)
    options = {"num_layers": rng.randrange(1, 3), "bidirectional": rng.random() < 0.5}
    tree = rng.choice([lstm(**options), cell(), lstm(proj_size=2)])
    for _ in range(rng.randrange(1, 5)):
        how, name = rng.randrange(4), rng.choice([*tree, "x"])
        if how == 0:
            tree.pop(name, None)
        elif how == 1:
            tree[rng.choice(WORDS)] = tree.get(name, any_value(rng))
        else:
            tree[rng.choice(WORDS) if how == 2 else name] = any_value(rng)
    if rng.random() < 0.3:
        tree = Record(rng.choice([LSTM, CELL, "a.B"]), state=tree)
    found = pylstm.find_lstms(tree)
    for cls in (pylstm.LSTM, pylstm.LSTMCell):
        try:
            made = cls.from_weights(tree)
        except pylstm.WeightFileError:
            continue
        assert any(each.input_size == made.input_size for each in found)
        assert all(np.isfinite(value).all() for value in made.state_dict().values())
