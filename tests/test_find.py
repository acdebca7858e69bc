"""find_lstms knows LSTMs by the names and shapes of their parameters, wherever they stand."""

import itertools

import numpy as np
import pytest
from file_trees import lazy, lazy_all, storage, whole_module
from reference import parameter_shapes
from timing import assert_units

import pylstm
from pylstm.files.base.record import Record, Unsupported
from pylstm.files.base.tensor import Tensor
from pylstm.weights.find import survey

OPTIONS = [
    {"num_layers": layers, "bias": bias, "bidirectional": both, "proj_size": projection}
    for layers, bias, both, projection in itertools.product(
        (1, 2, 3), (True, False), (True, False), (0, 1, 4)
    )
]


KINDS = {4: "LSTM", 3: "GRU", 1: "RNN"}  # by the number of gates


def zeros(input_size, hidden_size, num_layers=1, bias=True, bidirectional=False, proj_size=0):
    """The parameters of an LSTM."""
    shapes = parameter_shapes(input_size, hidden_size, num_layers, bias, bidirectional, proj_size)
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def gated(gates, input_size, hidden_size, suffix="_l0"):
    """The parameters of another recurrent network: 3 gates make a GRU, 1 an RNN."""
    rows = gates * hidden_size
    return {
        "weight_ih" + suffix: np.zeros((rows, input_size), np.float32),
        "weight_hh" + suffix: np.zeros((rows, hidden_size), np.float32),
        "bias_ih" + suffix: np.zeros(rows, np.float32),
        "bias_hh" + suffix: np.zeros(rows, np.float32),
    }


def prefixed(prefix, mapping):
    return {f"{prefix}.{name}": value for name, value in mapping.items()}


def only(tree):
    """The one thing in a tree: a FoundRecurrent or a NearMiss."""
    report = survey(tree, "<test>")
    [one] = [candidate.found for candidate in report.candidates] + report.near_misses
    return one


def near_miss(tree):
    one = only(tree)
    assert pylstm.find_recurrent(tree) == []
    return one.prefix, one.kind, one.reason


# Sizes and options ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("prefix", ["", "lstm", "module._orig_mod.encoder.rnns.0"])
def test_every_structure_is_read_off_the_shapes(options, prefix):
    parameters = zeros(3, 5, **options)
    tree = prefixed(prefix, parameters) if prefix else parameters
    [found] = pylstm.find_lstms(lazy_all(tree))
    assert pylstm.find_lstms(tree) == [found]
    sizes = {"input_size": 3, "hidden_size": 5}
    assert {name: getattr(found, name) for name in (*sizes, *options)} == sizes | options
    assert (found.prefix, found.kind) == (prefix, "LSTM")
    assert found.dtype == np.float32
    assert found.num_parameters == sum(value.size for value in parameters.values())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 5), (0, 2)])
def test_cells(sizes, bias):
    parameters = pylstm.LSTMCell(*sizes, bias=bias).state_dict()
    [found] = pylstm.find_lstms(prefixed("decoder", parameters))
    assert (found.prefix, found.kind, found.bias) == ("decoder", "LSTMCell", bias)
    assert (found.input_size, found.hidden_size, found.num_layers) == (*sizes, 1)


@pytest.mark.parametrize("dtype", ["float64", "float16", "longdouble", ">f4", ">f2"])
def test_dtypes(dtype):
    tree = {name: value.astype(dtype) for name, value in zeros(2, 3).items()}
    [found] = pylstm.find_lstms(tree)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert found.dtype.isnative


def test_bfloat16_is_what_load_gives():
    tree = {name: lazy(value.astype(np.uint16), "bfloat16") for name, value in zeros(2, 3).items()}
    [found] = pylstm.find_lstms(tree)
    assert found.dtype == np.float32


def test_order_of_the_names_does_not_matter():
    parameters = zeros(2, 3, num_layers=12, bidirectional=True)
    [found] = pylstm.find_lstms(dict(sorted(parameters.items())))
    assert found.num_layers == 12
    [candidate] = survey(dict(reversed(parameters.items())), "<test>").candidates
    assert list(candidate.parameters) == list(parameters)


