"""from_weights makes the module that a file holds: from recorded files of torch, without torch."""

import io
import itertools
import threading
import warnings

import numpy as np
import pytest
import recorded_files
from file_trees import Counted, arrays_by_path, lazy, lazy_all, whole_module
from recorded_files import assert_as_accurate, run, truth
from reference import cell_parameter_shapes, make_parameters, parameter_shapes
from support import assert_same_bits, with_parameters

import pylstm
from pylstm.files.base.record import Record, RecurrentLayer

FILES = recorded_files.recorded_files()
# Recorded with an LSTM, when whole numbers were taken for weights.
WHOLE_NUMBERS = ("torch.int8", "torch.int64", "torch.uint8", "torch.bool")
MODULES = [
    (name, prefix)
    for name, file in FILES.items()
    for prefix in file.modules
    if name not in WHOLE_NUMBERS
]


def parameters(seed=1, dtype=np.float32, **options):
    """The parameters of an LSTM(2, 3)."""
    return make_parameters(seed, parameter_shapes(2, 3, **options), dtype, scale=1.0)


def cell_parameters(seed=1, dtype=np.float32, **options):
    return make_parameters(seed, cell_parameter_shapes(2, 3, **options), dtype, scale=1.0)


def prefixed(prefix, mapping):
    return {f"{prefix}.{name}": value for name, value in mapping.items()}


# Recorded files -------------------------------------------------------------------------------


def test_there_are_enough_recorded_files():
    assert len(FILES) >= 60
    assert recorded_files.ARCHIVE.stat().st_size < 200_000


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mapped"])
@pytest.mark.parametrize("name", FILES)
def test_load_gives_the_arrays(name, mmap):
    loaded = arrays_by_path(pylstm.load(FILES[name].content, mmap=mmap))
    for path, expected in FILES[name].arrays.items():
        assert_same_bits(loaded[path], expected)


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_recorded_whole_numbers_are_no_weights(name):
    dtype = name.removeprefix("torch.")
    assert pylstm.find_lstms(FILES[name].content) == []
    with pytest.raises(pylstm.WeightFileError, match=f"whole numbers .* is of dtype {dtype}"):
        pylstm.LSTM.from_weights(FILES[name].content)


@pytest.mark.parametrize("name", sorted(FILES.keys() - set(WHOLE_NUMBERS)))
def test_find_lstms_finds_what_is_there(name):
    found = {one.prefix: one for one in pylstm.find_lstms(FILES[name].content)}
    assert set(found) == set(FILES[name].modules)
    for prefix, module in FILES[name].modules.items():
        assert found[prefix].kind == module.kind
        for attribute, value in module.structure.items():
            assert getattr(found[prefix], attribute) == value
    assert pylstm.find_lstms(pylstm.load(FILES[name].content)) == list(found.values())


@pytest.mark.parametrize(("name", "prefix"), MODULES)
def test_modules_compute_what_torch_computed(name, prefix):
    file, expected = FILES[name], FILES[name].modules[prefix]
    cls = getattr(pylstm, expected.kind)
    module = cls.from_weights(file.content, prefix)
    options = {"batch_first": False, "dropout": 0.0, "training": True} | expected.options
    for attribute, value in (expected.structure | options).items():
        assert getattr(module, attribute, value) == value
    if expected.batch_first:
        module.batch_first = True
    start = prefix + "." if prefix else ""
    own = {key: file.arrays[start + key] for key in module.state_dict()}
    exact = truth(own, expected.kind, expected.batch_first)
    assert_as_accurate(run(module), expected.results, exact)
    # The same from what load returned.
    other = cls.from_weights(pylstm.load(file.content), prefix)
    assert_same_bits(tuple(other.state_dict().values()), tuple(module.state_dict().values()))


def test_from_paths_and_file_objects(tmp_path):
    file = FILES["structure_9"]
    path = tmp_path / "no suffix"
    path.write_bytes(b"before" + file.content)
    with path.open("rb") as opened:
        opened.seek(6)
        from_object = pylstm.LSTM.from_weights(opened)
        assert not opened.closed
    path.write_bytes(file.content)
    for module in (from_object, *map(pylstm.LSTM.from_weights, (path, str(path)))):
        state = prefixed("lstm", module.state_dict())
        assert_same_bits(tuple(state.values()), tuple(file.arrays.values()))


# Dtypes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("float16", "float32"),
        ("longdouble", "float32"),
        (">f8", "float64"),
    ],
)
def test_the_dtype_is_the_files_where_it_can_be(dtype, expected):
    tree = {name: (4 * value).astype(dtype) for name, value in parameters().items()}
    module = pylstm.LSTM.from_weights(tree)
    assert module.weight_ih_l0.dtype == expected
    for name, value in module.state_dict().items():
        assert_same_bits(value, tree[name].astype(expected))
    for wanted in (np.float32, "float64"):
        assert pylstm.LSTM.from_weights(tree, dtype=wanted).weight_ih_l0.dtype == wanted


def test_bfloat16_is_widened():
    bits = {name: value.view(np.uint32) >> 16 for name, value in parameters().items()}
    tree = {name: lazy(value.astype(np.uint16), "bfloat16") for name, value in bits.items()}
    module = pylstm.LSTM.from_weights(tree)
    assert_same_bits(module.bias_ih_l0, (bits["bias_ih_l0"] << 16).view(np.float32))


