"""Changes to pickles, opcode by opcode."""

import pickletools
import struct
from functools import lru_cache

from numbers_of_note import NUMBERS, scramble, some_number

from pylstm.files.unpickle.names import HANDLERS

FRAME = b"\x95"

# Opcodes followed by the length of what comes next: the format of the length.
LENGTHS = {
    b"X": "<I", b"\x8c": "<B", b"\x8d": "<Q", b"T": "<i", b"U": "<B", b"B": "<I", b"C": "<B",
    b"\x8e": "<Q", b"\x96": "<Q", b"\x8a": "<B", b"\x8b": "<i", b"\x95": "<Q",
}  # fmt: skip
# Opcodes followed by a number.
FIXED = {b"J": "<i", b"K": "<B", b"M": "<H", b"q": "<B", b"h": "<B", b"r": "<I", b"j": "<I"}
BARE = [bytes([code]) for code in b"()]}tleadsu.012NQRbo\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98"]  # fmt: skip

NAMES = [
    *HANDLERS,
    "torch.FloatStorage", "torch.LongStorage", "torch.storage.UntypedStorage", "torch.float64",
    "os.system", "builtins.eval", "builtins.getattr", "numpy.ndarray", "a.b", "torch.nn.LSTM",
]  # fmt: skip
TEXTS = [
    "storage", "0", "1", "cpu", "<", "f4", "O8", "latin1", "weight_ih_l0", "weight_hh_l0",
    "bias_ih_l0", "weight_hr_l0", "weight_ih", "weight_hh", "weight_ih_l999999999999",
    "_parameters", "_modules", "_buffers", "_metadata", "__setstate__", "parametrizations",
    "weight_hh_l0_raw", "_all_weight_values", "param", "quantized_dynamic", "quantized_fp16",
    "a._all_weight_values.0.param", "_packed_weight_ih", "_packed_weight_hh", "batch_first", "dropout", "", "\n\x1b[2J",
]  # fmt: skip


@lru_cache(1000)
def opcodes(content):
    """The opcodes of the first pickle in ``content``, each with its argument."""
    starts = [position for _, _, position in pickletools.genops(content)]
    ends = [*starts[1:], starts[-1] + 1]
    return tuple(content[start:end] for start, end in zip(starts, ends, strict=True))


def edited(rng, content):
    """Return a pickle with one change or some."""
    made = list(opcodes(content))
    size = sum(map(len, made))
    if rng.random() < 0.8:
        made = [each for each in made if not each.startswith(FRAME)]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        _edit(rng, made)
    return b"".join(made) + content[size:]


def _edit(rng, made):
    at = rng.randrange(len(made))
    kind = rng.randrange(9)
    if kind == 0:
        del made[at : at + rng.choice((1, 1, 2, 5))]
        made.append(b".")
    elif kind == 1:
        made.insert(at, rng.choice(made))
    elif kind == 2:
        made[at : at + 2] = made[at : at + 2][::-1]
    elif kind == 3:
        start = rng.randrange(len(made))
        made[at:at] = made[start : start + rng.choice((2, 5, 20))]
    elif kind == 4:
        made[at:at] = [rng.choice(made)] * rng.choice((2, 50, 3000))
    elif kind < 7:
        made[at] = changed(rng, made[at])
    else:
        made.insert(at, some_opcode(rng))


def changed(rng, opcode):
    """Return an opcode with another argument."""
    code, argument = opcode[:1], opcode[1:]
    if code in FIXED:
        return code + packed(FIXED[code], some_number(rng, argument[0]))
    if code == b"c":
        return some_name(rng)
    if code not in LENGTHS:
        return scramble(rng, opcode) if argument else rng.choice(BARE)
    width = struct.calcsize(LENGTHS[code])
    data = argument[width:]
    kind = rng.randrange(3)
    if kind == 0:
        return code + packed(LENGTHS[code], some_number(rng, len(data))) + data
    data = scramble(rng, data) if kind == 1 else rng.choice(TEXTS).encode()
    return code + packed(LENGTHS[code], len(data)) + data


def some_opcode(rng):
    """Return any opcode with an argument that fits."""
    kind = rng.randrange(6)
    if kind == 0:
        return some_name(rng)
    if kind == 1:
        code = rng.choice(list(FIXED))
        return code + packed(FIXED[code], rng.choice((0, 1, 2, 3, *NUMBERS)))
    if kind == 2:
        text = rng.choice(TEXTS).encode()
        return b"X" + packed("<I", len(text)) + text
    if kind == 3:
        code = rng.choice(b"ILFVSPpgi")
        line = rng.choice(
            (b"1", b"00", b"-5L", b"1e9", b"'a'", b"'\\x41'", b"\\u20ac", b"9" * 5000)
        )
        return bytes([code]) + line + b"\n" * (2 if code == b"i"[0] else 1)
    return rng.choice(BARE)


def some_name(rng):
    module, _, name = rng.choice(NAMES).rpartition(".")
    return f"c{module}\n{name}\n".encode()


def packed(format, number):
    """Return a number as bytes, what does not fit wrapped around."""
    bits = 8 * struct.calcsize(format)
    number %= 2**bits
    if format[-1].islower() and number >= 2 ** (bits - 1):
        number -= 2**bits
    return struct.pack(format, number)
