"""safetensors: every rule of the format, from both sides."""

import json
import struct

import numpy as np
import pytest
from weight_files import safetensors_file

import pylstm
from pylstm import WeightFileError
from pylstm.files import Record
from pylstm.files.base.tensor import Tensor
from pylstm.files.open import open_weights

F32 = np.arange(6, dtype="<f4")
DATA = F32.tobytes()


def entry(dtype="F32", shape=(2, 3), begin=0, end=24):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def made(header, data=DATA):
    text = header if isinstance(header, (str, bytes)) else json.dumps(header)
    return safetensors_file(text, data)


def refused(content):
    with pytest.raises(WeightFileError) as caught:
        pylstm.load(content)
    return str(caught.value)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    "name, dtype",
    [
        ("F64", "f8"), ("F32", "f4"), ("F16", "f2"), ("C64", "c8"), ("BOOL", "b1"),
        ("I64", "i8"), ("I32", "i4"), ("I16", "i2"), ("I8", "i1"),
        ("U64", "u8"), ("U32", "u4"), ("U16", "u2"), ("U8", "u1"),
    ],
)  # fmt: skip
def test_dtypes(name, dtype, mmap):
    array = np.array([[0, 1, 3], [1, 0, 1]]).astype("<" + dtype)
    content = made({"a": entry(name, (2, 3), 0, array.nbytes)}, array.tobytes())
    loaded = pylstm.load(content, mmap=mmap)["a"]
    assert loaded.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(loaded, array)
    assert loaded.flags.writeable is not mmap


@pytest.mark.parametrize("mmap", [False, True])
def test_bfloat16_is_widened(mmap):
    values = np.array([0, 1, -2.5, 3.140625, np.inf, np.nan], "<f4")
    halves = (values.view("<u4") >> 16).astype("<u2")
    loaded = pylstm.load(made({"a": entry("BF16", (6,), 0, 12)}, halves.tobytes()), mmap=mmap)
    np.testing.assert_array_equal(loaded["a"], values)
    assert loaded["a"].dtype == np.float32