def test_views_are_read_as_they_stand():
    expected = parameters()
    views = {
        "weight_ih_l0": np.asfortranarray(expected["weight_ih_l0"]),
        "weight_hh_l0": np.repeat(expected["weight_hh_l0"], 2, axis=1)[:, ::2],
        "bias_ih_l0": expected["bias_ih_l0"][::-1].copy()[::-1],
        "bias_hh_l0": expected["bias_hh_l0"],
    }
    state = pylstm.LSTM.from_weights(views).state_dict()
    assert_same_bits(tuple(state.values()), tuple(expected.values()))


def test_the_module_owns_its_parameters():
    tree = parameters()
    module = pylstm.LSTM.from_weights(tree)
    before = module.weight_ih_l0.copy()
    tree["weight_ih_l0"][...] = 7
    assert_same_bits(module.weight_ih_l0, before)
    module.weight_ih_l0 = np.zeros_like(before)
    assert (tree["weight_ih_l0"] == 7).all()


# Choosing -------------------------------------------------------------------------------------


CHECKPOINT = {
    "epoch": 3,
    "state_dict": {
        **prefixed("module.encoder.rnn", parameters(1, bidirectional=True)),
        **prefixed("module.decoder.rnn", parameters(2)),
        **prefixed("module.decoder.step", cell_parameters(3)),
        **prefixed("rnn", parameters(4, num_layers=2)),
        "gru.weight_ih_l0": np.zeros((9, 2)),
        "gru.weight_hh_l0": np.zeros((9, 3)),
    },
    "rnn": parameters(5, bias=False),
}


@pytest.mark.parametrize(
    ("prefix", "seed"),
    [
        ("state_dict.module.encoder.rnn", 1),
        ("encoder.rnn", 1),
        ("module.decoder.rnn", 2),
        ("state_dict.rnn", 4),
        ("rnn", 5),  # a whole path goes before the ends of others
    ],
)
def test_prefixes(prefix, seed):
    weight = pylstm.LSTM.from_weights(CHECKPOINT, prefix).weight_ih_l0
    assert_same_bits(weight, parameters(seed)["weight_ih_l0"])


def test_the_only_one_of_its_kind_needs_no_prefix():
    state = pylstm.LSTMCell.from_weights(CHECKPOINT).state_dict()
    assert_same_bits(tuple(state.values()), tuple(cell_parameters(3).values()))


@pytest.mark.parametrize("prefix", [None, "coder.rnn", "encoder", "encoder.rnn.", "", "module"])
def test_no_choice_lists_what_there_is(prefix):
    with pytest.raises(ValueError, match="LSTM") as caught:
        pylstm.LSTM.from_weights(CHECKPOINT, prefix)
    assert isinstance(caught.value, pylstm.WeightFileError)
    text = str(caught.value)
    assert ("choose one by its whole prefix" in text) == (prefix is None)
    for line in (
        "'state_dict.module.encoder.rnn': LSTM(2, 3, bidirectional=True) of float32",
        "'state_dict.module.decoder.step': LSTMCell(2, 3) of float32",
        "'rnn': LSTM(2, 3, bias=False) of float32",
        "'state_dict.gru': GRU(2, 3, bias=False) of float64",
    ):
        assert f"\n  {line}" in text


def test_an_end_that_fits_several_is_refused():
    tree = {key: value for key, value in CHECKPOINT.items() if key != "rnn"}
    with pytest.raises(ValueError, match="holds 3 LSTMs with prefix 'rnn'; choose one"):
        pylstm.LSTM.from_weights(tree, "rnn")
    assert pylstm.LSTM.from_weights(tree, "state_dict.rnn").num_layers == 2


@pytest.mark.parametrize("prefix", ["/encoder/LSTM", "encoder/LSTM", "encoder.LSTM", "LSTM"])
def test_slashes_in_a_path_may_be_dots(prefix):
    tree = {"/encoder/LSTM": parameters(1), "/encoder/LSTM_1": parameters(2)}
    weight = pylstm.LSTM.from_weights(tree, prefix).weight_ih_l0
    assert_same_bits(weight, parameters(1)["weight_ih_l0"])
    both = {**tree, "encoder": {"LSTM": parameters(3)}}
    weight = pylstm.LSTM.from_weights(both, "/encoder/LSTM").weight_ih_l0
    assert_same_bits(weight, parameters(1)["weight_ih_l0"])
    weight = pylstm.LSTM.from_weights(both, "encoder.LSTM").weight_ih_l0
    assert_same_bits(weight, parameters(3)["weight_ih_l0"])
    with pytest.raises(pylstm.WeightFileError, match="holds 2 LSTMs with prefix 'LSTM'; choose"):
        pylstm.LSTM.from_weights(both, "LSTM")
    for none in ("STM", "coder.LSTM", "encoder", "LSTM/", "//encoder/LSTM"):
        with pytest.raises(pylstm.WeightFileError, match="it holds no LSTM with prefix"):
            pylstm.LSTM.from_weights(tree, none)


