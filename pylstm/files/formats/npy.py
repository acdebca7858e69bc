"""NumPy's own files: one array (``.npy``), or a zip archive of them by name (``.npz``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...arguments.variants import WEIGHTS_KEY
from ..base.errors import WeightFileError
from ..base.named import MATRIX, NamedArrays
from ..base.record import Record
from ..base.source import Segment, Source
from ..base.tensor import PLAIN_DTYPES, Storage, Tensor, row_major

if TYPE_CHECKING:
    from ..base.tensor import Bytes, Make
    from ..base.zip_archive import ZipArchive

MAGIC = b"\x93NUMPY"
SUFFIX = ".npy"
# Behind the name of an array of bits that are no integers: what they are, as pylstm writes it.
DTYPE_SUFFIX = "_dtype"

# NumPy refuses longer ones as well: it has no use for them but structured dtypes.
_LONGEST_HEADER = 10_000

# A dict of three entries. Python 2 wrote sizes as 3L.
_FIELD = re.compile(
    r"""\s*(?P<quote>['"])(?P<key>descr|fortran_order|shape)(?P=quote)\s*:\s*
    (?: '(?P<single>[^'\\]*)' | "(?P<double>[^"\\]*)"
      | (?P<flag>True|False) | \((?P<sizes>[\d\sL,]*)\) )\s*(?:,|$)""",
    re.VERBOSE | re.ASCII,
)
_SIZES = re.compile(r"\s*(?:\d{1,19}L?\s*,\s*)*(?:\d{1,19}L?\s*)?", re.ASCII)
_DESCR = re.compile(r"[<>|=]?[A-Za-z]\d{0,9}(\[\d{0,9}\w{1,9}\])?", re.ASCII)

_BY_CODE = {f"{dtype.kind}{dtype.itemsize}": name for name, dtype in PLAIN_DTYPES.items()}


@dataclass(frozen=True, eq=False, slots=True)
class Tail:
    """The bytes of another content from some offset on."""

    content: Bytes
    start: int

    @property
    def size(self) -> int:
        """Bytes from the offset to the end."""
        return self.content.size - self.start

    @property
    def record(self) -> str:
        """The part of the file, for messages."""
        return self.content.record

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``, which counts from the start of the tail."""
        self.content.readinto(self.start + offset, buffer)

    def view(self) -> memoryview:
        """Return all of it without reading, where the content can be mapped."""
        return self.content.view()[self.start :]


def read(source: Source, make: Make) -> Any:
    """Return the array of a ``.npy`` file."""
    whole = Segment(source, 0, source.size, "")
    return _array(source, whole, whole, make)


def read_npz(archive: ZipArchive, make: Make) -> dict[str, Any]:
    """Return the arrays of an archive by name; entries that are no arrays are left out.

    An array of uint16 with the text ``bfloat16`` under its name and ``_dtype`` is of bfloat16.
    pylstm alone writes such, of modules whose weights are compressed: that is recorded of these.
    """
    tree = NamedArrays()
    short: dict[str, set[bool]] = {}
    for name in archive.entries:
        if name.endswith(SUFFIX):
            stem = name.removesuffix(SUFFIX)
            if not _tells_bfloat16(archive, stem.removesuffix(DTYPE_SUFFIX), stem):
                is_bfloat16 = _tells_bfloat16(archive, stem, stem + DTYPE_SUFFIX)
                tree[stem] = read_entry(archive, name, make, is_bfloat16=is_bfloat16)
                prefix, _, last = stem.rpartition(".")
                if MATRIX.fullmatch(last):
                    short.setdefault(prefix, set()).add(is_bfloat16)
    tree.options = {
        prefix: {WEIGHTS_KEY: "bfloat16"} for prefix, each in short.items() if each == {True}
    }
    return tree if tree.options else dict(tree)


def read_entry(archive: ZipArchive, name: str, make: Make, *, is_bfloat16: bool = False) -> Any:
    """Return the array of one entry, its integers taken for the bits of bfloat16 if they are."""
    # Opened twice: a deflated entry that has begun to inflate holds on to its window.
    header, content = archive.open(name), archive.open(name)
    return _array(archive.source, header, content, make, is_bfloat16=is_bfloat16)


