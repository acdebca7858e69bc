"""Changes to zip archives: to what entries hold, checksums right, and to what headers say."""

import re
import struct
import zlib
from dataclasses import dataclass, field, replace
from functools import lru_cache

from numbers_of_note import some_number

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")

# The fields of each header by name, behind the signature.
LOCAL_FIELDS = (
    "version", "flags", "method", "time", "date", "crc", "packed", "size", "name", "extra",
)  # fmt: skip
CENTRAL_FIELDS = ("made_by", *LOCAL_FIELDS, "comment", "disk", "internal", "external", "start")
END_FIELDS = ("disk", "first", "here", "count", "size", "start", "comment")

STORED, DEFLATED = 0, 8


@dataclass
class Entry:
    """An entry as it shall be written.

    Attributes
    ----------
    name, content : bytes
    method : int
    packed : bytes or None
        Written instead of the content as the method packs it.
    local, central : dict
        Fields of the headers that shall not be what they should.
    extra, padding : bytes
        Of the central and of the local header.
    at : int or None
        The offset of another entry's header, which this one says is its own.
    """

    name: bytes
    content: bytes
    method: int = STORED
    packed: bytes | None = None
    local: dict = field(default_factory=dict)
    central: dict = field(default_factory=dict)
    extra: bytes = b""
    padding: bytes = b""
    at: int | None = None


def read(content):
    """Return the entries of an honest archive."""
    end = content.rindex(b"PK\5\6")
    *_, count, _, at, _ = END.unpack_from(content, end)
    entries = []
    for _ in range(count):
        values = dict(zip(CENTRAL_FIELDS, CENTRAL.unpack_from(content, at)[1:], strict=True))
        name = content[at + CENTRAL.size :][: values["name"]]
        *_, name_size, extra_size = LOCAL.unpack_from(content, values["start"])
        start = values["start"] + LOCAL.size + name_size + extra_size
        data = content[start : start + values["packed"]]
        padding = content[start - extra_size : start]
        if values["method"] == DEFLATED:
            data = zlib.decompress(data, -15)
        entries.append(Entry(name, data, values["method"], padding=padding))
        at += CENTRAL.size + values["name"] + values["extra"] + values["comment"]
    return entries


_read = lru_cache(1000)(lambda content: tuple(read(content)))


def write(entries, *, prefix=b"", gap=b"", comment=b"", suffix=b"", end=None, zip64=None):
    """Return an archive.

    Parameters
    ----------
    entries : list of Entry
    prefix, gap, comment, suffix : bytes
        Before the first entry, before the directory, and after it.
    end : dict
        Fields of the end record that shall not be what they should.
    zip64 : dict or None
        Write the records of ZIP64; fields of them that shall not be what they should.
    """
    made, directory = bytearray(prefix), bytearray()
    for entry in entries:
        data = entry.content if entry.packed is None else entry.packed
        if entry.packed is None and entry.method == DEFLATED:
            data = deflated(entry.content)
        start = len(made) if entry.at is None else entry.at
        common = {
            "version": 20, "flags": 0, "method": entry.method, "time": 0, "date": 0x21,
            "crc": zlib.crc32(entry.content), "packed": len(data), "size": len(entry.content),
            "name": len(entry.name),
        }  # fmt: skip
        if entry.at is None:
            made += header(
                LOCAL, b"PK\3\4", LOCAL_FIELDS, common | {"extra": len(entry.padding)} | entry.local
            )
            made += entry.name + entry.padding + data
        rest = {
            "made_by": 20, "extra": len(entry.extra), "comment": 0, "disk": 0, "internal": 0,
            "external": 0, "start": start,
        }  # fmt: skip
        directory += header(CENTRAL, b"PK\1\2", CENTRAL_FIELDS, common | rest | entry.central)
        directory += entry.name + entry.extra
    made += gap
    start, count = len(made), len(entries)
    made += directory
    if zip64 is not None:
        made += end_records64(len(made), count, len(directory), start, zip64)
    fields = {"disk": 0, "first": 0, "here": count, "count": count, "size": len(directory)}
    fields |= {"start": start, "comment": len(comment)} | (end or {})
    return bytes(made + header(END, b"PK\5\6", END_FIELDS, fields) + comment + suffix)


def end_records64(at, count, size, start, wrong):
    """The two records of ZIP64 that stand before the end record."""
    fields = {"length": 44, "disk": 0, "count": count, "size": size, "start": start, "end": at}
    fields |= wrong
    disk = fields["disk"]
    return END64.pack(
        b"PK\6\6", fields["length"], 45, 45, disk, disk, fields["count"], fields["count"],
        fields["size"], fields["start"],
    ) + LOCATOR64.pack(b"PK\6\7", disk, fields["end"], 1)  # fmt: skip