def test_short_and_long_lists():
    with pytest.raises(ValueError, match=r"^<dict>: it holds no LSTM, nor the like of it$"):
        pylstm.LSTM.from_weights({"weight": np.zeros(3)})
    gru = {"weight_ih_l0": np.zeros((9, 2)), "weight_hh_l0": np.zeros((9, 3))}
    with pytest.raises(ValueError, match="it holds no LSTMCell; there are:\n  '': GRU"):
        pylstm.LSTMCell.from_weights(gru)
    many = {f"m{k}": parameters() for k in range(100)}
    with pytest.raises(ValueError, match=r"holds 100 LSTMs(.|\n)*and 80 more$") as caught:
        pylstm.LSTM.from_weights(many)
    assert len(str(caught.value).splitlines()) == 22


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, a=np.zeros(2))
    with pytest.raises(pylstm.WeightFileError) as caught:
        pylstm.LSTM.from_weights(path)
    assert caught.value.file == str(path)
    with pytest.raises(FileNotFoundError):
        pylstm.LSTM.from_weights(tmp_path / "absent.pt")
    with pytest.raises(OSError):
        pylstm.find_lstms(tmp_path)
    for wrong in (3, None, pylstm.LSTM(2, 3)):
        with pytest.raises(TypeError, match="source must be"):
            pylstm.LSTM.from_weights(wrong)


# Options --------------------------------------------------------------------------------------


WHOLE = whole_module(
    "torch.nn.modules.rnn.LSTM", parameters(num_layers=2), batch_first=True, dropout=0.5
)


def test_recorded_options_are_defaults():
    module = pylstm.LSTM.from_weights(WHOLE)
    assert (module.batch_first, module.dropout, module.training) == (True, 0.5, True)
    module = pylstm.LSTM.from_weights(WHOLE, batch_first=False, dropout=0.25, dtype="float64")
    assert (module.batch_first, module.dropout, module._native_dtype) == (False, 0.25, np.float64)
    still = whole_module("torch.nn.modules.rnn.LSTM", parameters())
    still.state["training"] = False
    assert not pylstm.LSTM.from_weights(still).training


def test_recorded_options_may_be_anything():
    for value in (None, "yes", 2, -1, 1.5, float("nan"), 10**400, [True], Record("a.B"), {}):
        odd = whole_module(
            "torch.nn.modules.rnn.LSTM", parameters(), batch_first=value, dropout=value
        )
        odd.state["training"] = value
        module = pylstm.LSTM.from_weights(odd)
        assert (module.batch_first, module.dropout, module.training) == (False, 0.0, True)
    module = pylstm.LSTM.from_weights(
        whole_module("torch.nn.modules.rnn.LSTM", parameters(), dropout=1)
    )
    assert module.dropout == 1.0  # without a warning: it was given when the file was made
    odd = whole_module(
        "torch.nn.modules.rnn.LSTMCell", cell_parameters(), batch_first=True, dropout=0.5
    )
    assert not hasattr(pylstm.LSTMCell.from_weights(odd), "dropout")


def test_options_are_checked_as_the_constructor_checks_them():
    with pytest.raises(ValueError, match="dropout should be a number in range"):
        pylstm.LSTM.from_weights(parameters(), dropout=2)
    with pytest.raises(TypeError, match="batch_first should be of type bool"):
        pylstm.LSTM.from_weights(parameters(), batch_first=1)
    with pytest.raises(TypeError, match="float16 is not offered"):
        pylstm.LSTM.from_weights(parameters(), dtype=np.float16)
    with pytest.raises(RuntimeError, match="device 'cuda' is not offered"):
        pylstm.LSTMCell.from_weights(cell_parameters(), device="cuda")
    with pytest.warns(UserWarning, match="dropout option adds dropout"):
        pylstm.LSTM.from_weights(parameters(), dropout=0.5)
    with pytest.raises(TypeError, match="prefix must be a str or None, not int"):
        pylstm.LSTM.from_weights(parameters(), 0)


ACCEPTED = {
    pylstm.LSTM: "batch_first, dropout, device, dtype, weights, bias, gate_activation, activation, "
    "cell_clip, reverse, merge_mode",
    pylstm.LSTMCell: "device, dtype, weights, bias, gate_activation, activation, cell_clip",
}


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers", "proj_size"])
def test_structural_arguments_are_refused(name):
    accepted = f"it takes {ACCEPTED[pylstm.LSTM]}"
    with pytest.raises(TypeError, match=f"no {name}: the shapes in the file tell it; {accepted}"):
        pylstm.LSTM.from_weights(parameters(), **{name: 3})


def test_a_cell_clip_is_an_answer():
    module = pylstm.LSTM(3, 4, cell_clip=0.125)
    read = pylstm.LSTM.from_weights(dict(module.state_dict()), cell_clip=0.125)
    x = np.linspace(-4, 4, 30).reshape(5, 2, 3)
    assert read.cell_clip == 0.125
    assert read(x)[0].tobytes() == module(x)[0].tobytes()
    assert (
        read(x)[0].tobytes() != pylstm.LSTM.from_weights(dict(module.state_dict()))(x)[0].tobytes()
    )
    with pytest.raises(ValueError, match="cell_clip should be None or a finite number above 0"):
        pylstm.LSTM.from_weights(dict(module.state_dict()), cell_clip=-1)


def test_unknown_options_are_refused_before_the_file_is_opened():
    for cls, accepted in ACCEPTED.items():
        with pytest.raises(TypeError, match=f"no strict: there is no such .* takes {accepted}$"):
            cls.from_weights("no such file", strict=True)
    with pytest.raises(TypeError, match=r"LSTMCell\.from_weights\(\) takes no batch_first"):
        pylstm.LSTMCell.from_weights(cell_parameters(), batch_first=True)


