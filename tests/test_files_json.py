"""JSON in weight files: what Python's reader reads, within bounds, and no name twice."""

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timing import assert_units

from pylstm.files import WeightFileError
from pylstm.files.base.json_text import parse
from pylstm.files.base.source import Source

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def read(text, size=None):
    raw = text.encode() if isinstance(text, str) else text
    source = Source("file.json", memoryview(raw if size is None else bytes(size)))
    return parse(source, raw, "a record")


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_it_reads_what_json_writes(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read(text) == json.loads(text) == value


@settings(max_examples=500)
@given(st.text(alphabet='{}[],:"\\ntrue0123456789.eE+- \n\x00é\ud800'))
def test_it_reads_what_python_reads_and_nothing_else(text):
    raw = text.encode("utf-8", "surrogatepass")
    try:
        expected = json.loads(raw.decode())
    except ValueError:
        with pytest.raises(WeightFileError):
            read(raw)
        return
    try:
        assert read(raw) == expected
    except WeightFileError as error:
        assert "twice" in str(error) or "damaged" in str(error)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" [ ] ", []),
        ('{"a" : { } , "b":[{},[[]]]}\r\n', {"a": {}, "b": [{}, [[]]]}),
        ('"\\u00e9\\n\\"\\\\"', 'é\n"\\'),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("-0.5e-3", -0.0005),
        ("1E400", float("inf")),
        ("[NaN, -Infinity]", [pytest.approx(float("nan"), nan_ok=True), float("-inf")]),
        ("9" * 300, int("9" * 300)),
    ],
)
def test_values(text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "damaged or cut off"),
        ("{", "no name where one was expected|damaged or cut off"),
        ('{"a"', "damaged or cut off"),
        ('{"a":1', "damaged or cut off"),
        ('{"a":1,}', "no name"),
        ('{"a" 1}', "no colon"),
        ("{1:2}", "no name"),
        ("[1,]", "no value"),
        ("[1 2]", "no comma or end"),
        ("[1}", "no comma or end"),
        ('{"a":1]', "no comma or end"),
        ("]", "no value"),
        ("[] []", "goes on after its end"),
        ("truely", "goes on after its end"),
        ("01", "goes on after its end"),
        ("'a'", "damaged"),
        ('"a', "without an end"),
        ('"a\\"', "without an end"),
        ('"\n"', "damaged"),
        ('"\\x"', "a string that is damaged"),
        ('"\\ud800"', "a string that is damaged"),
        (b'"\xff"', "a string that is damaged"),
        (b"\xef\xbb\xbf[]", "damaged"),
        ("1.", "goes on after its end"),
        ("1e", "goes on after its end"),
        ("1.2.3", "goes on after its end"),
        ("9" * 401, "a number of more than 400"),
        ("1e" + "9" * 401, "a number of more than 400"),
        ('{"a":1,"b":2,"a":3}', "has the name 'a' twice"),
        ('{"x":{"a":1,"\\u0061":3}}', "has the name 'a' twice"),
        ("[" * 101 + "]" * 101, "nested more than 100 deep"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested more than 100 deep"),
        ("[" * 1_000_000, "nested more than 100 deep"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(WeightFileError, match=words) as caught:
        read(text)
    assert str(caught.value).startswith("file.json: a record: its JSON ")


def test_the_same_name_in_two_objects_is_fine():
    assert read('[{"a":1},{"a":{"a":2}}]') == [{"a": 1}, {"a": {"a": 2}}]


def test_as_deep_as_may_be():
    value = read("[" * 100 + "]" * 100)
    for _ in range(99):
        (value,) = value
    assert value == []


HEAVY = {
    "empty lists": b"[" + b"[]," * 500_000 + b"0]",
    "empty objects": b"[" + b"{}," * 500_000 + b"0]",
    "numbers": b"[" + b"1000," * 500_000 + b"0]",
    "strings": b"[" + b'"ab",' * 500_000 + b"0]",
    "members": b"{" + b",".join(b'"%x":0' % i for i in range(300_000)) + b"}",
    "wide strings": b'["' + "\U0001f600".encode() + b"a" * 8_000_000 + b'"]',
    "escapes": b'["' + b"\\u00e9" * 500_000 + b'"]',
}


@pytest.mark.parametrize("name", HEAVY)
def test_memory_and_time_are_bounded(name):
    text = HEAVY[name]
    tracemalloc.start()
    try:
        value = read(text)
    except WeightFileError as error:
        value = error
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 4 * len(text) + (64 << 20)
    assert isinstance(value, WeightFileError) or name in ("escapes", "wide strings")
    del value
    assert_units(lambda: read(text), 50)


def test_a_larger_file_may_have_more():
    text = b"[" + b"[]," * 400_000 + b"0]"
    with pytest.raises(WeightFileError, match="too much memory"):
        read(text)
    assert len(read(text, 40_000_000)) == 400_001