# Where they stand -----------------------------------------------------------------------------


def test_several_and_both_kinds_in_one_file():
    tree = {
        "epoch": 7,
        "state_dict": {
            **prefixed("encoder", zeros(2, 3, bidirectional=True)),
            "embedding.weight": np.zeros((9, 2)),
            **prefixed("encoder.gate", gated(4, 2, 2, suffix="")),
            **prefixed("decoder", zeros(6, 3, num_layers=2)),
        },
        "optimizer": {"state": {0: {"exp_avg": np.zeros(3)}}, "param_groups": [{"params": [0]}]},
    }
    found = pylstm.find_lstms(tree)
    assert [(one.prefix, one.kind) for one in found] == [
        ("state_dict.encoder", "LSTM"),
        ("state_dict.encoder.gate", "LSTMCell"),
        ("state_dict.decoder", "LSTM"),
    ]


def test_an_lstm_and_a_cell_with_the_same_prefix():
    found = pylstm.find_lstms({**zeros(2, 3), **gated(4, 5, 2, suffix="")})
    assert [(one.prefix, one.kind, one.input_size) for one in found] == [
        ("", "LSTM", 2),
        ("", "LSTMCell", 5),
    ]


@pytest.mark.parametrize(
    ("tree", "prefix"),
    [
        ({"a": {"b": {"c": zeros(2, 3)}}}, "a.b.c"),
        ({"a.b": {"c": zeros(2, 3)}}, "a.b.c"),
        ({"a": prefixed("b.c", zeros(2, 3))}, "a.b.c"),
        ([1, ({"x": zeros(2, 3)},)], "1.0.x"),
        ({"": {"": zeros(2, 3)}}, ""),
        ({"": prefixed("a", zeros(2, 3))}, "a"),
        ({3: zeros(2, 3)}, "3"),
        ({10**5000: zeros(2, 3)}, "<int>"),
        ({(1, 2): zeros(2, 3)}, "<tuple>"),
        (Record("a.B", args=("x", {"y": zeros(2, 3)})), "1.y"),
        (Record("a.B", items=[zeros(2, 3)]), "0"),
        (Record("a.B", items=zeros(2, 3)), ""),
        (Record("a.B", state=(None, {"slot": zeros(2, 3)})), "slot"),
        (Record("a.B", state=[zeros(2, 3)]), "state.0"),
    ],
    ids=range(14),
)
def test_paths(tree, prefix):
    [found] = pylstm.find_lstms(tree)
    assert found.prefix == prefix


def test_whole_modules():
    lstm = whole_module("torch.nn.modules.rnn.LSTM", zeros(2, 3), batch_first=True, dropout=0.5)
    cell = whole_module("torch.nn.modules.rnn.LSTMCell", gated(4, 2, 2, suffix="") | {"x": None})
    layers = whole_module("torch.nn.modules.container.ModuleList", modules={"0": lstm})
    tree = {"model": whole_module("mine.Tagger", modules={"layers": layers, "cell": cell})}
    report = survey(tree, "<test>")
    prefixes = [candidate.found.prefix for candidate in report.candidates]
    assert prefixes == ["model.layers.0", "model.cell"]
    assert report.candidates[0].facts["batch_first"] is True
    assert not report.near_misses


def test_torchscript_modules_keep_parameters_as_plain_attributes():
    parameters = zeros(2, 3, bidirectional=True)
    attributes = {"training": False, **parameters, "_flat_weights": list(parameters.values())}
    lstm = Record("__torch__.torch.nn.modules.rnn.LSTM", state=attributes)
    [found] = pylstm.find_lstms(Record("__torch__.Tagger", state={"training": False, "rnn": lstm}))
    assert (found.prefix, found.bidirectional) == ("rnn", True)


def test_a_container_is_reported_at_its_first_place():
    shared = zeros(2, 3)
    [found] = pylstm.find_lstms({"model": shared, "ema": shared})
    assert found.prefix == "model"