def header(layout, signature, names, values):
    """Pack a header; what does not fit into its field is wrapped around."""
    masks = _masks(layout.format)
    numbers = [values[name] & mask for name, mask in zip(names, masks, strict=True)]
    return layout.pack(signature, *numbers)


@lru_cache(1000)
def _masks(format):
    """The largest number of each field behind the signature."""
    codes = re.findall(r"(\d*)([HL])", format)
    return [0xFFFF if code == "H" else 0xFFFFFFFF for n, code in codes for _ in range(int(n or 1))]


def deflated(content, level=9):
    """Raw deflated data, as zip holds it."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def edited(rng, content, edit_entry):
    """Return an archive with one change or some; ``edit_entry`` changes what an entry holds."""
    entries = [replace(each, local={}, central={}) for each in _read(content)]
    around = {}
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(entries))
        if rng.random() < 0.5:
            # Most entries are raw storages, of which one is as good as another.
            named = [each for each in entries if each.name.endswith((b".pkl", b".npy", b".json"))]
            entry = rng.choice(named) if named and rng.random() < 0.8 else entries[at]
            entry.content = edit_entry(rng, entry.name, entry.content)
        else:
            rng.choice(_EDITS)(rng, entries, at, around)
        if not entries:
            break
    return write(entries, **around)


def _remove(rng, entries, at, around):
    del entries[at]


def _double(rng, entries, at, around):
    entries.insert(rng.randrange(len(entries) + 1), replace(entries[at]))


def _rename(rng, entries, at, around):
    name = entries[at].name
    last = name.rpartition(b"/")[2]
    names = (
        b"",
        b"/" + name,
        b"../" + name,
        name + b"/",
        name.upper(),
        last,
        b"\xff\n",
        b"a" * 9999,
    )
    entries[at].name = rng.choice((*names, entries[rng.randrange(len(entries))].name))


def _swap(rng, entries, at, around):
    other = rng.randrange(len(entries))
    one, two = entries[at], entries[other]
    one.content, two.content = two.content, one.content


def _move(rng, entries, at, around):
    entries.insert(rng.randrange(len(entries)), entries.pop(at))


def _repack(rng, entries, at, around):
    entries[at].method = rng.choice((STORED, DEFLATED, DEFLATED, 1, 12, 14, 99))


def _lie(rng, entries, at, around):
    """One field of one header, or the same field of both."""
    entry = entries[at]
    name = rng.choice(CENTRAL_FIELDS)
    near = {"packed": len(entry.content), "size": len(entry.content), "name": len(entry.name)}
    number = some_number(rng, near.get(name, 0))
    if rng.random() < 0.7:
        entry.central[name] = number
    if name in LOCAL_FIELDS and rng.random() < 0.6:
        entry.local[name] = number


def _lie_at_the_end(rng, entries, at, around):
    around.setdefault("end", {})[rng.choice(END_FIELDS)] = some_number(rng, len(entries))


def _zip64(rng, entries, at, around):
    around["zip64"] = {}
    if rng.random() < 0.7:
        name = rng.choice(("length", "disk", "count", "size", "start", "end"))
        around["zip64"][name] = some_number(rng, len(entries)) % 2**16
    if rng.random() < 0.5:
        entry = entries[at]
        names = rng.sample(("size", "packed", "start"), rng.choice((1, 2, 3)))
        entry.central |= dict.fromkeys(names, 0xFFFFFFFF)
        numbers = [rng.choice((len(entry.content), some_number(rng) % 2**63)) for _ in names]
        entry.extra = struct.pack(f"<2H{len(names)}Q", 1, 8 * len(names), *numbers)


def _around(rng, entries, at, around):
    around[rng.choice(("prefix", "gap", "comment", "suffix"))] = rng.choice(
        (b"\0", b"PK\3\4", b"PK\5\6" + bytes(18), b"{" * 100, b"\x80\x02N.")
    )


def _overlap(rng, entries, at, around):
    entries[at].at = rng.choice((0, 1, 30, 64, 2**32 - 1))


def _damage(rng, entries, at, around):
    """Deflated data that are damaged, cut off, too long, or inflate to something else."""
    entry = entries[at]
    entry.method = DEFLATED
    packed = deflated(entry.content, rng.randrange(10))
    kind = rng.randrange(4)
    if kind == 0:
        packed = packed[: rng.randrange(len(packed) + 1)]
    elif kind == 1:
        packed += bytes(rng.choice((1, 70000)))
    elif kind == 2:
        packed = deflated(bytes(rng.choice((0, 10, 300_000))))
    else:
        packed = bytearray(packed)
        packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
    entry.packed = bytes(packed)


_EDITS = (_remove, _double, _rename, _swap, _move, _repack, _lie, _lie, _lie, _lie_at_the_end)
_EDITS += (_zip64, _around, _overlap, _damage, _damage)
