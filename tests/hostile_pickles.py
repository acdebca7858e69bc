"""Pickles that were made to hurt the reader, each with what has to come of it."""

import pickle
import struct

MARK, STOP = b"(", b"."
REFUSED, LOADED = "refused", "loaded"


def text(value):
    """BINUNICODE of a string."""
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    """LONG1 of an integer."""
    data = pickle.encode_long(value) or b"\0"
    return b"\x8a" + bytes([len(data)]) + data


def canary_opcodes(path):
    """Every way by which a pickle makes Python run ``open(path, "x")``, by name."""
    call = text(path) + text("x") + b"\x86"
    line = f"'{path}'".encode()
    state = b"}" + text("x") + text("y") + b"s"
    by_name = {
        "GLOBAL and REDUCE": b"cbuiltins\nopen\n" + call + b"R",
        "GLOBAL by Python 2's name": b"c__builtin__\nopen\n" + call + b"R",
        "GLOBAL with dots": b"cos\npath.os.open\n" + text(path) + b"K\x42\x86R",
        "STACK_GLOBAL": text("builtins") + text("open") + b"\x93" + call + b"R",
        "STACK_GLOBAL from the memo": text("open")
        + b"\x940"
        + text("io")
        + b"h\0\x93"
        + call
        + b"R",
        "INST": b"(S" + line + b"\nS'x'\nibuiltins\nopen\n",
        "OBJ": b"(cbuiltins\nopen\n" + text(path) + text("x") + b"o",
        "NEWOBJ": b"cio\nFileIO\n" + call + b"\x81",
        "NEWOBJ_EX": b"cio\nFileIO\n" + call + b"}\x92",
        "eval": b"cbuiltins\neval\n" + text(f"open({path!r}, 'x')") + b"\x85R",
        "exec": b"cbuiltins\nexec\n" + text(f"open({path!r}, 'x')") + b"\x85R",
        "os.system": b"cos\nsystem\n" + text(f"touch {path}") + b"\x85R",
        "posix.system": b"cposix\nsystem\n" + text(f"touch {path}") + b"\x85R",
        "subprocess": b"csubprocess\ncheck_call\n(" + text("touch") + text(path) + b"l\x85R",
        "getattr": b"cbuiltins\ngetattr\ncpathlib\nPath\n"
        + text("touch")
        + b"\x86Rcpathlib\nPath\n"
        + text(path)
        + b"\x85R\x85R",
        "operator.attrgetter": b"coperator\nattrgetter\n" + text("system") + b"\x85Rcos\n\n\x85R",
        "functools.partial": b"cfunctools\npartial\ncbuiltins\nopen\n"
        + text(path)
        + text("x")
        + b"\x87R)R",
        "map and list": b"cbuiltins\nlist\ncbuiltins\nmap\ncos\nsystem\n("
        + text(f"touch {path}")
        + b"l\x86R\x85R",
        "BUILD with a hook": b"ccopyreg\n_reconstructor\n"
        + b"(cbuiltins\nexec\ncbuiltins\nobject\nNtR}"
        + text("__setstate__")
        + b"cbuiltins\nexec\nsb"
        + text(f"open({path!r}, 'x')")
        + b"b",
        "BUILD of an OrderedDict": b"ccollections\nOrderedDict\n)R}"
        + text("items")
        + b"cbuiltins\nopen\nsb",
        "a factory": b"ccollections\ndefaultdict\ncos\nabort\n\x85R",
        "an object with slots": b"cio\nFileIO\n)\x81N" + state + b"\x86b",
        "numpy's loader": b"cnumpy\nload\n" + text(path) + b"\x85R",
        "numpy's testing": b"cnumpy.testing._private.utils\nrunstring\n"
        + text(f"open({path!r}, 'x')")
        + b"}\x86R",
        "torch's loader": b"ctorch\nload\n" + text(path) + b"\x85R",
        "torch's wrapper": b"ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nopen\nN"
        + call
        + b"NtR",
        "torch's typed value": b"ctorch.jit._pickle\nrestore_type_tag\ncos\nabort\n"
        + text("x")
        + b"\x86R)R",
        "an array's class": b"cnumpy.core.multiarray\n_reconstruct\n(cbuiltins\nopen\n"
        + text(path)
        + text("x")
        + b"tR",
        "encode": b"c_codecs\nencode\n" + text("x") + text("rot13") + b"\x86R",
        "a dict's method": b"}cbuiltins\ndict.update\n)R0",
    }
    return {name: opcodes + STOP for name, opcodes in by_name.items()}