# One bias -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [None, ".safetensors", ".npz", ".pt"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
def test_a_missing_second_bias_is_zero(options, suffix, tmp_path):
    for cls, own in ((pylstm.LSTM, parameters(**options)), (pylstm.LSTMCell, cell_parameters())):
        tree = {name: value for name, value in own.items() if not name.startswith("bias_hh")}
        source = prefixed("a", tree)
        if suffix:
            source = tmp_path / f"weights{suffix}"
            pylstm.save(prefixed("a", tree), source)
        made = cls.from_weights(source)
        zeroed = {k: np.zeros_like(v) if k.startswith("bias_hh") else v for k, v in own.items()}
        expected = cls.from_weights(zeroed)
        assert_same_bits(tuple(made.state_dict().values()), tuple(expected.state_dict().values()))
        assert made.bias is True
        if cls is pylstm.LSTM:
            x = np.ones((4, 1, 2))
            assert_same_bits(made(x)[0], expected(x)[0])


def test_a_missing_second_bias_of_a_subclass_that_fills_its_parameters():
    class Filled(pylstm.LSTMCell):
        def reset_parameters(self):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(self, name, np.ones_like(getattr(self, name)))

    tree = cell_parameters()
    del tree["bias_hh"]
    made = Filled.from_weights(tree)
    assert not made.bias_hh.any()
    assert_same_bits(made.bias_ih, tree["bias_ih"])


# What a file leaves open ----------------------------------------------------------------------

