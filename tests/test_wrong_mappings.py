"""What is handed over where a mapping from names to arrays should be: the error says what to do."""

import io
import pathlib
import re

import numpy as np
import pytest

import pylstm
from pylstm.files import Record


class Tagger(pylstm.Module):
    def __init__(self):
        super().__init__()
        self.lstm = pylstm.LSTM(2, 3)


class TorchLike:
    """As a module of another library, which pylstm does not know."""

    def state_dict(self):
        return {}


def lstm():
    return pylstm.LSTM(2, 3)


def state():
    return lstm().state_dict()


FILE = "weight file is read by pylstm.load(file), and by LSTM.from_weights(file), which makes the module as well"
MODULE = "f a module, pass its state_dict()"
PAIRS = "f pairs of names and arrays, such as named_parameters() gives, pass dict(pairs)"
RECORD = "> is a whole object and no mapping: LSTM.from_weights(record) makes an LSTM that is in it, pylstm.load(file, flat=True) gives its arrays by name"

# what is handed over, its type as torch prints it, the hint from its second letter on
CASES = [
    ("model.pt", "<class 'str'>", FILE),
    ("", "<class 'str'>", FILE),
    (pathlib.PurePosixPath("model.pt"), "<class 'pathlib.PurePosixPath'>", FILE),
    (b"PK\3\4", "<class 'bytes'>", FILE),
    (bytearray(b"PK\3\4"), "<class 'bytearray'>", FILE),
    (memoryview(b"PK\3\4"), "<class 'memoryview'>", FILE),
    (io.BytesIO(b"PK\3\4"), "<class '_io.BytesIO'>", FILE),
    (lstm(), "<class 'pylstm.LSTM'>", MODULE),
    (pylstm.LSTMCell(2, 3), "<class 'pylstm.LSTMCell'>", MODULE),
    (pylstm.Module(), "<class 'pylstm.Module'>", MODULE),
    (Tagger(), f"<class '{__name__}.Tagger'>", MODULE),
    (TorchLike(), f"<class '{__name__}.TorchLike'>", MODULE),
    (Record("models.Tagger", state={}), "<class 'pylstm.files.Record'>", "Record of models.Tagger" + RECORD),
    (Record("torch.nn.LSTM"), "<class 'pylstm.files.Record'>", "Record of torch.nn.LSTM" + RECORD),
    (pylstm.find_lstms({"a": {"b": state()}})[0], "<class 'pylstm.FoundLSTM'>",
     "t says where an LSTM is: LSTM.from_weights(file, prefix='a.b') reads it"),
    (list(state().items()), "<class 'list'>", PAIRS),
    (tuple(state().items()), "<class 'tuple'>", PAIRS),
    (state().items(), "<class 'odict_items'>", PAIRS),
    (dict(state()).items(), "<class 'dict_items'>", PAIRS),
    (lstm().named_parameters(), "<class 'generator'>", PAIRS),
    (iter(state().items()), "<class 'odict_iterator'>", PAIRS),
]  # fmt: skip
OTHERS = [None, 5, [], (), [1], [("a",)], [(1, 2)], state().values(), np.zeros(2), lstm, pylstm.LSTM, object()]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_load_state_dict(case):
    value, kind, hint = CASES[case]
    module = lstm()
    before = module.weight_ih_l0.tobytes()
    for target in (module, Tagger()):
        with pytest.raises(TypeError) as caught:
            target.load_state_dict(value, strict=False)
        text = str(caught.value)
        start = f"Expected state_dict to be dict-like, got {kind}."
        assert text.startswith(start)
        assert re.fullmatch(".[A-Z<]", text[len(start) :][:2])
        assert text.endswith(hint)
    assert module.weight_ih_l0.tobytes() == before


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_save(case, suffix, tmp_path):
    value, _, hint = CASES[case]
    with pytest.raises(TypeError) as caught:
        pylstm.save(value, tmp_path / f"weights{suffix}")
    assert re.match(
        r"save needs a mapping from names to arrays, not [\w.]+: [a-z<]", str(caught.value)
    )
    assert str(caught.value).endswith(hint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", range(len(OTHERS)))
def test_what_leads_nowhere_gets_no_hint(case, tmp_path):
    with pytest.raises(TypeError, match=r"^Expected state_dict to be dict-like, got <class .*>\.$"):
        lstm().load_state_dict(OTHERS[case])
    with pytest.raises(TypeError, match=r'try {"weight": array}$'):
        pylstm.save(OTHERS[case], tmp_path / "weights.pt")


def test_the_hints_help(tmp_path):
    path = tmp_path / "lstm.pt"
    module = lstm()
    pylstm.save(module.state_dict(), path)
    for state_dict in (pylstm.load(path), module.state_dict(), dict(list(module.state_dict().items())),
                       dict(module.named_parameters())):  # fmt: skip
        other = lstm()
        other.load_state_dict(state_dict)
        assert other.weight_hh_l0.tobytes() == module.weight_hh_l0.tobytes()


# ---------------------------------------------------------------------------- inside the mapping


def nested(key):
    return f'\n\t"{key}" is a mapping that holds them: pass state_dict["{key}"]'


def behind(prefix, name):
    return (
        f'\n\tall that is missing is there behind "{prefix}": take it off the names, or let '
        f"from_weights(file, prefix={name!r}) do so"
    )


def prefixed(prefix):
    return {prefix + name: value for name, value in state().items()}


INSIDE = [
    ({"model": state()}, nested("model")),
    ({"epoch": 3, "state_dict": state(), "optimizer": {"state": {}}}, nested("state_dict")),
    ({"net": {**state(), "head.weight": np.zeros(2)}}, nested("net")),
    ({"lstm": lstm()}, '\n\t"lstm" is a module: pass state_dict["lstm"].state_dict()'),
    ({"epoch": 1, "model": TorchLike()}, '\n\t"model" is a module: pass state_dict["model"].state_dict()'),
    (prefixed("lstm."), behind("lstm.", "lstm")),
    (prefixed("module."), behind("module.", "module")),
    (prefixed("model.encoder.rnn."), behind("model.encoder.rnn.", "model.encoder.rnn")),
    ({**prefixed("encoder."), "head.weight": np.zeros(2)}, behind("encoder.", "encoder")),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(INSIDE)))
