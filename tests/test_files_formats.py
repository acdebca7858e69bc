"""load: formats told by content, sources of every kind, and what is no weight file."""

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from weight_files import safetensors_file, torch_entries, zip_archive

import pylstm
from pylstm import WeightFileError
from pylstm.files.open import open_weights

WEIGHT = np.arange(6, dtype="<f4").reshape(2, 3)


def npz():
    file = io.BytesIO()
    np.savez(file, weight=WEIGHT)
    return file.getvalue()


def npy():
    file = io.BytesIO()
    np.save(file, WEIGHT)
    return file.getvalue()


FILES = {
    "torch": zip_archive(torch_entries({"weight": WEIGHT})),
    "safetensors": safetensors_file(
        '{"weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}', WEIGHT.tobytes()
    ),
    "npz": npz(),
    "npy": npy(),
    **{f"pickle {protocol}": pickle.dumps({"weight": WEIGHT}, protocol) for protocol in range(6)},
}


def check(loaded):
    array = loaded if isinstance(loaded, np.ndarray) else loaded["weight"]
    np.testing.assert_array_equal(array, WEIGHT)


class Pipe(io.RawIOBase):
    """A file that can only be read forwards."""

    def __init__(self, content):
        self._file = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._file.readinto(buffer)


@pytest.mark.parametrize("suffix", ["", ".pt", ".npz", ".txt"])
@pytest.mark.parametrize("format", FILES)
def test_the_content_tells_the_format(format, suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(FILES[format])
    check(pylstm.load(path))
    with open_weights(path) as weights:
        assert weights.format == format.split()[0]
        assert weights.name == str(path)
        assert weights.size == len(FILES[format])
        assert format.split()[0] in repr(weights)


@pytest.mark.parametrize("format", FILES)
def test_sources(format, tmp_path):
    content = FILES[format]
    path = tmp_path / "weights"
    path.write_bytes(content)
    for source in (content, bytearray(content), memoryview(content), path, str(path)):
        check(pylstm.load(source))
    check(pylstm.load(io.BytesIO(content)))
    check(pylstm.load(Pipe(content)))
    for buffering in (0, -1):
        with path.open("rb", buffering=buffering) as file:
            check(pylstm.load(file))
            assert not file.closed
            file.seek(0)
            check(pylstm.load(file, mmap=True))


def test_what_is_no_source():
    for source in (3, None, [b"a"], io.StringIO("a")):
        with pytest.raises(TypeError, match="source"):
            pylstm.load(source)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        pylstm.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        pylstm.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        pylstm.load(tmp_path / "pipe")


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "the file is empty"),
        (b"hello world", "not a weight file"),
        (b"<!DOCTYPE html>" + b" " * 1000, "not a weight file"),
        (b"\0" * 1000, "not a weight file"),
        (b"\x08\7\xff\xff", "not a weight file"),
        (b"model/" + b"\0" * 251 + b"ustar  \0" + b"\0" * 500, "a tar archive"),
    ],
)
def test_what_is_no_weight_file(content, reason, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(WeightFileError, match=reason) as caught:
        pylstm.load(path)
    assert caught.value.file == str(path)
    assert caught.value.record == ""
    assert str(caught.value) == f"{path}: {caught.value.reason}"


def test_the_file_is_closed(tmp_path, recwarn):
    path = tmp_path / "weights"
    for content in (*FILES.values(), b"junk"):
        path.write_bytes(content)
        with contextlib.suppress(WeightFileError):
            pylstm.load(path)
    assert not recwarn.list, "a ResourceWarning tells of an open file"
    with open_weights(FILES["npz"]) as weights:
        tensor = weights.tree["weight"]
    check(tensor.read())  # bytes stay readable, a file would not
    path.write_bytes(FILES["npz"])
    with open_weights(path) as weights:
        tensor = weights.tree["weight"]
    with pytest.raises(ValueError, match="closed"):
        tensor.read()


def test_a_file_that_shrinks(tmp_path):
    path = tmp_path / "weights"
    pylstm.save({"weight": np.zeros(10**6)}, path.with_suffix(".safetensors"))
    path.with_suffix(".safetensors").rename(path)
    with open_weights(path) as weights:
        os.truncate(path, 10**6)
        tensor = weights.tree["weight"]
        with pytest.raises(WeightFileError, match="became shorter"):
            tensor.read()
        with pytest.raises(WeightFileError, match="cannot be mapped"):
            tensor.storage.map()


def test_an_array_that_memory_cannot_hold(tmp_path):
    # The bytes are there: one hole in a file of 64 GB.
    path = tmp_path / "weights"
    size = 2**36
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}})
    path.write_bytes(safetensors_file(header))
    os.truncate(path, 8 + len(header) + size)
    code = f"""
import resource, pylstm
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
try:
    pylstm.load({str(path)!r})
except pylstm.WeightFileError as error:
    assert "no memory for" in str(error), error
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_of_it_is_imported_with_pylstm():
    code = """
import sys, pylstm
late = ("pylstm.files", "pylstm.weights", "pylstm.utils", "pylstm.plot", "pylstm.cli")
assert not [name for name in sys.modules if name.startswith(late)]
assert {"load", "save", "WeightFileError"} <= set(dir(pylstm)) & set(pylstm.__all__)
pylstm.load
assert "pylstm.files.unpickle" not in sys.modules and "zipfile" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_messages_show_what_a_file_chose_escaped_and_short():
    error = WeightFileError("a\x1b[2J.pt", "b\nc" * 1000, "two\n  lines \u202e" + "d" * 5000)
    text = str(error)
    assert len(text) < 4000
    assert text.startswith(r"a\x1b[2J.pt: b\ncb\nc")
    assert "...\\ncb\\nc" in text
    first, second = text.split("\n")
    assert first.endswith(": two")
    assert second.startswith(r"  lines \u202eddd")
    assert error.record == "b\nc" * 1000
    assert repr(pylstm.files.Record("a\n\x1b")) == r"<Record of a\n\x1b>"


def test_mapped_booleans_are_booleans_whatever_the_bytes():
    content = b'{"a":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}}'
    for data in (b"\0\1\0\1", b"\0\1\2\xff"):
        mapped = pylstm.load(safetensors_file(content.decode(), data), mmap=True)["a"]
        assert mapped.tolist() == [byte > 0 for byte in data]
        assert mapped.tobytes() == bytes(byte > 0 for byte in data)
        assert not mapped.flags.writeable
