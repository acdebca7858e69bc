"""NumPy's files: .npy of every version and order, .npz stored and deflated."""

import io
import pickle

import numpy as np
import pytest
from reference import make_parameters, parameter_shapes
from support import assert_same_bits
from weight_files import CountingFile, Entry, npy_file, zip_archive

import pylstm
from pylstm import WeightFileError
from pylstm.files import Record
from pylstm.files.open import open_weights
from pylstm.weights.find import survey

DTYPES = ["f8", "f4", "f2", "c16", "c8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"]
HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
ELEMENTS = np.arange(6, dtype="<f4")


def saved(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def saved_together(writer=np.savez, **arrays):
    file = io.BytesIO()
    writer(file, **arrays)
    return file.getvalue()


def assert_same(loaded, expected):
    assert loaded.dtype == expected.dtype.newbyteorder("=")
    assert loaded.dtype.isnative
    np.testing.assert_array_equal(loaded, expected, strict=False)
    assert loaded.shape == expected.shape


def refused(content):
    with pytest.raises(WeightFileError) as caught:
        pylstm.load(content)
    return str(caught.value)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype, byteorder, mmap):
    array = (np.arange(12).reshape(3, 4) % 2 * 3).astype(byteorder + dtype)
    assert_same(pylstm.load(saved(array), mmap=mmap), array)
    assert_same(pylstm.load(saved_together(a=array), mmap=mmap)["a"], array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions(version):
    assert_same(pylstm.load(saved(np.arange(3.0), version=version)), np.arange(3.0))
    content = npy_file(HEADER, ELEMENTS.tobytes(), version)
    assert_same(pylstm.load(content), ELEMENTS.reshape(2, 3))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4)])
@pytest.mark.parametrize("order", "CF")
def test_shapes_and_orders(shape, order):
    array = np.asarray(np.random.default_rng(0).random(shape), order=order)
    loaded = pylstm.load(saved(array))
    assert_same(loaded, array)
    assert loaded.flags.writeable


def test_fortran_order_is_a_strided_view():
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert pylstm.load(saved(array)).strides == array.strides


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_npz(writer):
    arrays = {"a": np.arange(3.0), "folder/b": np.eye(2, dtype="f4"), "c.npy": np.zeros(0)}
    loaded = pylstm.load(saved_together(writer, **arrays))
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert_same(loaded[name], array)


def test_an_empty_npz():
    assert pylstm.load(saved_together()) == {}


def test_entries_of_an_npz_that_are_no_arrays_are_left_out():
    entries = [Entry("README", b"text"), Entry("a.npy", saved(np.arange(3)))]
    assert list(pylstm.load(zip_archive(entries))) == ["a"]


@pytest.mark.parametrize(
    "array", [np.array("text"), np.array([b"bytes"]), np.array(["2020-01-01"], "M8[D]")]
)
def test_text_and_dates_become_records(array):
    record = pylstm.load(saved_together(note=array, w=np.ones(2)))["note"]
    assert isinstance(record, Record)
    assert record.class_name == "numpy.ndarray"
    assert record.args == (array.dtype.str, array.shape)


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_object_arrays_are_refused_and_nothing_runs(writer, tmp_path):
    canary = tmp_path / "canary"

    class Attack:
        def __reduce__(self):
            return canary.touch, ()

    content = saved_together(writer, a=np.array([Attack()], dtype=object))
    assert "a.npy: an array of Python objects" in refused(content)
    pickle.loads(saved(np.array([Attack()], dtype=object))[128:])
    assert canary.exists(), "the attack works where a pickle is loaded"


def test_structured_arrays_are_refused():
    assert "structured" in refused(saved(np.zeros(2, [("a", "f4"), ("b", "i4")])))


@pytest.mark.parametrize(
    "header",
    {
        "without quotes": "{descr: '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "with a key missing": "{'descr': '<f4', 'shape': (2, 3)}",
        "with a key twice": HEADER.replace("}", "'descr': '<f4'}"),
        "with a key too many": HEADER.replace("}", "'more': (1,)}"),
        "with an expression": HEADER.replace("(2, 3)", "(2, 1 + 2)"),
        "with a call": HEADER.replace("'<f4'", "exit()"),
        "with an escape": HEADER.replace("<f4", "\\x3cf4"),
        "with a negative size": HEADER.replace("(2, 3)", "(-2, -3)"),
        "with a size of many digits": HEADER.replace("3", "9" * 50),
        "with a huge size": HEADER.replace("3", "9" * 19),
        "with nothing but commas": HEADER.replace("(2, 3)", "(,)"),
        "with many sizes": HEADER.replace("(2, 3)", "(" + "1, " * 65 + "6)"),
        "of a list": "[1, 2]",
        "of brackets": "(" * 5000,
        "of nothing": "",
        "of another dtype": HEADER.replace("<f4", "<f16"),
        "of no dtype": HEADER.replace("<f4", ""),
        "of a void": HEADER.replace("<f4", "|V24"),
        "of objects": HEADER.replace("<f4", "|O"),
        "of a flag": HEADER.replace("False", "1"),
        "of fewer elements": HEADER.replace("3", "2"),
        "of more elements": HEADER.replace("3", "4"),
        "longer than NumPy's": HEADER + " " * 10_000,
    }.items(),
    ids=lambda pair: pair[0],
)
def test_headers_that_are_refused(header):
    assert refused(npy_file(header[1], ELEMENTS.tobytes()))


def test_headers_in_other_hands():
    content = npy_file("{\"shape\":(2L,3L),'fortran_order':False,'descr':'=f4'}", bytes(24))
    assert pylstm.load(content).shape == (2, 3)