@pytest.mark.parametrize(
    "name, values",
    {
        # Code and value, from the tables of the formats' own papers.
        "F8_E4M3": {0: 0, 0x38: 1, 0x7E: 448, 0x01: 2**-9, 0xB8: -1, 0x7F: np.nan},
        "F8_E5M2": {0: 0, 0x3C: 1, 0x7B: 57344, 0x01: 2**-16, 0x7C: np.inf, 0xFC: -np.inf},
        "F8_E4M3FNUZ": {0: 0, 0x40: 1, 0x7F: 240, 0x01: 2**-10, 0x80: np.nan, 0xC0: -1},
        "F8_E5M2FNUZ": {0: 0, 0x40: 1, 0x7F: 57344, 0x01: 2**-17, 0x80: np.nan},
        "F8_E8M0": {127: 1, 0: 2.0**-127, 254: 2.0**127, 255: np.nan},
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_eight_bit_floats_are_widened(name, values):
    content = made({"a": entry(name, (len(values),), 0, len(values))}, bytes(values))
    np.testing.assert_array_equal(pylstm.load(content)["a"], np.array([*values.values()], "f4"))


@pytest.mark.parametrize("name, shape", [("F4", (6,)), ("F6_E2M3", (4,)), ("F6_E3M2", (4,))])
def test_elements_of_less_than_a_byte_are_described(name, shape):
    record = pylstm.load(made({"a": entry(name, shape, 0, 3)}, bytes(3)))["a"]
    assert isinstance(record, Record)
    assert (record.class_name, record.args) == (f"safetensors.{name}", (shape,))


def test_scalars_empty_tensors_and_metadata():
    header = {
        "__metadata__": {"format": "pt", "é": 'quotes " and \\ and \n'},
        "empty": entry(shape=(0, 3), begin=24, end=24),
        "scalar": entry(shape=(), begin=20, end=24),
        "rest": entry(shape=(5,), begin=0, end=20),
        "also empty": entry(shape=(0,), begin=0, end=0),
    }
    with open_weights(made(header)) as weights:
        assert weights.format == "safetensors"
        assert weights.metadata == header["__metadata__"]
        assert list(weights.tree) == list(header)[1:]
        assert all(isinstance(value, Tensor) for value in weights.tree.values())
        assert weights.tree["scalar"].read() == 5
        assert weights.tree["empty"].read().shape == (0, 3)


@pytest.mark.parametrize("name", ["", "é", "a\nb", '"', "\\", '\\"', "\x7f", "😀", "{}", "a\0b"])
@pytest.mark.parametrize("escaped", [False, True])
def test_names(name, escaped):
    header = json.dumps({name: entry(), "b": entry(shape=(0,), begin=24)}, ensure_ascii=escaped)
    assert list(pylstm.load(made(header))) == [name, "b"]


@pytest.mark.parametrize(
    "text",
    [
        '{"a":{"data_offsets":[0,24],"shape":[2,3],"dtype":"F32"}}',
        '{ "a" :\t{"dtype" : "F32" ,\n"shape": [ 2 , 3 ] ,\r"data_offsets":[ 0 ,24 ] } }   ',
    ],
)
def test_spaces_and_the_order_of_fields_do_not_matter(text):
    np.testing.assert_array_equal(pylstm.load(made(text))["a"], F32.reshape(2, 3))


@pytest.mark.parametrize(
    "header",
    {
        "a hole before the first": {"a": entry("F32", (5,), 4, 24)},
        "a hole between two": {"a": entry(shape=(2,), end=8), "b": entry(shape=(3,), begin=12)},
        "an overlap": {"a": entry(shape=(4,), end=16), "b": entry(shape=(3,), begin=12)},
        "the same bytes twice": {"a": entry(), "b": entry()},
        "an end before the beginning": {"a": entry(shape=(0,), begin=24, end=0), "b": entry()},
        "bytes after the last": {"a": entry(shape=(5,), end=20)},
        "an end behind the file": {"a": entry(shape=(7,), end=28)},
        "a size that is not the shape's": {"a": entry(shape=(2, 2))},
        "a shape whose size overflows": {"a": entry(shape=(2**33, 2**33))},
        "a size of 0 beside a huge one": {"a": entry(shape=(0, 2**62), end=0)},
        "too many sizes": {"a": entry(shape=(1,) * 65)},
        "half a byte": {"a": entry("F4", (3,), 0, 1)},
        "an unknown dtype": {"a": entry("F128")},
        "a dtype of another case": {"a": entry("f32")},
        "a number as dtype": {"a": entry(4)},
        "a negative size": {"a": entry(shape=(-2, -3))},
        "a size with a fraction": {"a": entry(shape=(2.0, 3))},
        "one offset": {"a": {**entry(), "data_offsets": [24]}},
        "three offsets": {"a": {**entry(), "data_offsets": [0, 12, 24]}},
        "no shape": {"a": {"dtype": "F32", "data_offsets": [0, 24]}},
        "a field too many": {"a": {**entry(), "more": []}},
        "metadata that is no text": {"__metadata__": {"a": 1}, "a": entry()},
        "metadata in metadata": {"__metadata__": {"a": {}}, "a": entry()},
        "metadata of a string": {"__metadata__": "a", "a": entry()},
        "a list": [1],
        "a tensor that is a list": {"a": [1]},
        "a name twice": '{"a":%s,"a":%s}' % ((json.dumps(entry(shape=(0,), end=0)),) * 2),
        "a name of metadata twice": '{"__metadata__":{"a":"","a":""}}',
        "a leading zero": json.dumps({"a": entry()}).replace("[2", "[02"),
        "a number of many digits": json.dumps({"a": entry()}).replace("24", "9" * 5000),
        "a comma too many": json.dumps({"a": entry()}).replace("}}", "},}"),
        "a string that does not end": '{"a',
        "an escape that is none": '{"\\x":' + json.dumps(entry()) + "}",
        "half a character": '{"\\ud800":' + json.dumps(entry()) + "}",
        "a line feed in a name": '{"\n":' + json.dumps(entry()) + "}",
        "a name that is not UTF-8": b'{"\xff":' + json.dumps(entry()).encode() + b"}",
        "a byte order mark": b"\xef\xbb\xbf" + json.dumps({"a": entry()}).encode(),
        "space before it": " " + json.dumps({"a": entry()}),
        "something after it": json.dumps({"a": entry()}) + "{}",
        "deep brackets": '{"a":' + "[" * 100_000,
        "deep braces": '{"a":' * 100_000,
    }.items(),
    ids=lambda pair: pair[0],
)
def test_headers_that_are_refused(header):
    assert refused(made(header[1]))


def test_every_length_of_the_header(tmp_path):
    """Its lowest byte, with which the file begins, may be any: a brace, the start of a pickle."""
    for length in range(256):
        content = made({"a": entry()})
        text = content[8:-24].ljust(256 + length)
        content = struct.pack("<Q", len(text)) + text + DATA
        assert content[0] == length
        np.testing.assert_array_equal(pylstm.load(content)["a"], F32.reshape(2, 3))
        if length in b"{}[\x80P":
            (tmp_path / "model-1-of-2.safetensors").write_bytes(content)
            where = {"weight_map": {"a": "model-1-of-2.safetensors"}}
            (tmp_path / "model.safetensors.index.json").write_text(json.dumps(where))
            assert list(pylstm.load(tmp_path)) == ["a"]


def test_the_length_of_the_header():
    content = made({"a": entry()})
    text = content[8:-24]
    assert "more than 100000000" in refused(struct.pack("<Q", 100_000_001) + text)
    assert refused(struct.pack("<Q", len(text) - 1) + content[8:])
    assert refused(struct.pack("<Q", len(content)) + content[8:])
    assert refused(struct.pack("<Q", 2**63) + content[8:])
    assert refused(struct.pack("<Q", 0))


def test_cut_off_at_every_byte():
    content = made({"a": entry(), "__metadata__": {"é": "\\"}})
    for length in range(len(content)):
        assert refused(content[:length])
    assert refused(content + b"\0")


def test_too_many_tensors_for_the_size(monkeypatch):
    monkeypatch.setattr("pylstm.files.base.source.MOST_PARTS", 10)
    header = {str(index): entry(shape=(0,), end=0) for index in range(20)}
    assert "more than 11 parts" in refused(made(header, b""))


@pytest.mark.parametrize("limit", ["_LONGEST_TEXT", "_LONGEST_STRING"])
def test_names_may_not_take_more_memory_than_the_file_is_worth(limit, monkeypatch):
    monkeypatch.setattr(f"pylstm.files.formats.safetensors.{limit}", 50)
    assert "names and metadata" in refused(made({"x" * 60: entry()}))


def test_sizes_count_as_parts_too(monkeypatch):
    monkeypatch.setattr("pylstm.files.base.source.MOST_PARTS", 10)
    header = {str(index): entry(shape=(0,) + (1,) * 63, end=0) for index in range(4)}
    assert "more than 14 parts" in refused(made(header, b""))


# Metadata ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("metadata", ["null", " null ", "\tnull\n", "{}"])
@pytest.mark.parametrize("first", [True, False])
def test_metadata_may_be_null(metadata, first):
    """MLX writes it where there is none; the safetensors library reads it."""
    parts = [f'"__metadata__":{metadata}', f'"a":{json.dumps(entry())}']
    header = "{" + ",".join(parts if first else parts[::-1]) + "}"
    with open_weights(made(header)) as weights:
        assert list(weights.tree) == ["a"]
        assert weights.metadata == {}


@pytest.mark.parametrize(
    "metadata",
    [
        "nul",
        "nulll",
        "NULL",
        "None",
        "false",
        "0",
        '""',
        "[]",
        "[null]",
        '{"a":null}',
        "null{}",
        "",
    ],
)
def test_other_metadata_is_refused(metadata):
    assert "header" in refused(made(f'{{"__metadata__":{metadata},"a":{json.dumps(entry())}}}'))
    twice = f'{{"__metadata__":null,"__metadata__":null,"a":{json.dumps(entry())}}}'
    assert "has a name twice" in refused(made(twice))


def tied(metadata, *names):
    """A file of tensors of 4 bytes each."""
    header = {
        name: entry(shape=(1,), begin=4 * index, end=4 * index + 4)
        for index, name in enumerate(names)
    }
    return made({"__metadata__": metadata} | header, DATA[: 4 * len(names)])


@pytest.mark.parametrize("mmap", [False, True])
def test_tied_tensors_have_all_their_names(mmap):
    """Of tensors that are one, Hugging Face's libraries write the first, and name the others."""
    metadata = {"format": "pt", "b": "a", "x.y": "a", "d": "c"}
    loaded = pylstm.load(tied(metadata, "a", "c"), mmap=mmap)
    assert list(loaded) == ["a", "c", "b", "x.y", "d"]
    assert loaded["a"] is loaded["b"] is loaded["x.y"]
    assert loaded["c"] is loaded["d"]
    flat = pylstm.load(tied(metadata, "a", "c"), mmap=mmap, flat=True)
    assert list(flat) == ["a", "c", "b", "x.y", "d"]
    assert flat["a"] is flat["b"] is flat["x.y"]
    assert list(pylstm.load(tied(metadata, "a", "c"), flat=True, prefix="x")) == ["y"]


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ({"b": "missing"}, ["a"]),
        ({"a": "c"}, ["a", "c"]),  # a tensor of that name is there
        ({"format": "a"}, ["a"]),  # what the framework is called
        ({"b": "a", "c": "b"}, ["a", "b"]),  # only the names of tensors that are there
        ({"b": " a"}, ["a"]),
        ({"b": ""}, ["a"]),
        ({"__metadata__": "a"}, ["a", "__metadata__"]),
    ],
)
def test_what_is_no_tie(metadata, names):
    present = ["a", "c"] if "c" in names else ["a"]
    loaded = pylstm.load(tied(metadata, *present))
    assert list(loaded) == names
    if "c" in names:
        assert loaded["a"] is not loaded["c"]