def test_where_the_missing_parameters_are(case):
    mapping, hint = INSIDE[case]
    with pytest.raises(RuntimeError) as caught:
        lstm().load_state_dict(mapping)
    assert str(caught.value).startswith(
        "Error(s) in loading state_dict for LSTM:\n\tMissing key(s)"
    )
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"model": {"weight_ih_l0": 1}},
        {"model": Record("models.Tagger", state=dict(state()))},
        {"model": [state()]},
        {name: value for name, value in prefixed("lstm.").items() if "bias_hh" not in name},
        {**prefixed("lstm."), "weight_ih_l0": np.zeros((12, 2))},
        {"model": np.zeros(3), "epoch": 3},
    ],
)
def test_a_hint_names_a_place_that_holds_all_or_none(mapping):
    with pytest.raises(RuntimeError) as caught:
        lstm().load_state_dict(mapping)
    last = str(caught.value).splitlines()[-1]
    complete = len([name for name in mapping if name.startswith("lstm.")]) == 4
    assert last.startswith("\tall that is missing" if complete else ("\tMissing", "\tUnexpected"))


def test_strictness_is_as_before():
    for mapping, _ in INSIDE:
        module = lstm()
        result = module.load_state_dict(mapping, strict=False)
        assert result.missing_keys == list(module.state_dict())
        assert result.unexpected_keys == list(mapping)


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"lstm": lstm()}, "'lstm' is pylstm.LSTM, not an array: pass its state_dict()"),
        ({"a": {"b": Tagger()}}, f"'a.b' is {__name__}.Tagger, not an array: pass its state_dict()"),
        ({"model": TorchLike()}, f"'model' is {__name__}.TorchLike, not an array: pass its state_dict()"),
        ({"a": Record("x.Y")}, "'a' is pylstm.files.Record, not an array: <Record of x.Y" + RECORD),
        ({"a": "text"}, "'a' is str, not an array"),
        ({"a": None}, "'a' is NoneType, not an array"),
    ],
)  # fmt: skip
def test_save_of_mappings_that_hold_other_things(mapping, text, tmp_path):
    with pytest.raises(TypeError) as caught:
        pylstm.save(mapping, tmp_path / "weights.npz")
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("weights.pt", state()), "path must be a str or os.PathLike, got collections.OrderedDict: the mapping comes first, save(mapping, path)"),
        ((pathlib.Path("weights.pt"), lstm()), "path must be a str or os.PathLike, got pylstm.LSTM: the mapping comes first, save(mapping, path)"),
        ((state(), io.BytesIO()), "path must be a str or os.PathLike, got _io.BytesIO"),
        ((state(), None), "path must be a str or os.PathLike, got NoneType"),
        ((state(), 3), "path must be a str or os.PathLike, got int"),
    ],
)  # fmt: skip
def test_save_to_no_path(arguments, text):
    with pytest.raises(TypeError) as caught:
        pylstm.save(*arguments)
    assert str(caught.value) == text
