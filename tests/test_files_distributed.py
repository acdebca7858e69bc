"""Folders of torch.distributed.checkpoint: the index, the shards, tensors cut into chunks."""

import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

import pylstm
from pylstm.files.open import open_weights

FILES = Path(__file__).parent / "data" / "files"
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


@pytest.fixture
def folder(tmp_path):
    """What two processes wrote."""
    with tarfile.open(FILES / "distributed.tar.xz") as archive:
        for member in archive:
            path = tmp_path / member.name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(archive.extractfile(member).read())
    return tmp_path / "two"


def edit(folder, old, new, count=1):
    """Replace bytes of the index by as many."""
    path = folder / ".metadata"
    content = path.read_bytes()
    assert content.count(old) >= count and len(old) == len(new)
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", ["", ".metadata"])
def test_chunks_are_put_together(folder, name, mmap):
    loaded = pylstm.load(folder / name, mmap)
    for each, expected in PARAMETERS.items():
        np.testing.assert_array_equal(loaded[f"model.lstm.{each}"], expected)
        assert loaded[f"model.lstm.{each}"].dtype == np.float32
    np.testing.assert_array_equal(loaded["model.half"], np.ones((3, 2), "f4"))
    np.testing.assert_array_equal(loaded["model.short"], np.ones((1, 3), "f4"))
    assert loaded["epoch"] == 7


def test_the_module(folder):
    module = pylstm.LSTM.from_weights(folder)
    for name, expected in PARAMETERS.items():
        np.testing.assert_array_equal(module.state_dict()[name], expected)
    with open_weights(folder) as file:
        assert file.format == "torch.distributed"
        assert len(file.paths) == 3
    assert list(pylstm.load(folder, flat=True, prefix="lstm")) == [
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_hh_l0",
        "bias_ih_l0",
    ]


def test_what_one_process_wrote(tmp_path):
    with tarfile.open(FILES / "other_formats_torch.tar.xz") as archive:
        for name in ("dcp/.metadata", "dcp/__0_0.distcp"):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(archive.extractfile(name).read())
    module = pylstm.LSTM.from_weights(tmp_path / "dcp")
    for name, expected in PARAMETERS.items():
        np.testing.assert_array_equal(module.state_dict()[name], expected)


def test_the_index_alone_has_no_folder(folder):
    with pytest.raises(pylstm.WeightFileError, match="pass its path"):
        pylstm.load((folder / ".metadata").read_bytes())
    file = (folder / ".metadata").open("rb")
    with file, pytest.raises(pylstm.WeightFileError, match="pass its path"):
        pylstm.load(file)


def test_an_index_of_nothing(tmp_path):
    path = tmp_path / ".metadata"
    path.write_bytes(b"\x80\2ctorch.distributed.checkpoint.metadata\nMetadata\n.")
    with pytest.raises(pylstm.WeightFileError, match="it has no state_dict_metadata"):
        pylstm.load(path)


def test_a_shard_that_is_missing(folder):
    (folder / "__1_0.distcp").unlink()
    with pytest.raises(FileNotFoundError, match="__1_0"):
        pylstm.load(folder)


def test_a_shard_that_is_cut_off(folder):
    path = folder / "__1_0.distcp"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(pylstm.WeightFileError, match="__1_0"):
        pylstm.load(folder)


@pytest.mark.parametrize("name", ["/__1_0.dist", "..//0.distc", "a\\_0.distcp"])
def test_names_that_are_no_files_of_the_folder(folder, name):
    edit(folder, b"__1_0.distcp", name.encode().ljust(12, b"x"))
    with pytest.raises(pylstm.WeightFileError, match="no file of the folder"):
        pylstm.load(folder)


class Index:
    """Writes the pickle of an index by hand: no class of torch exists here."""

    def __init__(self, tensors, places):
        self.tensors, self.places = tensors, places

    def dump(self):
        return (
            b"\x80\x02"
            + self._object(
                "metadata.Metadata",
                {"state_dict_metadata": self.tensors, "storage_data": self.places},
            )
            + b"."
        )

    def _object(self, name, attributes):
        module, _, name = f"torch.distributed.checkpoint.{name}".rpartition(".")
        return f"c{module}\n{name}\n)\x81".encode("latin-1") + self._dict(attributes) + b"b"

    def _dict(self, items):
        parts = b"".join(self._value(k) + self._value(v) for k, v in items.items())
        return b"}(" + parts + b"u"

    def _value(self, value):
        if isinstance(value, tuple) and value and isinstance(value[0], str):
            return self._object(*[value[0], dict(value[1])])
        if isinstance(value, dict):
            return self._dict(value)
        if isinstance(value, list):
            return b"](" + b"".join(map(self._value, value)) + b"e"
        return pickle.dumps(value, 2)[2:-1]


def chunk(offsets, sizes):
    return "metadata.ChunkStorageMetadata", (("offsets", offsets), ("sizes", sizes))


def tensor(size, *chunks):
    made = [chunk(*each) for each in chunks]
    return "metadata.TensorStorageMetadata", (("size", size), ("chunks", made))