def lstm_without(layers, *missing):
    """The parameters of an LSTM whose tensors lie side by side in a file, some of them left out."""
    state = pylstm.LSTM(4, 4, layers).state_dict(prefix="rnn.")
    header, data = {}, b""
    for name, array in state.items():
        if name not in missing:
            begin = len(data)
            data += array.tobytes()
            header[name] = entry("F32", array.shape, begin, len(data))
    return header, data, state


@pytest.mark.parametrize(
    "ties",
    [
        {"rnn.weight_hh_l1": "rnn.weight_hh_l0"},
        {"rnn.weight_ih_l1": "rnn.weight_ih_l0"},
        {"rnn.bias_ih_l0": "rnn.bias_hh_l0", "rnn.bias_ih_l1": "rnn.bias_hh_l0"},
        {"rnn.weight_hh_l1": "rnn.weight_ih_l1", "rnn.weight_ih_l0": "rnn.weight_ih_l1"},
    ],
)
def test_lstms_with_tied_parameters_are_found(ties):
    header, data, state = lstm_without(2, *ties)
    content = made({"__metadata__": {"format": "pt"} | ties} | header, data)
    [found] = pylstm.find_lstms(content)
    assert (found.prefix, found.num_layers) == ("rnn", 2)
    for source in (content, pylstm.load(content), pylstm.load(content, flat=True)):
        lstm = pylstm.LSTM.from_weights(source)
        for name in state:
            parameter = lstm.get_parameter(name.removeprefix("rnn."))
            assert parameter.tobytes() == state[ties.get(name, name)].tobytes()
    # Without the metadata something is missing.
    assert pylstm.find_lstms(made(header, data)) == []