def _tells_bfloat16(archive: ZipArchive, name: str, marker: str) -> bool:
    """Tell whether an array of uint16 has its marker, one text, beside it."""
    if name == marker or not {name + SUFFIX, marker + SUFFIX} <= archive.entries.keys():
        return False
    file, described = archive.source.name, []
    for each in (name, marker):
        content = archive.open(each + SUFFIX)
        header, start = _header(file, content)
        described.append((*_fields(file, content.record, header), start))
    (bits, _, _, _), (descr, _, shape, start) = described
    if bits.lstrip("<>|=") != "u2" or descr != "<U8" or shape != ():
        return False
    text = "bfloat16".encode("utf-32-le")
    content = archive.open(marker + SUFFIX)
    if content.size != start + len(text):
        return False
    return _start_of(file, Tail(content, start), 0, len(text)) == text


def _array(
    source: Source, head: Bytes, content: Bytes, make: Make, *, is_bfloat16: bool = False
) -> Any:
    """Return what ``make`` returns for the array; a :class:`Record` for text and dates."""
    file, record = source.name, content.record
    header, start = _header(file, head)
    descr, fortran, shape = _fields(file, record, header)
    source.count(1, record, shape)
    if descr[-1] == "O" or descr.lstrip("<>|=").startswith("O"):
        raise WeightFileError(
            file,
            record,
            "an array of Python objects, which only a pickle could restore: if the file can be "
            "trusted, numpy.load(path, allow_pickle=True) reads it",
        )
    dtype = _BY_CODE.get(descr.lstrip("<>|="))
    if dtype is None:
        if descr.lstrip("<>|=")[0] in "SUMm":
            return Record("numpy.ndarray", (descr, shape))
        raise WeightFileError(file, record, f"its dtype {descr} is not one of numbers")
    dtype = "bfloat16" if is_bfloat16 else dtype
    storage = Storage(file, Tail(content, start), dtype, _byteorder(descr))
    strides = row_major(shape[::-1])[::-1] if fortran else None
    tensor = Tensor(storage, shape, strides)
    if storage.content.size != tensor.size * storage.raw_dtype.itemsize:
        raise WeightFileError(
            file, record, f"{storage.content.size} bytes do not hold shape {shape} of {dtype}"
        )
    return make(tensor)


def _header(file: str, content: Bytes) -> tuple[str, int]:
    """Return the header's text and the offset at which the elements start."""
    fixed = _start_of(file, content, 0, 8)
    version = (fixed[6], fixed[7])
    if fixed[:6] != MAGIC or version not in ((1, 0), (2, 0), (3, 0)):
        raise WeightFileError(file, content.record, "is no .npy array of version 1, 2 or 3")
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(_start_of(file, content, 8, width), "little")
    if length > _LONGEST_HEADER:
        raise WeightFileError(
            file, content.record, f"its header has {length} bytes, more than {_LONGEST_HEADER}"
        )
    raw = _start_of(file, content, 8 + width, length)
    try:
        return raw.decode("utf-8" if version == (3, 0) else "latin-1"), 8 + width + length
    except UnicodeDecodeError:
        raise WeightFileError(file, content.record, "its header is not UTF-8") from None


def _start_of(file: str, content: Bytes, offset: int, count: int) -> bytes:
    if content.size < offset + count:
        raise WeightFileError(file, content.record, "the array is cut off within its header")
    buffer = bytearray(count)
    content.readinto(offset, memoryview(buffer))
    return bytes(buffer)


def _fields(file: str, record: str, header: str) -> tuple[str, bool, tuple[int, ...]]:
    """Return dtype, Fortran order and shape, read by a grammar of just these three."""
    text = header.strip()
    fields: dict[str, re.Match[str]] = {}
    inner = text[1:-1].rstrip()
    at = 0
    while at < len(inner) and (field := _FIELD.match(inner, at)):
        if fields.setdefault(field["key"], field) is not field:
            break
        at = field.end()
    complete = text[:1] == "{" and text[-1:] == "}" and at == len(inner) and len(fields) == 3
    if complete:
        descr = fields["descr"]["single"] or fields["descr"]["double"]
        flag, sizes = fields["fortran_order"]["flag"], fields["shape"]["sizes"]
        right = descr and _DESCR.fullmatch(descr) and flag and sizes is not None
        if right and _SIZES.fullmatch(sizes):
            shape = tuple(int(size) for size in re.findall(r"\d+", sizes))
            return descr, flag == "True", shape
    if re.search(r"""['"]descr['"]\s*:\s*[\[(]""", text):
        raise WeightFileError(file, record, "its dtype is structured; pylstm reads plain numbers")
    raise WeightFileError(file, record, "its header is not one that NumPy writes")


def _byteorder(descr: str) -> Literal["<", ">"]:
    return ">" if descr[0] == ">" or (descr[0] == "=" and not np.little_endian) else "<"