def test_arrays_alone_and_empty_trees():
    for tree in ({}, [], (), np.zeros(3), {"weight": np.zeros((4, 4))}, lazy(np.zeros(3))):
        assert pylstm.find_lstms(tree) == []


# Near misses ----------------------------------------------------------------------------------


def renamed(parameters, name, *others):
    """``parameters`` with other names instead of one."""
    value = parameters[name]
    rest = {key: value for key, value in parameters.items() if key != name}
    return {**rest, **dict.fromkeys(others, value)}


@pytest.mark.parametrize(
    ("names", "adjective"),
    [
        (["{}_g", "{}_v"], "weight-normed"),
        (["{}_g", "{}_v", "{}"], "weight-normed"),
        (["{}_raw", "{}_g"], "weight-dropped"),
        (["{}_orig", "{}_u", "{}_v"], "spectrally normed"),
        (["{}_orig", "{}"], "pruned"),
        (["{}_orig", "{}_mask", "{}_v"], "pruned"),
        (["parametrizations.{}.original0", "parametrizations.{}.original1"], "parametrised"),
        (["parametrizations.{}.original", "parametrizations.{}.0._u"], "parametrised"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l0"])
@pytest.mark.parametrize("gates", [4, 3, 1])
def test_parameters_in_other_forms(names, adjective, name, gates):
    others = [text.format(name) for text in names]
    tree = prefixed("a.rnn", renamed(gated(gates, 2, 4), name, *others))
    prefix, kind, reason = near_miss(tree)
    assert prefix == "a.rnn"
    assert kind == f"{adjective} {KINDS[gates]}"
    assert name in reason


def test_a_weight_normed_cell():
    tree = renamed(gated(4, 2, 4, suffix=""), "weight_hh", "weight_hh_g", "weight_hh_v")
    assert near_miss(tree)[1] == "weight-normed LSTMCell"


def test_parametrised_whole_module():
    parameters = zeros(2, 3)
    original = {"original0": np.zeros((12, 1)), "original1": parameters.pop("weight_hh_l0")}
    hidden = whole_module("torch.nn.utils.parametrize.ParametrizationList", original)
    table = whole_module("torch.nn.modules.container.ModuleDict", (), {"weight_hh_l0": hidden})
    lstm = whole_module("torch...ParametrizedLSTM", parameters, {"parametrizations": table})
    assert near_miss({"m": lstm})[:2] == ("m", "parametrised LSTM")


def test_weights_of_a_whole_wrapper_that_drops_some():
    # fastai: what stands under the plain name is what the last dropout left.
    inner = whole_module("torch.nn.modules.rnn.LSTM", zeros(2, 3))
    raw = {"weight_hh_l0_raw": np.zeros((12, 3), np.float32)}
    wrapper = whole_module("fastai.text.models.awdlstm.WeightDropout", raw, {"module": inner})
    report = survey({"rnns": [wrapper]}, "<test>")
    assert not report.candidates
    assert {(miss.prefix, miss.kind) for miss in report.near_misses} == {
        ("rnns.0", "weight-dropped LSTM"),
        ("rnns.0.module", "weight-dropped LSTM"),
    }


def test_quantised_weights():
    packed = Record("torch.ScriptObject", state=("quantized_dynamic", []))
    tree = {"a._all_weight_values.0.param": packed, "a._all_weight_values.1.param": packed}
    assert near_miss(tree)[:2] == ("a", "quantised LSTM or GRU")
    values = {"0": whole_module("...PackedParameter", param=packed)}
    listed = whole_module("torch.nn.modules.container.ModuleList", modules=values)
    module = whole_module("...dynamic.LSTM", modules={"_all_weight_values": listed})
    assert near_miss([module])[:2] == ("0", "quantised LSTM or GRU")
    cell = {"_packed_weight_ih": packed, "_packed_weight_hh": packed, "bias_ih": np.zeros(12)}
    assert near_miss(prefixed("c", cell))[:2] == ("c", "quantised cell")


def test_quantizable_modules():
    names = ["layers.0.layer_fw.cell.igates.weight", "layers.0.layer_fw.cell.hgates.weight"]
    tree = prefixed("a", dict.fromkeys(names, np.zeros((12, 3))))
    assert near_miss(tree)[:2] == ("a", "quantizable LSTM")


def test_what_a_reader_found_unsupported():
    tree = {"graph": [Unsupported("ONNX LSTM node", "it has peepholes")]}
    assert near_miss(tree) == ("graph.0", "ONNX LSTM node", "it has peepholes")
    assert only(Unsupported("Keras layer", "no")).prefix == ""


def without(parameters, *names):
    return {name: value for name, value in parameters.items() if name not in names}


@pytest.mark.parametrize("missing", zeros(2, 3, 2, bidirectional=True, proj_size=1))
def test_each_parameter_is_needed(missing):
    _, kind, reason = near_miss(without(zeros(2, 3, 2, bidirectional=True, proj_size=1), missing))
    # Without weight_hr_l0 the others say as little as with it.
    assert kind == "incomplete LSTM"
    assert missing in reason


@pytest.mark.parametrize("missing", ["weight_ih", "weight_hh", "bias_ih"])
def test_each_parameter_of_a_cell_is_needed(missing):
    _, kind, reason = near_miss(without(gated(4, 2, 3, suffix=""), missing))
    assert (kind, reason) == ("incomplete LSTMCell", f"{missing} is missing")


@pytest.mark.parametrize("name", zeros(2, 3, 2, bidirectional=True, proj_size=1))
@pytest.mark.parametrize("axis", [0, 1])
def test_each_shape_must_fit(name, axis):
    parameters = zeros(2, 3, 2, bidirectional=True, proj_size=1)
    if axis >= parameters[name].ndim:
        parameters[name] = parameters[name][:, None]
    elif name == "weight_ih_l0" and axis == 1:
        name = "weight_ih_l0_reverse"
    parameters[name] = np.repeat(parameters[name], 2, axis=axis)
    _, kind, reason = near_miss(parameters)
    assert kind == "inconsistent LSTM"
    assert "has shape" in reason


@pytest.mark.parametrize(
    ("tree", "kind", "words"),
    [
        (zeros(2, 3) | {"bias_ih_l1": np.zeros(12)}, "incomplete LSTM", "weight_ih_l1 is missing"),
        ({"weight_ih_l0": np.zeros((12, 3))}, "incomplete LSTM", "weight_hh_l0 is missing"),
        ({"bias_ih": np.zeros(12)}, "incomplete LSTMCell", "weight_hh is missing"),
        (gated(0, 2, 3), "inconsistent LSTM", "(0, 3)"),
        (gated(4, 2, 0), "inconsistent LSTM", "(0, 0)"),
        (gated(4, 0, 2), "inconsistent LSTM", "no inputs"),
        (gated(5, 2, 3), "inconsistent LSTM", "fits no LSTM, GRU or RNN"),
        (gated(2, 2, 3), "inconsistent LSTM", "fits no LSTM, GRU or RNN"),
        (gated(3, 0, 2), "inconsistent GRU", "no inputs"),
        (gated(1, 2, 3) | {"bias_hh_l0": np.zeros(9)}, "inconsistent RNN", "bias_hh_l0 has"),
        (gated(3, 2, 3) | {"weight_hr_l0": np.zeros((1, 3))}, "inconsistent LSTM", "fits no LSTM"),
        (zeros(2, 3) | {"weight_hr_l0": np.zeros((3, 3))}, "inconsistent LSTM", "fits no LSTM"),
        (
            gated(4, 2, 3, suffix="") | {"weight_hr": np.zeros((1, 3))},
            "inconsistent LSTMCell",
            "fits no",
        ),
        (
            {name: value.astype(complex) for name, value in zeros(2, 3).items()},
            "inconsistent LSTM",
            "complex128",
        ),
        (
            zeros(2, 3) | {"weight_ih_l0": Record("torch._utils._rebuild_qtensor")},
            "LSTM of foreign tensors",
            "_rebuild_qtensor",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_inconsistent_sets(tree, kind, words):
    _, told, reason = near_miss(tree)
    assert told == kind
    assert words in reason


# Parts ----------------------------------------------------------------------------------------


def directions(reverse, parameters):
    """Those of one direction, under their own names."""
    return {name: value for name, value in parameters.items() if ("reverse" in name) == reverse}


def layers(parameters, *numbers):
    """Those of some layers."""
    ends = tuple(f"_l{number}{end}" for number in numbers for end in ("", "_reverse"))
    return {name: value for name, value in parameters.items() if name.endswith(ends)}


BOTH = {"bidirectional": True}


@pytest.mark.parametrize(
    ("tree", "kind", "words"),
    [
        (
            directions(False, zeros(2, 3, 2, **BOTH)),
            "part of a bidirectional LSTM",
            "weight_ih_l1 has 6",
        ),
        (
            directions(False, zeros(2, 4, 3, **BOTH)),
            "part of a bidirectional LSTM",
            "weight_ih_l1 has 8",
        ),
        (
            directions(False, zeros(2, 5, 2, **BOTH, proj_size=2)),
            "part of a bidirectional LSTM",
            "weight_ih_l1 has 4 inputs, those of two directions with 2 each",
        ),
        (
            directions(False, zeros(2, 3, 2, False, True)),
            "part of a bidirectional LSTM",
            "l1 has 6",
        ),
        (
            directions(True, zeros(2, 3, **BOTH)),
            "part of a bidirectional LSTM",
            "reverse direction alone",
        ),
        (
            directions(True, zeros(2, 3, 2, **BOTH)),
            "part of a bidirectional LSTM",
            "reverse direction alone",
        ),
        (
            directions(False, zeros(2, 3, 2, **BOTH)) | layers(zeros(2, 3, 2, **BOTH), 0),
            "part of a bidirectional LSTM",
            "layer 1 has the forward direction alone",
        ),
        (
            directions(True, zeros(2, 3, 2, **BOTH)) | layers(zeros(2, 3, 2, **BOTH), 1),
            "part of a bidirectional LSTM",
            "layer 0 has the reverse direction alone",
        ),
        (directions(True, gated(3, 2, 4, "_l0_reverse")), "part of a bidirectional GRU", "alone"),
        (layers(zeros(2, 3, 3), 0, 2), "incomplete LSTM", "layer 1 of at least 3 is missing"),
        (
            layers(zeros(2, 3, 3, **BOTH), 1, 2),
            "incomplete LSTM",
            "layer 0 of at least 3 is missing",
        ),
        (layers(zeros(2, 3, 2), 1), "incomplete LSTM", "layer 0 of at least 2 is missing"),
        (
            layers(zeros(2, 3, 5), 0, 4),
            "incomplete LSTM",
            "layers 1 to 3 of at least 5 are missing",
        ),
        (
            layers(zeros(2, 3, 9), 5, 8),
            "incomplete LSTM",
            "layers 0 to 4 of at least 9 are missing",
        ),
        (
            {"bias_hh_l7": np.zeros(12)},
            "incomplete LSTM",
            "layers 0 to 6 of at least 8 are missing",
        ),
        (
            {"weight_hh_l999999": np.zeros((12, 3))},
            "incomplete LSTM",
            "layers 0 to 999998 of at least 1000000 are missing",
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_parts_that_names_or_shapes_show(tree, kind, words):
    _, told, reason = near_miss(prefixed("a", tree))
    assert told == kind
    assert words in reason
    with pytest.raises(pylstm.WeightFileError, match=kind):
        pylstm.LSTM.from_weights(lazy_all(tree))


def test_inputs_that_are_twice_too_many_by_another_reason():
    # Both directions are there: then it is only a shape that does not fit.
    tree = zeros(2, 3, 2, **BOTH)
    tree["weight_ih_l1"] = np.zeros((12, 12), np.float32)
    assert near_miss(tree)[1] == "inconsistent LSTM"
    tree = zeros(2, 3, 2) | {"weight_ih_l1": np.zeros((12, 9))}
    assert near_miss(tree)[1] == "inconsistent LSTM"


# One bias -------------------------------------------------------------------------------------


def one_bias(parameters):
    return {name: value for name, value in parameters.items() if "bias_hh" not in name}


@pytest.mark.parametrize("options", [each for each in OPTIONS if each["bias"]], ids=str)
def test_the_second_bias_may_be_missing_everywhere(options):
    whole, tree = zeros(3, 5, **options), one_bias(zeros(3, 5, **options))
    [full], [found] = pylstm.find_lstms(whole), pylstm.find_lstms(lazy_all(tree))
    assert found.bias
    assert found.num_parameters == sum(value.size for value in tree.values())
    assert full.__dict__ | {"num_parameters": 0} == found.__dict__ | {"num_parameters": 0}
    # Not only in some places.
    for name in whole:
        if "bias_hh" in name and len([each for each in whole if "bias_hh" in each]) > 1:
            told = near_miss({**tree, name: whole[name]})
            assert told[1] == "incomplete LSTM"
            assert "bias_hh" in told[2]


def test_the_second_bias_of_a_cell_and_the_first():
    cell = gated(4, 2, 3, suffix="")
    [found] = pylstm.find_lstms(one_bias(cell))
    assert (found.kind, found.bias) == ("LSTMCell", True)
    # The first one is never missing: exports with one bias call it bias_ih.
    assert near_miss(without(cell, "bias_ih"))[2] == "bias_ih is missing"
    lstm = zeros(2, 3, 2)
    assert near_miss(without(lstm, "bias_ih_l0", "bias_ih_l1"))[2] == "bias_ih_l0 is missing"
    # A whole module of torch has both or none.
    for kind, tree in (("LSTM", lstm), ("LSTMCell", cell)):
        module = whole_module(f"torch.nn.modules.rnn.{kind}", one_bias(tree))
        assert near_miss(module)[1] == f"incomplete {kind}"


def test_the_same_name_twice_is_ambiguous():
    lstm = whole_module("mine.LSTM", zeros(2, 3), weight_hh_l0=np.ones((12, 3), np.float32))
    assert near_miss(lstm)[1] == "ambiguous LSTM"


@pytest.mark.parametrize(
    "name",
    [
        "weight_hh_l00",
        "weight_hh_l1234567",
        "weight_hh_l٠",
        "weight_hh_l-1",
        "weight_hh_l0_backward",
        "bias_hr_l0",
        "Weight_hh_l0",
        "weight_hh_l0 ",
        "xweight_hh_l0",
    ],
)
def test_names_that_are_not_torchs(name):
    tree = {**zeros(2, 3), name: np.zeros((12, 3))}
    assert near_miss(tree)[:2] == ("", "LSTM with foreign parameters")
    assert repr(near_miss(tree)[2]).startswith(repr(name)[:-1])
    alone = {name: np.zeros((12, 3))}
    report = survey(alone, "<test>")
    assert report.candidates == report.near_misses == []


def test_dicts_of_an_optimiser_are_no_parameters():
    tree = {name: {"exp_avg": np.zeros(2), "step": 3} for name in zeros(2, 3)}
    report = survey({"state": tree}, "<test>")
    assert not report.candidates
    assert not report.near_misses


# Memory that parameters share -----------------------------------------------------------------


def test_expanded_views_are_refused():
    one = storage(b"\0\0\0\0")
    tree = {
        "weight_ih_l0": Tensor(one, (4 << 20, 1 << 20), (0, 0)),
        "weight_hh_l0": Tensor(one, (4 << 20, 1 << 20), (0, 0)),
    }
    assert "expanded view" in near_miss(tree)[2]
    arrays = {name: np.broadcast_to(np.zeros(1), leaf.shape) for name, leaf in tree.items()}
    assert "expanded view" in near_miss(arrays)[2]


def test_thousands_of_layers_of_the_same_memory_are_refused():
    big = storage(bytes(4 * 4 * 512 * 512))
    shape = (4 * 512, 512)
    names = ("weight_ih_l{}", "weight_hh_l{}")
    tree = {name.format(k): Tensor(big, shape) for k in range(500) for name in names}
    assert "share their memory" in near_miss(tree)[2]
    array = np.zeros(shape)
    assert "share their memory" in near_miss(dict.fromkeys(tree, array))[2]


def test_tied_and_flat_parameters_are_honest():
    tied = dict.fromkeys(("weight_ih_l0", "weight_hh_l0", "weight_ih_l1"), np.zeros((12, 3)))
    [found] = pylstm.find_lstms({**tied, "weight_hh_l1": np.zeros((12, 3))})
    assert (found.num_layers, found.num_parameters) == (2, 4 * 36)
    flat, offset, tree = storage(bytes(4 * 1000)), 0, {}
    for name, value in zeros(2, 3, 2, bidirectional=True).items():
        tree[name] = Tensor(flat, value.shape, None, offset)
        offset += value.size
    assert len(pylstm.find_lstms(tree)) == 1


# Bounds ---------------------------------------------------------------------------------------


def test_cycles_and_shared_containers_cost_what_they_hold():
    cycle = {"a": zeros(2, 3)}
    cycle["again"] = cycle
    record = Record("a.B")
    record.args, record.state, record.items = (record,), {"self": record, "c": cycle}, [cycle]
    assert [one.prefix for one in pylstm.find_lstms(record)] == ["c.a"]
    doubled = [zeros(2, 3)]
    for _ in range(60):
        doubled = {"left": doubled, "right": doubled}
    assert len(pylstm.find_lstms(doubled)) == 1


def test_parts_that_records_share_are_walked_once():
    state = {f"name{k}": [k] for k in range(2000)}
    items = [[k] for k in range(2000)]
    args = tuple(items)
    tree = [Record("a.B", args=args, state=state, items=items) for _ in range(2000)]
    tree += [Record("a.B", state=args) for _ in range(2000)]
    assert pylstm.find_lstms(tree) == []
    assert_units(lambda: pylstm.find_lstms(tree), 10)  # 16 million entries took longer


def test_deep_nesting():
    tree = zeros(2, 3)
    for _ in range(65_000):
        tree = Record("a.B", state={"_modules": {"x": tree}})
    [found] = pylstm.find_lstms(tree)
    assert found.prefix == "x." * 64_999 + "x"
    for _ in range(1000):
        tree = [tree]
    with pytest.raises(pylstm.WeightFileError, match="nested more than 65536 deep"):
        pylstm.find_lstms(tree)


def test_names_beyond_measure_are_an_error():
    deep = [zeros(2, 3) for _ in range(100)]
    for _ in range(200):
        deep = {"x" * 10_000: deep}
    with pytest.raises(pylstm.WeightFileError, match="too long"):
        pylstm.find_lstms(deep)
    nameless = [zeros(2, 3) for _ in range(1000)]
    for _ in range(50_000):
        nameless = {"": nameless}
    with pytest.raises(pylstm.WeightFileError, match="too long"):
        pylstm.find_lstms(nameless)
    many = {f"m{k}.weight_hh": np.zeros((4, 1)) for k in range(1 << 16)}
    survey(many, "<test>")
    many["weight_hh"] = np.zeros((4, 1))
    with pytest.raises(pylstm.WeightFileError, match="more than 65536 parameters"):
        pylstm.find_lstms(many)


def test_text_of_a_find():
    found = only(prefixed("a", zeros(2, 5, 3, False, True, 4)))
    assert str(found) == (
        "'a': LSTM(2, 5, num_layers=3, bias=False, bidirectional=True, proj_size=4) of float32"
    )
    assert str(only(prefixed("b", gated(3, 2, 3)))) == "'b': GRU(2, 3) of float32"
    miss = only(prefixed("b", without(gated(3, 2, 3), "bias_ih_l0")))
    assert str(miss) == "'b': incomplete GRU (bias_ih_l0 is missing)"