def key(name, offset):
    return "metadata.MetadataIndex", (("fqn", name), ("offset", offset))


def place(file, offset, length, **others):
    items = {"relative_path": file, "offset": offset, "length": length, **others}
    return "filesystem._StorageInfo", tuple(items.items())


def written(tmp_path, size, chunks, arrays, change=lambda places: places):
    """A folder with one tensor "t" of some size, cut into chunks."""
    folder = tmp_path / "folder"
    folder.mkdir()
    places, content = {}, b""
    for (offsets, _), array in zip(chunks, arrays, strict=True):
        pylstm.save({"t": array}, tmp_path / "a.pt")
        bytes_ = _alone(tmp_path / "a.pt")
        places[key("t", offsets)] = place("0.distcp", len(content), len(bytes_))
        content += bytes_
    (folder / "0.distcp").write_bytes(content)
    index = Index({"t": tensor(size, *chunks)}, change(places))
    (folder / ".metadata").write_bytes(index.dump())
    return folder


def _alone(path):
    """The archive of a state_dict of one tensor, as one of the tensor: the pickle has it alone."""
    import io
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(made, "w") as again:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith("data.pkl"):
                start = content.index(b"ctorch._utils\n_rebuild_tensor_v2")
                end = content.index(b"R", content.index(b"OrderedDict", start) + 14) + 1
                content = content[:2] + content[start:end] + b"."
            again.writestr(name, content)
    return made.getvalue()


ONES = np.ones((2, 3), "f4")
HALVES = [((0, 0), (2, 3)), ((2, 0), (2, 3))]


def test_two_halves(tmp_path):
    loaded = pylstm.load(written(tmp_path, (4, 3), HALVES, [ONES, 2 * ONES]))
    np.testing.assert_array_equal(loaded["t"], np.concatenate([ONES, 2 * ONES]))


WRONG = {
    "a hole": ((5, 3), [((0, 0), (2, 3)), ((3, 0), (2, 3))], "do not fill its size"),
    "an overlap": ((4, 3), [((0, 0), (2, 3)), ((1, 0), (2, 3))], "chunks that overlap"),
    "beyond": ((4, 3), [((0, 0), (2, 3)), ((3, 0), (2, 3))], "do not fill its size"),
    "another shape": ((4, 3), [((0, 0), (2, 3)), ((2, 0), (3, 2))], "has a chunk"),
    "another number of axes": ((4, 3), [((0, 0), (2, 3)), ((2,), (2, 3))], "number of axes"),
    "a negative offset": ((4, 3), [((0, 0), (2, 3)), ((-2, 0), (2, 3))], "an offset that is none"),
    "a flag": ((4, 3), [((0, 0), (2, 3)), ((True, 0), (2, 3))], "an offset that is none"),
}


@pytest.mark.parametrize(("size", "chunks", "words"), WRONG.values(), ids=WRONG)
def test_chunks_that_do_not_fit(tmp_path, size, chunks, words):
    folder = written(tmp_path, size, chunks, [ONES, ONES])
    with pytest.raises(pylstm.WeightFileError, match=words):
        pylstm.load(folder)


def test_chunks_of_several_dtypes(tmp_path):
    folder = written(tmp_path, (4, 3), HALVES, [ONES, ONES.astype("f8")])
    with pytest.raises(pylstm.WeightFileError, match="several dtypes"):
        pylstm.load(folder)


def test_one_chunk_of_a_larger_tensor(tmp_path):
    folder = written(tmp_path, (4, 3), HALVES[:1], [ONES])
    with pytest.raises(pylstm.WeightFileError, match="do not fill its size"):
        pylstm.load(folder)


def first(place_of):
    return lambda places: {k: place_of(v) for k, v in places.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (first(lambda v: place("0.distcp", 0, dict(v[1])["length"])), "chunks that overlap"),
        (first(lambda v: place("0.distcp", -1, 5)), "needs 5 bytes"),
        (first(lambda v: place("0.distcp", 0.5, 5)), "is no number"),
        (first(lambda v: (v[0], (*v[1], ("transform_descriptors", ["zstd"])))), "compressed"),
        (lambda places: dict(list(places.items())[:1]), "no shard is named"),
    ],
)
def test_places_that_do_not_fit(tmp_path, change, words):
    folder = written(tmp_path, (4, 3), HALVES, [ONES, ONES], change)
    with pytest.raises(pylstm.WeightFileError, match=words):
        pylstm.load(folder)


def test_a_folder_without_shards_is_none(folder):
    for path in folder.glob("*.distcp"):
        path.unlink()
    with pytest.raises(IsADirectoryError):
        pylstm.load(folder)


def test_convert(folder, tmp_path):
    from pylstm.cli import main

    target = tmp_path / "all.safetensors"
    assert main(["convert", str(folder), str(target), "--prefix", "model"]) == 0
    assert pylstm.LSTM.from_weights(target).weight_hh_l0.tobytes() == (
        PARAMETERS["weight_hh_l0"].tobytes()
    )
    shutil.rmtree(folder)