def test_version_four_is_refused():
    assert "version 1, 2 or 3" in refused(npy_file(HEADER, ELEMENTS.tobytes(), (4, 0)))


def test_cut_off_at_every_byte():
    content = saved(np.arange(5.0))
    for length in range(len(content)):
        assert refused(content[:length])
    assert refused(content + b"\0")


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_an_npz_cut_off_at_every_byte(writer):
    content = saved_together(writer, a=np.arange(5.0), b=np.ones(3, "i2"))
    for length in range(len(content)):
        assert refused(content[:length])


def test_a_wrong_byte_in_a_deflated_array_is_noticed():
    content = bytearray(saved_together(np.savez_compressed, a=np.arange(1000.0)))
    content[600] ^= 1
    assert "a.npy" in refused(bytes(content))


def test_mapped_arrays_are_views_of_the_file(tmp_path):
    path = tmp_path / "weights"
    np.savez(path.with_suffix(".npz"), a=np.arange(4.0))
    path.with_suffix(".npz").rename(path)
    array = pylstm.load(path, mmap=True)["a"]
    assert not array.flags.writeable and not array.flags.owndata
    content = bytearray(path.read_bytes())
    at = content.index(np.float64(3).tobytes())
    with path.open("r+b") as file:
        file.seek(at)
        file.write(np.float64(7).tobytes())
    assert array[3] == 7


def test_only_the_bytes_of_one_tensor_are_read():
    content = saved_together(a=np.zeros(100_000), b=np.arange(10.0))
    file = CountingFile(io.BytesIO(content))
    with open_weights(file) as weights:
        before = file.count
        assert before < 2000
        np.testing.assert_array_equal(weights.tree["b"].read(), np.arange(10.0))
        assert file.count - before == 80


# Names of parameters in archives ---------------------------------------------------------------


def archive(path, named):
    np.savez(path, **named)
    return path


def lstms(*prefixes):
    """The parameters of an LSTM(2, 3) for each prefix, each of its own numbers."""
    return {
        prefix + name: value
        for seed, prefix in enumerate(prefixes, 1)
        for name, value in make_parameters(seed, parameter_shapes(2, 3), np.float32).items()
    }


@pytest.mark.parametrize("prefix", ["lstm/", "params/encoder/lstm/", "params/encoder.lstm/", "/"])
def test_slashes_part_names(prefix, tmp_path):
    path = archive(tmp_path / "weights.npz", lstms(prefix))
    [found] = pylstm.find_lstms(path)
    dotted = prefix.strip("/").replace("/", ".")
    assert found.prefix == dotted
    expected = tuple(lstms("").values())
    for source in (path, pylstm.load(path), pylstm.load(path, flat=True)):
        for given in {None, dotted, prefix.rstrip("/")}:
            made = pylstm.LSTM.from_weights(source, given)
            assert_same_bits(tuple(made.state_dict().values()), expected)
    if dotted:
        assert set(pylstm.load(path, flat=True, prefix=dotted)) == set(lstms(""))


@pytest.mark.parametrize(
    "named",
    [
        lstms("enc/lstm/", "dec/lstm/"),
        lstms("enc/", "enc/inner/"),
        lstms("enc/lstm/") | {"enc/fc/weight": np.ones(2)},
    ],
)
def test_several_with_slashes(named, tmp_path):
    path = archive(tmp_path / "weights.npz", named)
    seen = {name.rpartition("/")[0].replace("/", ".") for name in named if "weight_hh" in name}
    assert {each.prefix for each in pylstm.find_lstms(path)} == seen


def test_what_is_foreign_behind_slashes(tmp_path):
    named = lstms("enc/lstm/") | {"enc/lstm/norm/weight": np.ones(2)}
    with pytest.raises(pylstm.WeightFileError, match=r"foreign parameters \(norm.weight; "):
        pylstm.LSTM.from_weights(archive(tmp_path / "weights.npz", named))


@pytest.mark.parametrize(
    "prefixes", [("a/lstm/", "a.lstm/"), ("a/b/", "a.b."), ("/a/", "a/"), ("/", "")]
)
def test_keys_that_fall_together_are_an_error(prefixes, tmp_path):
    path = archive(tmp_path / "weights.npz", lstms(*prefixes))
    assert pylstm.find_lstms(path) == []
    with pytest.raises(pylstm.WeightFileError, match="ambiguous LSTM"):
        pylstm.LSTM.from_weights(path)
    with pytest.raises(pylstm.WeightFileError, match="two tensors have this name"):
        pylstm.load(path, flat=True)


@pytest.mark.parametrize("separator", [":", "|", "-", "__", "_", "\\", "->", " ", "@", "::"])
def test_other_separators_are_near_misses(separator, tmp_path):
    path = archive(tmp_path / "weights.npz", lstms(f"lstm{separator}"))
    assert pylstm.find_lstms(path) == []
    with pytest.raises(pylstm.WeightFileError) as caught:
        pylstm.LSTM.from_weights(path)
    assert "'lstm': LSTM with other names (" in str(caught.value)
    assert f"{separator!r} is before its weight_hh; a dot or a slash parts names" in str(
        caught.value
    )


def test_other_separators_of_what_is_no_parameter(tmp_path):
    for named in (
        {"my_weight_hh_l0": np.ones(3)},  # not of two axes
        {"weight_hh_l0_": np.ones((3, 3))},
        {"xweight_hh_l0": np.ones((3, 3))},
        {"_weight_hh_l0": np.ones((3, 3))},
    ):
        report = survey(pylstm.load(archive(tmp_path / "weights.npz", named)), "<test>")
        assert report.candidates == report.near_misses == []
