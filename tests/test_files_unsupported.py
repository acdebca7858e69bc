"""Files of other kinds, written by what writes them: read where that is sure, else called by name."""

import bz2
import contextlib
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import pylstm
from pylstm.files.base.record import Record, Shard, Unsupported
from pylstm.files.formats import unsupported
from pylstm.files.open import open_weights
from pylstm.weights.find import survey

ARCHIVES = Path(__file__).parent / "data" / "files"
SHAPES = {
    "weight_ih_l0": (12, 2),
    "weight_hh_l0": (12, 3),
    "bias_ih_l0": (12,),
    "bias_hh_l0": (12,),
}
PARAMETERS = {
    name: ((np.arange(np.prod(shape)) + 100 * index) / 8).astype("f4").reshape(shape)
    for index, (name, shape) in enumerate(SHAPES.items())
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder of all recorded files."""
    folder = tmp_path_factory.mktemp("foreign")
    for group in ("torch", "others", "old"):
        with tarfile.open(ARCHIVES / f"other_formats_{group}.tar.xz") as archive:
            for member in archive:
                # Not as shards are called: each is read alone.
                target = folder / member.name.replace("_of_", "of")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())
    return folder


def refusal(source):
    """Why a file is not read: the same by load, find_lstms and from_weights."""
    reasons = set()
    for function in (pylstm.load, pylstm.find_lstms, pylstm.LSTM.from_weights):
        with pytest.raises(pylstm.WeightFileError) as caught:
            function(source)
        reasons.add(caught.value.reason)
    [reason] = reasons
    assert len(reason) < 400 and "\n" not in reason
    return reason


def near_misses(source):
    with open_weights(source) as file:
        report = survey(file.tree, file.name)
    assert not report.candidates
    with pytest.raises(pylstm.WeightFileError) as caught:
        pylstm.LSTM.from_weights(source)
    for miss in report.near_misses:
        assert miss.reason in caught.value.reason
    return {miss.prefix: miss for miss in report.near_misses}


def assert_parameters(source, prefix="lstm"):
    state = pylstm.LSTM.from_weights(source, prefix).state_dict()
    assert list(state) == list(PARAMETERS)
    for name, expected in PARAMETERS.items():
        np.testing.assert_array_equal(state[name], expected)


# ---------------------------------------------------------------------------- named


REFUSED = {
    # torch's own
    "dcp/__0_0.distcp": "several torch archives in one file: a shard (.distcp) of torch.distributed.checkpoint: pass its folder",
    # TensorFlow
    "saved_model": "a folder of a TensorFlow SavedModel: save the Keras model",
    "saved_model/saved_model.pb": "a TensorFlow SavedModel: save the Keras model",
    "saved_model/variables/variables.index": "a file of a TensorFlow checkpoint: tf.train.load_checkpoint",
    "saved_model/variables/variables.data-00000-of-00001": "a file of a TensorFlow checkpoint",
    "checkpoint.index": "a file of a TensorFlow checkpoint",
    "checkpoint.data-00000-of-00001": "a file of a TensorFlow checkpoint",
    "frozen_graph.pb": "a TensorFlow graph (GraphDef): save the Keras model",
    "model.tflite": "a TensorFlow Lite model: pass the Keras model",
    # JAX
    "flax.msgpack": "a file of flax.serialization: flax.serialization.msgpack_restore(data)",
    "flax_wide.msgpack": "a file of flax.serialization",
    "flax_flat.msgpack": "a file of flax.serialization",
    "orbax": "a checkpoint of Orbax (JAX): restore it with orbax.checkpoint",
    "orbax_steps": "a checkpoint of Orbax (JAX)",
    "orbax_steps/0": "a checkpoint of Orbax (JAX)",
    # other runtimes
    "network.mlmodel": "a Core ML model: save the state_dict",
    "program.mlpackage": "a Core ML model: save the state_dict",
    "program.mlpackage/Data/com.apple.CoreML/model.mlmodel": "a Core ML model",
    "program.mlpackage/Manifest.json": "JSON",
    "openvino.xml": "a model description of OpenVINO (.xml): pass the torch, ONNX or Keras file",
    "openvino.bin": "not a weight file that pylstm reads; it starts with b",
    "model.gguf": "a GGUF file, as llama.cpp reads it: pass the safetensors or torch file",
    "model.ort": "a model in onnxruntime's own format (.ort): pass the .onnx file",
    # packed
    "weights.gz": "data compressed by gzip: pass gzip.open(path), which decompresses them",
    "weights.bz2": "data compressed by bzip2: pass bz2.open(path), which",
    "weights.xz": "data compressed by xz: pass lzma.open(path), which",
    "weights.lzma": "data compressed by LZMA: pass lzma.open(path), which",
    "weights.zz": "data compressed by zlib: pass zlib.decompress(data), which",
    "weights.lz4": "data compressed by LZ4: pass lz4.frame.open(path), which",
    "weights.zst": "data compressed by Zstandard: pass zstandard.open(path), which",
    "weights.7z": "a 7z archive: extract it",
    "weights.tar": "a tar archive: extract it",
    "weights.tar.gz": "a tar archive, compressed by gzip: extract it",
    "weights.mat": "a MATLAB file: load it with scipy.io.loadmat",
    "compressed_zlib.joblib": "data compressed by zlib with joblib.dump: pass zlib.decompress(data)",
    "compressed_gzip.joblib": "data compressed by gzip with joblib.dump: pass gzip.open(path)",
    "compressed_bz2.joblib": "data compressed by bzip2: pass bz2.open(path)",
    "compressed_xz.joblib": "data compressed by xz: pass lzma.open(path)",
    "compressed_lzma.joblib": "data compressed by LZMA: pass lzma.open(path)",
    "unpadded_zlib.joblib": "data compressed by zlib with joblib.dump: pass zlib.decompress(data)",
    "objects.joblib": "an array that is not one of numbers, as joblib writes it",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_recorded_files_are_called_by_name(name, recorded):
    path = recorded / name
    reason = refusal(path)
    assert REFUSED[name] in reason
    if name != "objects.joblib" and REFUSED[name] != "JSON":
        assert reason.startswith(REFUSED[name])
    if path.is_file() and ".data-" not in name:  # of which the name is all there is to see
        assert refusal(path.read_bytes()) == reason


def test_what_the_texts_advise_helps(recorded):
    openers = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open, "lzma": lzma.open}
    for suffix, opener in openers.items():
        with opener(recorded / f"weights.{suffix}") as file:
            assert_parameters(file)
    for how, opener in {**openers, "gzip": gzip.open}.items():
        path = recorded / f"compressed_{how}.joblib"
        if path.exists():
            with opener(path) as file:
                assert_parameters(file)
    for name in ("weights.zz", "compressed_zlib.joblib", "unpadded_zlib.joblib"):
        assert_parameters(zlib.decompress((recorded / name).read_bytes()))
    assert_parameters(recorded / "weights.npz")


def table(size):
    """The end of a table of LevelDB, in which TensorFlow has the index of a checkpoint."""
    return bytes(size) + bytes.fromhex("57fb808b247547db")


def gzipped(content):
    return gzip.compress(content, mtime=0)


def message(*fields):
    """A message of protocol buffers: fields of bytes, or of numbers below 128."""
    made = b""
    for number, value in fields:
        tag = number << 3 | (2 if isinstance(value, bytes) else 0)
        made += bytes([tag & 0x7F | 0x80, tag >> 7]) if tag > 127 else bytes([tag])
        if isinstance(value, int):
            made += bytes([value])
        else:
            made += bytes([len(value) & 0x7F | 0x80, len(value) >> 7]) + value
    return made


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
HEADS = {
    "Git LFS": (LFS, "a Git LFS pointer, which stands for the weights and does not hold them: fetch them with git lfs pull"),
    "HTML": (b"<!DOCTYPE html>\n<html><head><title>Sign in</title>", "an HTML page, not a weight file"),
    "HTML in capitals": (b"\xef\xbb\xbf\r\n  <HTML lang='en'>", "an HTML page, not a weight file"),
    "HTML alone": (b"<html>", "an HTML page, not a weight file"),
    "XML of a storage service": (b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>', "an XML document, not a weight file"),
    "OpenVINO without a declaration": (b'<net name="Model0" version="11">', "a model description of OpenVINO"),
    "JSON": (b'{"model_type": "bert", "layers": 3}', "JSON text, not a weight file"),
    "a list of JSON": (b'[{"a": 1}]', "JSON text, not a weight file"),
    "GGUF of release 1": (b"GGUF\1\0\0\0" + bytes(40), "a GGUF file"),
    "GGML": (b"lmgg" + struct.pack("<i", 51864), "a GGML file: pass the torch file"),
    "GGMF": (b"fmgg\1\0\0\0", "a GGML file"),
    "GGJT": (b"tjgg\3\0\0\0", "a GGML file"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3\x14\0\x20\0", "a TensorFlow Lite model"),
    "TensorFlow Lite whose offset is an opcode": (b"(\0\0\0TFL3", "a TensorFlow Lite model"),
    "onnxruntime": (b"\x28\0\0\0ORTM", "a model in onnxruntime's own format"),
    "ExecuTorch": (b"\x30\0\0\0ET12\0\0", "an ExecuTorch program (.pte): save the state_dict"),
    "ncnn": (b"7767517\n75 83\nInput input 0 1 data\n", "an ncnn model description (.param)"),
    "MXNet": (struct.pack("<QQQ", 0x112, 0, 3) + bytes(9), "MXNet parameters (.params)"),
    "Lua Torch": (struct.pack("<iii", 4, 1, 3) + b"V 1" + struct.pack("<i", 13) + b"nn.Sequential", "a file of Lua Torch (.t7)"),
    "MATLAB 5": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(90), "a MATLAB file: load it with scipy.io.loadmat"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(474) + b"\x89HDF\r\n\x1a\n", "a MATLAB file of version 7.3: load it with h5py"),
    "AppleDouble": (b"\0\5\x16\7\0\2\0\0Mac OS X        ", "an AppleDouble file, which macOS puts beside another one"),
    "RAR 4": (b"Rar!\x1a\7\0" + bytes(20), "a RAR archive: extract it"),
    "RAR 5": (b"Rar!\x1a\7\1\0" + bytes(20), "a RAR archive: extract it"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(20), "a 7z archive: extract it"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\4\0" + bytes(20), "data compressed by Zstandard"),
    "gzip of nothing": (gzipped(b""), "data compressed by gzip"),
    "gzip of a pickle": (gzipped(pickle.dumps({"a": 1})), "data compressed by gzip: pass gzip.open(path)"),
    "gzip, cut off": (gzipped(b"a" * 100)[:12], "data compressed by gzip"),
    "zlib of level 1": (zlib.compress(b"a" * 1000, 1), "data compressed by zlib"),
    "zlib of level 9": (zlib.compress(b"a" * 1000, 9), "data compressed by zlib"),
    "a checkpoint's index": (table(100), "a file of a TensorFlow checkpoint"),
    "a SavedModel": (message((1, 1), (2, message((1, message((5, b"2.15.0"))), (2, message((1, b"")))))), "a TensorFlow SavedModel"),
    "two graphs of a SavedModel": (message((1, 1), *[(2, message((1, b""), (2, b"")))] * 2), "a TensorFlow SavedModel"),
    "a GraphDef": (message((1, message((1, b"dense/kernel"), (2, b"Const"))), (4, message((1, 27)))), "a TensorFlow graph (GraphDef)"),
    "a GraphDef of TensorFlow 1": (message((1, message((1, b"x"), (2, b"Placeholder"), (5, b"")))), "a TensorFlow graph (GraphDef)"),
    "a classifier of Core ML": (message((1, 1), (2, b"\x0a\0"), (403, b"")), "a Core ML model"),
    "a network of Core ML": (message((1, 4), (2, b""), (500, b"\x0a\0")), "a Core ML model"),
    "Flax of two levels": (b"\x82\xa1a\x81\xa1b\xc7\x10\1" + bytes(16), "a file of flax.serialization"),
    "Flax of a long array": (b"\xde\0\x10\xd9\x21" + b"k" * 33 + b"\xc9\0\1\0\0\1" + bytes(40), "a file of flax.serialization"),
    "a tar archive": (b"model/weights.pt" + bytes(241) + b"ustar  \0" + bytes(300), "a tar archive: extract it"),
    "a tar archive of torch 0.1.9": (b"sys_info" + bytes(249) + b"ustar  \0" + bytes(300), "a tar archive, as torch wrote before its release 0.1.10"),
    "a zip archive of Keras files": (zipped("data", "a.h5", "b.pth"), "a zip archive: extract it and pass the weight file in it, as 'a.h5'"),
    "a zip archive of an ONNX model": (zipped("MAR-INF/MANIFEST.json", "model.onnx"), "a zip archive: extract it and pass the weight file in it, as 'model.onnx'"),
    "a zip archive of a SavedModel": (zipped("m/fingerprint.pb", "m/saved_model.pb"), "a zip archive of a TensorFlow SavedModel"),
    "a zip archive of Core ML": (zipped("p.mlpackage/Manifest.json", "p.mlpackage/Data/com.apple.CoreML/model.mlmodel"), "a zip archive of a Core ML model"),
    "torch.export before its release 2.8": (zipped("version", "serialized_exported_program.json", "serialized_state_dict.pt"), "an archive of torch.export (.pt2)"),
    "torch.export 2.8": (zipped("m/archive_format", "m/data/weights/model.pt"), "an archive of torch.export (.pt2)"),
    "another zip archive": (zipped("a.txt"), "a zip archive, but neither of torch"),
    "nothing": (b"", "the file is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_heads(name, tmp_path):
    content, text = HEADS[name]
    assert refusal(content).startswith(text)
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    assert refusal(path).startswith(text)


@pytest.mark.parametrize(
    "content", [b'{"model_type": "bert", "layers": 3}', b"{}", b'\n{\n  "a": {}}']
)
def test_json(content):
    assert "JSON" in refusal(content)


UNKNOWN = "not a weight file that pylstm reads"


@pytest.mark.parametrize(
    "content",
    [
        b"RAR!", b"7z", b"BZ", b"version 3.1\n", b"<", b"<svg>", b"{weights}", b"[1, 2]", b"{'a': 1}",
        b"\x78\x9c", b"\x78\x9cabcdefgh", b"\x78\x9d" + bytes(20), b"\x1f\x8b\x01" + bytes(20), b"\x1c\0\0\0TFL2",
        b"\x81\xa1a\x01", b"\x81\xa1a\xc7\x04\2abcd", b"\x81\x01\xc7\x04\1abcd", b"\x81\xa1a" * 30, b"\x8f", b"\xde\0",
        b"\x0a\x05hello", b"\x0a\0", message((1, message((1, b"a name"), (2, b"Const")))), message((1, message((1, b"x"), (2, b"lower")))),
        message((2, message((1, b"x"), (2, b"Const")))), table(10), table(100) + b"\0", struct.pack("<Q", 0x112), b"7767516\n", b"7767517",
        b"\xb0" * 600, b"model" + bytes(252) + b"ustaf",
    ],
)  # fmt: skip
def test_nothing_is_named_that_the_bytes_leave_open(content):
    assert refusal(content).startswith(UNKNOWN)


def test_data_without_an_index_are_not_a_checkpoint(tmp_path):
    path = tmp_path / "model.data-00000-of-00001"
    path.write_bytes(np.ones(40, "f4").tobytes())
    assert refusal(path).startswith(UNKNOWN)
    (tmp_path / "model.index").write_bytes(table(100))
    assert refusal(path).startswith("a file of a TensorFlow checkpoint")


def test_other_folders_are_folders(tmp_path):
    for name in ("model.pt", "config.json", ".metadata", "0"):
        (tmp_path / name).mkdir() if name == "0" else (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(IsADirectoryError):
        pylstm.load(tmp_path)
    (tmp_path / "__0_0.distcp").write_bytes(b"")
    with pytest.raises(pylstm.WeightFileError, match="has no weight_map"):
        pylstm.load(tmp_path)


def test_onnx_is_not_taken_for_something_else():
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    graph = helper.make_graph([], "g", [], [])
    model = helper.make_model(graph, producer_name="p" * 300, ir_version=1)
    assert pylstm.load(model.SerializeToString()) == {}
    many = helper.make_model(graph, opset_imports=[helper.make_opsetid(f"d{i}", 1) for i in range(200)])  # fmt: skip
    assert pylstm.load(many.SerializeToString()) == {}
    model.ClearField("graph")
    assert "an ONNX file without a graph" in refusal(model.SerializeToString())
    assert onnx.__version__


def test_pickles_that_start_like_other_files():
    for value in ({"GGUF": 1}, 3.5, [1, 2], "SQLite", b"BZh", 2**80, (), {}):
        for protocol in range(6):
            loaded = pylstm.load(pickle.dumps(value, protocol))
            assert loaded == value


@pytest.mark.parametrize("cut", [1, 3, 8, 20, 100, 400])
def test_cut_off_anywhere(cut, recorded):
    contents = [content for content, _ in HEADS.values()]
    contents += [path.read_bytes() for path in recorded.rglob("*") if path.is_file()]
    for content in contents:
        for part in (content[:cut], content[: len(content) * cut // 401], content[:-cut]):
            try:
                pylstm.load(part)
            except pylstm.WeightFileError as error:
                assert error.reason
            else:
                assert part.startswith((b"PK", b"\x80", b"(", b"}", b"\x08")), part[:20]


def test_a_torch_archive_that_is_damaged_is_not_called_a_shard(recorded):
    archive = (recorded / "dtensor_rows_0of1.pt").read_bytes()
    for content in (archive[:-30], archive + b"\0", archive + bytes(100)):
        assert "distributed" not in refusal(content)
    # Archives one after the other, the first of a state_dict in memory.
    assert refusal((recorded / "dcp" / "__0_0.distcp").read_bytes()).startswith("several torch")


def test_the_end_of_an_archive_is_found_wherever_it_stands():
    first = zipped("archive/data.pkl")
    for size in (
        0,
        unsupported._PIECE - len(first) - 30,
        unsupported._PIECE - 10,
        3 * unsupported._PIECE,
    ):
        head = first[: first.index(b"PK\1\2")] + bytes(size)
        content = head + b"PK\5\6" + bytes(18)
        assert refusal(content + first).startswith("several torch archives")
        assert "several" not in refusal(content + b"PK\1\2" + bytes(30))


# ---------------------------------------------------------------------------- frozen TorchScript


@pytest.mark.parametrize("name, count", [("frozen_scripted.pt", 1), ("frozen_traced.pt", 1), ("frozen_cells.pt", 2), ("optimized.pt", 1)])  # fmt: skip
def test_frozen(name, count, recorded):
    misses = near_misses(recorded / name)
    assert list(misses) == ["torch.lstm", "torch.lstm#2"][:count]
    for miss in misses.values():
        assert miss.kind == "frozen LSTM"
        assert miss.reason.startswith("its weights are constants of TorchScript code: save the module before torch.jit.freeze")  # fmt: skip
    loaded = pylstm.load(recorded / name)
    assert isinstance(loaded.state["torch.lstm"], Unsupported)
    np.testing.assert_array_equal(loaded.state["CONSTANTS"]["c0"], PARAMETERS["weight_ih_l0"])


def test_not_frozen(recorded):
    assert_parameters(recorded / "scripted.pt")
    assert pylstm.LSTM.from_weights(recorded / "scripted.pt").batch_first


# ---------------------------------------------------------------------------- joblib


@pytest.mark.parametrize("name", [f"protocol_{number}" for number in range(6)] + ["unpadded"])
def test_joblib(name, recorded):
    path = recorded / f"{name}.joblib"
    assert_parameters(path)
    assert_parameters(path.read_bytes())
    assert_parameters(io.BytesIO(path.read_bytes()))
    with open_weights(path) as file:
        assert file.format == "pickle"
    mapped = pylstm.load(path, mmap=True)
    assert not mapped["lstm.weight_ih_l0"].flags.writeable
    for key, expected in PARAMETERS.items():
        np.testing.assert_array_equal(mapped[f"lstm.{key}"], expected)


def test_joblib_of_several_kinds(recorded):
    loaded = pylstm.load(recorded / "several.joblib")
    weight = PARAMETERS["weight_ih_l0"]
    expected = {
        "fortran": weight,
        "big endian": weight.astype("f8"),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(2.5),
        "number": np.float32(0.5),
        "integers": np.arange(5),
        "flags": np.array([True, False]),
    }
    assert list(loaded) == [*expected, "list"]
    for name, array in expected.items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)
        assert loaded[name].dtype == array.dtype
    assert loaded["fortran"].flags.f_contiguous
    np.testing.assert_array_equal(loaded["list"][0], PARAMETERS["bias_ih_l0"])
    assert loaded["list"][1:] == ["text", None]


def test_joblib_as_it_is_installed(tmp_path):
    joblib = pytest.importorskip("joblib")
    state = {f"lstm.{name}": array for name, array in PARAMETERS.items()}
    joblib.dump({"model": state, "same": [state["lstm.bias_ih_l0"]] * 2}, tmp_path / "a.joblib")
    assert_parameters(tmp_path / "a.joblib", "model.lstm")
    joblib.dump(state, tmp_path / "b.joblib", compress=True)
    assert refusal(tmp_path / "b.joblib").startswith("data compressed by zlib with joblib.dump")


def test_damaged_joblib(recorded):
    content = (recorded / "protocol_4.joblib").read_bytes()
    rng = np.random.default_rng(0)
    for length in range(0, len(content), 7):
        with pytest.raises(pylstm.WeightFileError):
            pylstm.load(content[:length])
    for _ in range(500):
        case = bytearray(content)
        case[rng.integers(len(case))] = rng.integers(256)
        with contextlib.suppress(pylstm.WeightFileError):
            pylstm.load(bytes(case))


# ---------------------------------------------------------------------------- torch.distributed


WHOLE = ["dtensor_replicated_0of1", "dtensor_replicated_0of2", "dtensor_replicated_1of2", "dtensor_rows_0of1", "sharded_0of1", "fsdp2_0of1"]  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_tensors_of_which_a_process_has_all(name, recorded):
    assert_parameters(recorded / f"{name}.pt")
    loaded = pylstm.load(recorded / f"{name}.pt")
    assert all(isinstance(each, np.ndarray) for each in loaded.values())


@pytest.mark.parametrize("name, kind", [("dtensor_rows", "DTensor"), ("fsdp2", "DTensor"), ("sharded", "ShardedTensor")])  # fmt: skip
@pytest.mark.parametrize("rank", [0, 1])
def test_shards(name, kind, rank, recorded):
    path = recorded / f"{name}_{rank}of2.pt"
    [miss] = near_misses(path).values()
    assert miss.prefix == "lstm" and miss.kind == "LSTM of foreign tensors"
    assert miss.reason.startswith(f"weight_ih_l0 is <a shard (6, 2) of a {kind} (12, 2); save full tensors, as torch.distributed.checkpoint.state_dict.get_model_state_dict")  # fmt: skip
    loaded = pylstm.load(path)["lstm.weight_ih_l0"]
    assert isinstance(loaded, Shard) and isinstance(loaded, Record)
    assert loaded.class_name.endswith(kind)


@pytest.mark.parametrize("name", ["dtensor_partial_0of1", "dtensor_partial_0of2", "dtensor_partial_1of2"])  # fmt: skip
def test_terms_of_a_sum_are_no_tensor(name, recorded):
    """A Partial placement: the tensor is the sum over all processes."""
    [miss] = near_misses(recorded / f"{name}.pt").values()
    assert miss.reason.startswith("weight_ih_l0 is <a shard of a DTensor (12, 2); save full")


@pytest.mark.parametrize("name", ["fsdp_local_0of2", "fsdp_local_1of2", "fsdp_parameters_0of1", "fsdp_parameters_1of2"])  # fmt: skip
def test_flat_parameters(name, recorded):
    [miss] = near_misses(recorded / f"{name}.pt").values()
    assert miss.prefix.endswith("_flat_param")
    assert str(miss).split("(", 1)[1].startswith("the parameters of several layers in one row, which shards cut anywhere; save full")  # fmt: skip
    assert miss.kind == "flat parameter of FSDP"


@pytest.mark.parametrize(
    "name, found",
    [("flat_param", True), ("_flat_param", True), ("a.b.flat_param_0", True), ("_fsdp_wrapped_module.flat_param", True), ("my_flat_params", False), ("flat_parameter", False), ("a.xflat_param", False)],
)  # fmt: skip
def test_names_of_flat_parameters(name, found):
    report = survey({name: np.ones(9, "f4"), "other": 1}, "")
    assert [miss.prefix for miss in report.near_misses] == [name] * found
    assert not survey({name: np.ones((3, 3), "f4")}, "").near_misses


def test_shards_of_torch_1():
    """A ShardedTensor was no tensor then."""
    name = b"ctorch.distributed._shard.sharded_tensor.api\nShardedTensor\n)\x81N\x85b"
    keys = b"".join(b"X" + struct.pack("<I", len(key)) + key.encode() + name for key in PARAMETERS)
    loaded = pylstm.load(b"\x80\2}(" + keys + b"u.")
    assert repr(loaded["weight_ih_l0"]).startswith("<a shard of a ShardedTensor; save full tensors")