def test_two_lstms_that_are_one():
    header, data, state = lstm_without(1)
    ties = {name.replace("rnn", "again"): name for name in state}
    content = made({"__metadata__": ties} | header, data)
    assert [found.prefix for found in pylstm.find_lstms(content)] == ["rnn", "again"]
    assert list(pylstm.load(content, flat=True, prefix="again")) == [
        name.removeprefix("rnn.") for name in state
    ]


def test_a_tie_of_another_shape_is_no_parameter():
    """Of a view of a tensor, too, they write that one's name, and not what of it the view is."""
    header, data, _ = lstm_without(1, "rnn.weight_hh_l0")
    ties = {"rnn.weight_hh_l0": "rnn.bias_ih_l0"}
    assert pylstm.find_lstms(made({"__metadata__": ties} | header, data)) == []


def known(text, ties=None):
    header, data, _ = lstm_without(1)
    return made({"__metadata__": {"pylstm.batch_first": text} | (ties or {})} | header, data)


@pytest.mark.parametrize("flag", [True, False])
def test_which_modules_are_batch_first(flag):
    content = known(json.dumps({"rnn": flag, "other": True}))
    [found] = pylstm.find_lstms(content)
    assert found.assumed == {}
    for source in (content, pylstm.load(content), pylstm.load(content, flat=True)):
        assert pylstm.LSTM.from_weights(source).batch_first is flag
        assert pylstm.LSTM.from_weights(source, batch_first=not flag).batch_first is not flag
        assert pylstm.find_lstms(source)[0].assumed == {}
    part = pylstm.load(content, flat=True, prefix="rnn")
    assert pylstm.LSTM.from_weights(part).batch_first is flag
    nested = {"model": pylstm.load(content)}
    assert pylstm.LSTM.from_weights(nested).batch_first is flag
    # Of another module, or none, nothing is known.
    for text in ('{"other":true}', "{}"):
        [found] = pylstm.find_lstms(known(text))
        assert found.assumed == {"batch_first": False}
    assert type(pylstm.load(known("{}"))) is dict


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "true", '{"rnn":1}', '{"rnn":"true"}', '{"rnn":null}', '{"rnn":true', "{" * 9999,
     '{"rnn":true,"rnn":false}'],
)  # fmt: skip
def test_options_that_are_none(text):
    assert "pylstm.batch_first" in refused(known(text))


def test_elements_of_less_than_a_byte_are_no_arrays():
    content = made({"a": entry("F4", (6,), 0, 3), "b.c": entry("U8", (1,), 3, 4)}, bytes(4))
    with pytest.raises(WeightFileError, match=r"a: cannot be read as an array: .* 4 bits \(F4\)"):
        pylstm.load(content, flat=True)
    assert list(pylstm.load(content, flat=True, prefix="b")) == ["c"]