OPEN = {"gate_activation": "sigmoid", "activation": "tanh", "reverse": False, "batch_first": True}
STATES = (np.ones((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32))


def layer(seed=1, assumed=None, initial_states=None, **options):
    """What pylstm's readers of other formats make of a layer."""
    state = {"batch_first": True, "_parameters": parameters(seed, **options)}
    return RecurrentLayer(
        "keras.LSTM",
        state,
        assumed=OPEN if assumed is None else assumed,
        initial_states=initial_states,
    )


def warned(action):
    """The texts of the warnings about weight files, and what the action returned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = action()
    assert all(each.category is pylstm.WeightFileWarning for each in caught)
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught], result


def test_what_was_assumed_is_said_once():
    texts, module = warned(lambda: pylstm.LSTM.from_weights({"enc": layer()}))
    assert texts == [
        "<dict>: 'enc': the file does not say how this LSTM was configured; "
        "assumed: gate_activation='sigmoid', activation='tanh', reverse=False; "
        "pass these arguments to confirm them"
    ]
    assert module.batch_first
    [found] = pylstm.find_lstms({"enc": layer()})
    assert found.assumed == OPEN
    confirmed = [found.assumed, {"gate_activation": "sigmoid"}, {"reverse": False}]
    for options in (*confirmed, {"activation": "tanh"}):
        texts, again = warned(lambda options=options: pylstm.LSTM.from_weights(layer(), **options))
        assert texts == []
        assert_same_bits(tuple(again.state_dict().values()), tuple(module.state_dict().values()))
        assert again.batch_first
    # Answers that no number depends on are none.
    for options in ({"batch_first": False}, {"dtype": "float64"}, {"bias": True}):
        texts, again = warned(lambda options=options: pylstm.LSTM.from_weights(layer(), **options))
        assert len(texts) == 1
    assert again.batch_first
    assert not pylstm.LSTM.from_weights(layer(), batch_first=False, reverse=False).batch_first


def test_only_what_was_assumed_is_said():
    texts, _ = warned(lambda: pylstm.LSTM.from_weights(layer(assumed={"reverse": False})))
    assert "configured; assumed: reverse=False; pass" in texts[0]
    for quiet in ({}, {"batch_first": True}, {"bias_hh": 0}):
        assert warned(lambda quiet=quiet: pylstm.LSTM.from_weights(layer(assumed=quiet)))[0] == []
    assert warned(lambda: pylstm.LSTM.from_weights(parameters()))[0] == []
    assert warned(lambda: pylstm.LSTM.from_weights(WHOLE))[0] == []


def test_the_warning_points_at_the_caller_of_a_subclass():
    class Named(pylstm.LSTM):
        pass

    class Overriding(pylstm.LSTM):
        @classmethod
        def from_weights(cls, source, prefix=None, **options):
            return super().from_weights(source, prefix, **options)

    for cls in (Named, Overriding):
        texts, module = warned(lambda cls=cls: cls.from_weights(layer()))
        assert len(texts) == 1
        assert type(module) is cls


def test_the_warning_can_be_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error", pylstm.WeightFileWarning)
        with pytest.raises(pylstm.WeightFileWarning, match="; assumed: "):
            pylstm.LSTM.from_weights(layer())
        pylstm.LSTM.from_weights(layer(), **OPEN)
        warnings.simplefilter("ignore", pylstm.WeightFileWarning)
        pylstm.LSTM.from_weights(layer())


def test_initial_states_are_said():
    source = {"enc": layer(assumed={}, initial_states=STATES)}
    texts, _ = warned(lambda: pylstm.LSTM.from_weights(source))
    assert texts == [
        "<dict>: 'enc': the file starts from constant states that are not zero: "
        "pass the initial_states that find_lstms gives for it as hx"
    ]
    [found] = pylstm.find_lstms(source)
    assert found.initial_states is STATES
    texts, _ = warned(lambda: pylstm.LSTM.from_weights(layer(initial_states=STATES), **OPEN))
    assert len(texts) == 1
    texts, _ = warned(lambda: pylstm.LSTMCell.from_weights(layer(initial_states=STATES)))
    assert len(texts) == 2


def test_a_cell_takes_no_order_of_steps():
    texts, module = warned(lambda: pylstm.LSTMCell.from_weights(layer()))
    told = "LSTMCell was configured; assumed: gate_activation='sigmoid', activation='tanh'; pass"
    assert told in texts[0]
    assert type(module) is pylstm.LSTMCell
    texts, _ = warned(lambda: pylstm.LSTMCell.from_weights(layer(assumed={"reverse": False})))
    assert texts == []
    for name in ("reverse", "batch_first"):
        with pytest.raises(TypeError, match=f"takes no {name}: there is no such option"):
            pylstm.LSTMCell.from_weights(layer(), **{name: False})


SAID = {"described": layer(assumed={}), "whole": WHOLE}
LEFT_OPEN = {"assumed": layer(), "state_dict": parameters()}


@pytest.mark.parametrize(
    ("answer", "is_computed"),
    [
        ({"gate_activation": "hard_sigmoid"}, True),
        ({"gate_activation": "hard_sigmoid3"}, True),
        ({"gate_activation": ""}, False),
        ({"gate_activation": "tanh"}, False),
        ({"activation": "relu"}, True),
        ({"activation": "softsign"}, True),
        ({"activation": "sigmoid"}, False),
        ({"activation": "elu"}, False),
        ({"reverse": True}, True),
    ],
    ids=str,
)
def test_answers_of_what_torch_does_not_compute(answer, is_computed):
    [(name, value)] = answer.items()
    asked = f"{name}={value!r}"
    for source in LEFT_OPEN.values():
        if is_computed:
            assert getattr(pylstm.LSTM.from_weights(source, **answer), name) == value
            continue
        with pytest.raises(ValueError, match=f"pylstm has no LSTM with {asked} yet") as caught:
            pylstm.LSTM.from_weights(source, **answer)
        assert not isinstance(caught.value, pylstm.WeightFileError)
    for source in SAID.values():
        with pytest.raises(pylstm.WeightFileError) as caught:
            pylstm.LSTM.from_weights(source, **answer)
        assert f"{asked} was asked for, and the file says {name}=" in str(caught.value)


def test_answers_that_agree_with_the_file():
    answers = {name: value for name, value in OPEN.items() if name != "batch_first"}
    for source in (*SAID.values(), *LEFT_OPEN.values()):
        module = pylstm.LSTM.from_weights(source, **answers)
        assert_same_bits(module.weight_ih_l0, pylstm.LSTM.from_weights(source, **OPEN).weight_ih_l0)
    module = pylstm.LSTMCell.from_weights(
        cell_parameters(), gate_activation="sigmoid", activation="tanh", bias=True
    )
    assert module.bias is True


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"gate_activation": None}, "gate_activation must be a str, not NoneType"),
        ({"gate_activation": 1}, "gate_activation must be a str, not int"),
        ({"activation": np.tanh}, "activation must be a str, not"),
        ({"reverse": 1}, "reverse must be a bool, not int"),
        ({"reverse": "no"}, "reverse must be a bool, not str"),
        ({"bias": 0}, "bias must be a bool, not int"),
        ({"bias": None}, "bias must be a bool, not NoneType"),
    ],
    ids=str,
)
def test_answers_of_the_wrong_type(answer, words):
    for source in ("no such file", parameters()):
        with pytest.raises(TypeError, match=words):
            pylstm.LSTM.from_weights(source, **answer)


def test_bias_is_answered():
    for cls, own in ((pylstm.LSTM, parameters), (pylstm.LSTMCell, cell_parameters)):
        bare, whole = own(bias=False), own()
        assert cls.from_weights(bare).bias is False
        assert cls.from_weights(bare, bias=False).bias is False
        made = cls.from_weights(bare, bias=True)
        assert made.bias is True
        for name, value in made.state_dict().items():
            assert_same_bits(value, bare.get(name, np.zeros(12, np.float32)))
        assert cls.from_weights(whole, bias=True).bias is True
        with pytest.raises(pylstm.WeightFileError) as caught:
            cls.from_weights(prefixed("a", whole), bias=False)
        names = ", ".join(name for name in whole if name.startswith("bias"))
        assert str(caught.value) == f"<dict>: a: bias=False was asked for, and the file has {names}"
    zeros = {name: np.zeros_like(value) for name, value in parameters().items()}
    with pytest.raises(pylstm.WeightFileError, match="bias=False was asked for"):
        pylstm.LSTM.from_weights(zeros, bias=False)
    with pytest.raises(pylstm.WeightFileError, match=r"bias_ih_l1, bias_hh_l1, \.\.\.$"):
        pylstm.LSTM.from_weights(parameters(num_layers=3), bias=False)


# The other class ------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("suffix", [None, ".safetensors", ".npz", ".pt"])
def test_an_lstm_of_one_layer_is_a_cell(suffix, bias, tmp_path):
    own, source = parameters(bias=bias), prefixed("a.rnn", parameters(bias=bias))
    if suffix:
        source = tmp_path / f"weights{suffix}"
        pylstm.save(prefixed("a.rnn", own), source)
    for prefix in (None, "a.rnn", "rnn"):
        cell = pylstm.LSTMCell.from_weights(source, prefix)
        assert list(cell.state_dict()) == [name.removesuffix("_l0") for name in own]
        assert_same_bits(tuple(cell.state_dict().values()), tuple(own.values()))
    # And it computes what the LSTM does.
    x, lstm = np.linspace(-1, 1, 10).reshape(5, 2), pylstm.LSTM.from_weights(source)
    output, (_, c_n) = lstm(x)
    h, c = np.zeros(3), np.zeros(3)
    for step, expected in zip(x, output, strict=True):
        h, c = cell(step, (h, c))
        assert_same_bits(h, expected)
    assert_same_bits(c, c_n[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_is_an_lstm_of_one_layer(bias, dtype):
    own = cell_parameters(bias=bias, dtype=dtype)
    for source, prefix in ((own, None), ({"a": {"step": own}}, "step")):
        lstm = pylstm.LSTM.from_weights(source, prefix, batch_first=True)
        assert (lstm.num_layers, lstm.batch_first, lstm._native_dtype) == (1, True, dtype)
        assert list(lstm.state_dict()) == [f"{name}_l0" for name in own]
        assert_same_bits(tuple(lstm.state_dict().values()), tuple(own.values()))


def test_whole_modules_of_the_other_class():
    module = whole_module("torch.nn.modules.rnn.LSTM", parameters(), batch_first=True)
    module.state["training"] = False
    cell = pylstm.LSTMCell.from_weights({"m": module})
    assert not cell.training
    module = whole_module("torch.nn.modules.rnn.LSTMCell", cell_parameters())
    module.state["training"] = False
    lstm = pylstm.LSTM.from_weights({"m": module})
    assert (lstm.training, lstm.batch_first) == (False, False)


def test_the_own_kind_comes_first():
    tree = {"a": parameters(1), "b": cell_parameters(2)}
    assert_same_bits(pylstm.LSTM.from_weights(tree).weight_ih_l0, tree["a"]["weight_ih_l0"])
    assert_same_bits(pylstm.LSTMCell.from_weights(tree).weight_ih, tree["b"]["weight_ih"])
    # A prefix may choose the other one.
    assert_same_bits(pylstm.LSTM.from_weights(tree, "b").weight_ih_l0, tree["b"]["weight_ih"])
    assert_same_bits(pylstm.LSTMCell.from_weights(tree, "a").weight_ih, tree["a"]["weight_ih_l0"])
    # Both under one prefix, and both as parts of it.
    same = {**parameters(1), **cell_parameters(2)}
    assert_same_bits(pylstm.LSTMCell.from_weights(same, "").weight_ih, tree["b"]["weight_ih"])
    for cls in (pylstm.LSTM, pylstm.LSTMCell):
        with pytest.raises(pylstm.WeightFileError, match="holds no LSTM"):
            cls.from_weights(tree, "c")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"num_layers": 2}, "it has 2 layers"),
        ({"bidirectional": True}, "it has two directions"),
        ({"proj_size": 2}, "it has a projection"),
        ({"num_layers": 3, "bidirectional": True}, "it has 3 layers and two directions"),
    ],
    ids=str,
)
def test_an_lstm_that_is_no_cell(options, why):
    with pytest.raises(pylstm.WeightFileError) as caught:
        pylstm.LSTMCell.from_weights({"a": parameters(**options)})
    text = str(caught.value)
    assert text.startswith(
        f"<dict>: it holds no LSTMCell, and its LSTM is none: {why}; LSTM.from_weights reads it:\n"
    )
    assert "\n  'a': LSTM(2, 3, " in text
    with pytest.raises(
        pylstm.WeightFileError, match="no LSTMCell with prefix 'a', and its LSTM is"
    ):
        pylstm.LSTMCell.from_weights({"a": parameters(**options), "b": parameters()}, "a")


def test_a_cell_that_is_no_lstm_and_several():
    cell = pylstm.LSTMCell(0, 3).state_dict()
    with pytest.raises(pylstm.WeightFileError, match="its LSTMCell is none: an LSTM has inputs"):
        pylstm.LSTM.from_weights(cell)
    for tree in (
        {"a": parameters(), "b": parameters()},
        {"a": parameters(), "b": parameters(num_layers=2)},
    ):
        with pytest.raises(pylstm.WeightFileError, match="holds no LSTMCell; there are:") as caught:
            pylstm.LSTMCell.from_weights(tree)
        assert "\n  'a': LSTM" in str(caught.value)
        assert "\n  'b': LSTM" in str(caught.value)


# Classes and the generator --------------------------------------------------------------------


def test_no_random_number_is_drawn():
    before = pylstm.get_rng_state()
    module = pylstm.LSTM.from_weights(parameters(num_layers=2))
    pylstm.LSTMCell.from_weights(cell_parameters())
    assert_same_bits(pylstm.get_rng_state(), before)
    # But a reset of such a module draws as any other does.
    module.reset_parameters()
    expected = pylstm.LSTM(2, 3, 2)
    pylstm.set_rng_state(before)
    expected.reset_parameters()
    assert_same_bits(module.weight_hh_l1, expected.weight_hh_l1)
    assert vars(module).keys() == vars(expected).keys()


def test_subclasses_are_constructed():
    class Named(pylstm.LSTM):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.label = "mine"

        def forward(self, input, hx=None):
            return super().forward(input, hx)[0]

    class Reset(pylstm.LSTMCell):
        def reset_parameters(self):
            self.weight_ih = np.ones((12, 2))

    before = pylstm.get_rng_state()
    module = Named.from_weights(WHOLE, dropout=0.0)
    assert (type(module), module.label, module.batch_first) == (Named, "mine", True)
    assert module(np.ones((1, 4, 2))).shape == (1, 4, 3)
    cell = Reset.from_weights(cell_parameters())
    assert_same_bits(cell.weight_ih, cell_parameters()["weight_ih"])
    assert_same_bits(pylstm.get_rng_state(), before)
    assert vars(cell).keys() == vars(pylstm.LSTMCell(2, 3)).keys()


def test_only_the_module_itself_is_not_drawn():
    class Parent(pylstm.LSTMCell):
        def __init__(self, *args, **kwargs):
            before = pylstm.LSTMCell(1, 2)
            super().__init__(*args, **kwargs)
            self.before, self.after = before, pylstm.LSTMCell(1, 2)
            self.read = pylstm.LSTMCell.from_weights(cell_parameters())

    class Twice(pylstm.LSTMCell):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.reset_parameters()
            self.drawn = self.weight_hh.copy()

    class Fails(pylstm.LSTMCell):
        def __init__(self, *args, **kwargs):
            raise KeyError("not made")

    def drawn(count):
        pylstm.manual_seed(7)
        return [pylstm.LSTMCell(1, 2).weight_hh.copy() for _ in range(count)]

    first, second = drawn(2)
    with pytest.raises(KeyError, match="not made"):
        Fails.from_weights(cell_parameters())
    pylstm.manual_seed(7)
    parent = Parent.from_weights(cell_parameters())
    assert_same_bits(parent.before.weight_hh, first)
    assert_same_bits(parent.after.weight_hh, second)
    assert_same_bits(parent.weight_hh, cell_parameters()["weight_hh"])
    assert_same_bits(parent.read.weight_hh, cell_parameters()["weight_hh"])
    pylstm.manual_seed(7)
    twice = Twice.from_weights(cell_parameters())
    pylstm.manual_seed(7)
    assert_same_bits(twice.drawn, pylstm.LSTMCell(2, 3).weight_hh)
    assert_same_bits(twice.weight_hh, cell_parameters()["weight_hh"])


def test_a_subclass_of_another_structure_is_an_error():
    class Wider(pylstm.LSTM):
        def __init__(self, input_size, hidden_size, **kwargs):
            super().__init__(input_size, hidden_size + 1, **kwargs)

    with pytest.raises(ValueError, match="weight_ih_l0"):
        Wider.from_weights(parameters())


def test_errors_in_the_middle_leave_nothing_behind():
    tree = lazy_all(parameters())
    object.__setattr__(tree["bias_hh_l0"].storage.content, "size", 0)  # the file was cut
    before = pylstm.get_rng_state()
    with pytest.raises(pylstm.WeightFileError):
        pylstm.LSTM.from_weights(tree)
    assert_same_bits(pylstm.get_rng_state(), before)


def test_threads_share_one_tree():
    modules = []

    def build():
        modules.extend(pylstm.LSTM.from_weights(CHECKPOINT, "encoder.rnn") for _ in range(20))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [tuple(module.state_dict().values()) for module in modules]
    assert len(states) == 80
    for state in states[1:]:
        assert_same_bits(state, states[0])


# What is read ---------------------------------------------------------------------------------


def big_checkpoint(write):
    """A file of 8 MB with a small LSTM in it, whose parameters have 432 bytes."""
    file = io.BytesIO()
    write(file, {**prefixed("small", parameters()), "big": np.ones((1000, 2000), np.float32)})
    return file.getvalue()


def test_only_the_bytes_of_the_prefix_are_read():
    content = big_checkpoint(lambda file, tree: np.savez(file, **tree))
    counted = Counted(io.BytesIO(content))
    [found] = pylstm.find_lstms(counted)
    assert found.prefix == "small"
    assert counted.total < 5000
    counted = Counted(io.BytesIO(content))
    pylstm.LSTM.from_weights(counted, "small")
    assert counted.total < 5000


def test_every_option_combination_under_a_prefix():
    for seed, (layers, bias, both, projection) in enumerate(
        itertools.product((1, 3), (True, False), (True, False), (0, 1))
    ):
        options = {"num_layers": layers, "bias": bias, "bidirectional": both}
        own = parameters(seed, **options, proj_size=projection)
        tree = {"a": prefixed("b.rnn", own), "c": [parameters(99, num_layers=7)]}
        module = pylstm.LSTM.from_weights(tree, "b.rnn")
        assert {name: getattr(module, name) for name in options} == options
        assert module.proj_size == projection
        assert_same_bits(tuple(module.state_dict().values()), tuple(own.values()))


def test_values_beyond_float32_are_converted_as_elsewhere():
    tree = {name: np.full_like(value, 1e300, np.float64) for name, value in parameters().items()}
    with pytest.warns(RuntimeWarning, match="overflow"):
        module = pylstm.LSTM.from_weights(tree, dtype="float32")
    assert np.isinf(module.weight_ih_l0).all()
    with pytest.warns(RuntimeWarning, match="overflow"):
        module.load_state_dict(tree)


def test_prefixes_without_what_torch_compile_puts_into_paths():
    layers = {name: with_parameters(pylstm.LSTM(2, 3), seed) for seed, name in enumerate("abcd")}
    paths = {
        "a": "net._orig_mod.a",
        "b": "_orig_mod.b",
        "c": "_orig_mod.net._orig_mod",
        "d": "net.a",
    }
    tree = {}
    for name, path in paths.items():
        tree.update(layers[name].state_dict(prefix=f"{path}."))

    def chosen(prefix):
        found = pylstm.LSTM.from_weights(tree, prefix=prefix)
        [name] = [
            name
            for name, layer in layers.items()
            if layer.weight_hh_l0.tobytes() == found.weight_hh_l0.tobytes()
        ]
        return name

    assert {name: chosen(path) for name, path in paths.items()} == {name: name for name in "abcd"}
    assert chosen("net.a") == "d"  # a whole path as it is goes before one without wrappers
    assert chosen("b") == "b"
    assert chosen("net") == "c"
    del tree["net.a.weight_ih_l0"]
    with pytest.raises(pylstm.WeightFileError, match="weight_ih_l0 is missing"):
        chosen("net.a")
    for name in [name for name in tree if name.startswith("net.a.")]:
        del tree[name]
    assert chosen("net.a") == "a"
    with pytest.raises(pylstm.WeightFileError, match="no LSTM with prefix"):
        pylstm.LSTM.from_weights(tree, prefix="net._orig_mod.b")


@pytest.mark.parametrize("ending", ["weight_ih_l0", "weight_hh_l0"])
def test_a_prefix_of_a_near_miss_means_no_other_module(ending):
    tree = {}
    for path in ("lstm", "ema.lstm"):
        tree.update(pylstm.LSTM(2, 3).state_dict(prefix=f"{path}."))
    tree[f"lstm.{ending}_g"] = tree[f"lstm.{ending}_v"] = tree.pop(f"lstm.{ending}")
    assert [found.prefix for found in pylstm.find_lstms(tree)] == ["ema.lstm"]
    with pytest.raises(pylstm.WeightFileError, match="weight-normed"):
        pylstm.LSTM.from_weights(tree, prefix="lstm")
    pylstm.LSTM.from_weights(tree, prefix="ema.lstm")


def test_the_end_of_a_path_may_be_that_of_a_near_miss():
    tree = {}
    for path in ("model.net.lstm", "ema.net.lstm"):
        tree.update(pylstm.LSTM(2, 3).state_dict(prefix=f"{path}."))
    tree["model.net.lstm.layer_norm.weight"] = np.ones(3)
    for prefix in ("lstm", "net.lstm"):
        with pytest.raises(
            pylstm.WeightFileError, match="fits several paths, one of them that of a near miss"
        ):
            pylstm.LSTM.from_weights(tree, prefix=prefix)
    made = pylstm.LSTM.from_weights(tree, prefix="ema.net.lstm")
    assert made.weight_hh_l0.tobytes() == tree["ema.net.lstm.weight_hh_l0"].tobytes()
    del tree["model.net.lstm.layer_norm.weight"]
    for name in [name for name in tree if name.startswith("model.")]:
        tree[name] = np.ones((9, 3)) if "weight" in name else np.ones(9)  # a GRU
    again = pylstm.LSTM.from_weights(tree, prefix="lstm")
    assert again.weight_hh_l0.tobytes() == made.weight_hh_l0.tobytes()
    assert pylstm.LSTM.from_weights(tree).weight_hh_l0.tobytes() == made.weight_hh_l0.tobytes()


def test_a_prefix_of_the_other_kind_means_no_other_module():
    cell, below = pylstm.LSTMCell(2, 3), pylstm.LSTM(2, 3)
    tree = {**cell.state_dict(prefix="rnn."), **below.state_dict(prefix="ema.rnn.")}
    made = pylstm.LSTM.from_weights(tree, prefix="rnn")
    assert made.weight_hh_l0.tobytes() == cell.weight_hh.tobytes()
    deep = {**pylstm.LSTM(2, 3, 2).state_dict(prefix="rnn."), **cell.state_dict(prefix="ema.rnn.")}
    with pytest.raises(pylstm.WeightFileError, match="2 layers"):
        pylstm.LSTMCell.from_weights(deep, prefix="rnn")


def test_a_counterpart_does_not_stand_in_for_a_near_miss_of_the_kind():
    whole = {f"encoder.{name}": value for name, value in pylstm.LSTM(4, 8, 2).state_dict().items()}
    cut = {name: value for name, value in whole.items() if "_l0" not in name}
    step = pylstm.LSTMCell(3, 6).state_dict(prefix="decoder.")
    with pytest.raises(pylstm.WeightFileError, match=r"it holds no LSTM"):
        pylstm.LSTM.from_weights({**cut, **step})
    assert pylstm.LSTM.from_weights({**cut, **step}, "decoder").hidden_size == 6
    assert pylstm.LSTMCell.from_weights({**cut, **step}).hidden_size == 6
    half = {name: value for name, value in step.items() if "bias_ih" not in name}
    layer = pylstm.LSTM(3, 6).state_dict(prefix="other.")
    with pytest.raises(pylstm.WeightFileError, match=r"it holds no LSTMCell"):
        pylstm.LSTMCell.from_weights({**half, **layer})