def outside_opcodes():
    """Opcodes that reach outside of the pickle."""
    return {
        "EXT1": b"\x82\x01.",
        "EXT2": b"\x83\x01\0.",
        "EXT4": b"\x84\x01\0\0\0.",
        "NEXT_BUFFER": b"\x97.",
        "READONLY_BUFFER": b"C\1x\x98.",
        "PERSID": b"P1\n.",
        "BINPERSID": text("storage") + b"Q.",
        "PROTO": b"\x80\x06N.",
        "no opcode": b"\xff.",
    }


def colliding_integers(count):
    """Integers of one hash: they are equal modulo the prime of Python's hashes."""
    return [index * (2**61 - 1) for index in range(1, count + 1)]


def crowding_integers(count):
    """Integers below 2**60 that a search in a dict has to walk over, or has to begin with.

    Half of them fill a run of places that a search visits one after the other; the others have
    bits above those that their search uses up before it arrives at the beginning of that run.
    """
    size = 8
    while size * 2 < count * 3:
        size *= 2
    mask = size - 1
    run, place = [], 1
    while len(run) < count // 2:
        run.append(place)
        place = (5 * place + 1) & mask
    start = set(run[: count // 20])
    walkers, candidate = [], 2**50
    while len(walkers) < count - len(run):
        candidate += 12345678910111
        place, rest = candidate & mask, candidate
        while rest:
            rest >>= 5
            place = (5 * place + rest + 1) & mask
        if place in start:
            walkers.append(candidate)
    return run + walkers


def _dict(keys):
    return b"}(" + b"".join(key + b"N" for key in keys) + b"u."


def _nested(open_, close, depth):
    return open_ * depth + b"N" + close * depth


def heavy(count):
    """Pickles of about ``count`` bytes that ask for much memory or time, by name.

    With each comes what has to come of it; None if that depends on the size.
    """
    deep = _nested(b"", b"\x85", count)
    doubled = b"N\x85" + b"2\x86" * 60
    long = b"\x8b" + struct.pack("<i", count // 2) + b"\x7f" * (count // 2)
    words = text("a" * (count // 4))
    run = b"B" + struct.pack("<I", 4000) + bytes(4000)
    return {
        # Nothing but nesting: harmless, but recursion would end in a crash.
        "deep tuples": (deep + STOP, LOADED),
        "deep lists": (_nested(b"](", b"e", count // 4) + STOP, None),
        "deep dicts": (b"(N" * (count // 4) + b"N" + b"d" * (count // 4) + STOP, None),
        "deep frozensets": (b"(" * (count // 4) + b"N" + b"\x91" * (count // 4) + STOP, None),
        "deep records": (
            b"ca\nb\nq\0" + b"h\0" * (count // 4) + b"N" + b"\x85R" * (count // 4) + STOP,
            None,
        ),
        # Keys.
        "integers of one hash": (_dict(map(number, colliding_integers(count // 14))), None),
        "integers in one run": (_dict(map(number, crowding_integers(count // 8))), None),
        "negative integers": (_dict(b"J" + struct.pack("<i", -i) for i in range(count // 6)), None),
        "floats": (_dict(b"G" + struct.pack(">d", i * 2.0**70) for i in range(count // 10)), None),
        "tuples of integers": (
            _dict(number(i * (2**61 - 1)) + b"\x85" for i in range(count // 14)),
            None,
        ),
        "a deep key": (b"}" + deep + b"Ns.", REFUSED),
        "a deep member": (b"\x8f(" + deep + b"\x90.", REFUSED),
        "a deep member of a set of Python 2": (
            b"c__builtin__\nset\n]" + deep + b"a\x85R.",
            REFUSED,
        ),
        "a doubled key": (b"}" + doubled + b"Ns.", REFUSED),
        "a doubled member": (b"(" + doubled + b"\x91.", REFUSED),
        "a tripled key": (b"}N" + b"22\x87" * 30 + b"Ns.", REFUSED),
        "a tripled member": (b"(N" + b"22\x87" * 30 + b"\x91.", REFUSED),
        "one long integer as a key": (long + b"q\x000}(" + b"h\0N" * (count // 3) + b"u.", None),
        "one long tuple as a key": (
            b"(" + b"N" * (count // 2) + b"tq\x000}(" + b"h\0N" * (count // 6) + b"u.",
            None,
        ),
        "two long equal strings as keys": (
            words + b"q\x000" + words + b"q\x010}(" + b"h\0Nh\1N" * (count // 12) + b"u.",
            None,
        ),
        # Numbers in text.
        "a long INT": (b"I" + b"7" * count + b"\n.", REFUSED),
        "a long LONG": (b"L" + b"7" * count + b"L\n.", REFUSED),
        "a long FLOAT": (b"F" + b"7" * count + b"\n.", REFUSED),
        "a long memo index": (b"Np" + b"7" * count + b"\n.", REFUSED),
        "a line without an end": (b"V" + b"7" * count, REFUSED),
        # Counts and indices.
        "a memo index of 2**32 - 1": (b"Nr\xff\xff\xff\xff.", REFUSED),
        "a long memo": (b"N" + b"\x94" * count + STOP, None),
        "a memo with gaps": (b"N" * count + b"r" + struct.pack("<I", count) + STOP, None),
        "a text longer than the file": (b"X\xff\xff\xff\x7f.", REFUSED),
        "a text of 2**63 bytes": (b"\x8d" + b"\xff" * 8 + STOP, REFUSED),
        "bytes of 2**63 bytes": (b"\x8e" + b"\xff" * 7 + b"\x7f.", REFUSED),
        "a bytearray of 2**40 bytes": (b"\x96" + bytes(5) + b"\1\0\0.", REFUSED),
        "a LONG4 of negative size": (b"\x8b\xff\xff\xff\xff.", REFUSED),
        "a BINSTRING of negative size": (b"T\xff\xff\xff\xff.", REFUSED),
        "a frame longer than the file": (b"\x80\x04\x95" + b"\xff" * 8 + b"N.", REFUSED),
        # Many small things.
        "empty lists": (b"(" + b"]" * count + b"l.", None),
        "empty dicts": (b"(" + b"}" * count + b"l.", None),
        "empty sets": (b"(" + b"\x8f" * count + b"l.", None),
        "marks": (b"(" * count + b"N.", None),
        "duplicates": (b"N" + b"2" * count + STOP, None),
        "tuples of one": (b"N" + b"\x85" * count + STOP, None),
        "states": (b"ca\nb\n)R" + b"N}\x86b" * (count // 4) + STOP, None),
        "instances": (b"ca\nb\nq\0(" + b"h\0)R" * (count // 4) + b"l.", None),
        "OrderedDicts": (
            b"ccollections\nOrderedDict\nq\0(" + b"h\0)R" * (count // 4) + b"l.",
            None,
        ),
        "names": (
            text("a" * 400)
            + b"q\0("
            + b"".join(
                b"h\0M" + struct.pack("<H", i % 65536) + b"0h\0\x93" for i in range(count // 7)
            )
            + b"l.",
            None,
        ),
        "a long name from the memo": (
            words + b"q\0(" + b"h\0h\0\x93" * (count // 10) + b"l.",
            REFUSED,
        ),
        "sets of one list": (
            b"]("
            + b"K\1" * (count // 8)
            + b"eq\0("
            + b"c__builtin__\nset\nq\1"
            + b"h\1h\0\x85R" * (count // 12)
            + b"l.",
            None,
        ),
        "bytearrays of one string": (
            run + b"q\0cbuiltins\nbytearray\nq\1(" + b"h\1h\0\x85R" * (count // 6) + b"l.",
            None,
        ),
        "encodings of one text": (
            words
            + b"q\0"
            + text("latin1")
            + b"\x86q\1c_codecs\nencode\nq\2("
            + b"h\2h\1R" * (count // 10)
            + b"l.",
            None,
        ),
        "calls of one result": (b"ca\nb\n" + b")R" * (count // 2) + STOP, None),
        "arguments copied by calls": (
            b"(" + b"N" * (count // 2) + b"tq\x000ca\nb\n)R" + b"h\0R" * (count // 6) + STOP,
            None,
        ),
        "wide text": (
            b"X" + struct.pack("<I", count) + b"a" * (count - 4) + "\U0001f600".encode() + STOP,
            None,
        ),
    }
