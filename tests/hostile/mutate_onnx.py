"""Changes to protocol buffers, of which ONNX is one: fields at any depth, lengths kept right."""

from numbers_of_note import scramble, some_number

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED64: 8, FIXED32: 4}

# Operators to put in place of another, and of any text.
KINDS = (
    *(
        b"LSTM",
        b"GRU",
        b"RNN",
        b"Concat",
        b"Expand",
        b"Tile",
        b"Loop",
        b"ConstantOfShape",
        b"Split",
        b"Gather",
    ),
    *(b"Add", b"Where", b"Shape", b"Reshape", b"Cast", b"DequantizeLinear", b"QuantizeLinear"),
    b"DynamicQuantizeLSTM",
)


def varint(number):
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def read_varint(content, at):
    number = shift = 0
    while True:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def fields(content):
    """The fields of a message as [number, wire type, value]; IndexError if it is none."""
    made, at = [], 0
    while at < len(content):
        tag, at = read_varint(content, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = read_varint(content, at)
        else:
            size, at = read_varint(content, at) if kind == BYTES else (WIDTHS.get(kind, 9**9), at)
            value = content[at : at + size]
            at += size
        if at > len(content) or not number:
            raise IndexError
        made.append([number, kind, value])
    return made


def message(made):
    content = bytearray()
    for number, kind, value in made:
        content += varint(number << 3 | kind)
        if kind == VARINT:
            content += varint(value)
        else:
            content += (varint(len(value)) if kind == BYTES else b"") + value
    return bytes(content)


def edited(rng, content):
    """Return a message with one change or some."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = _edited(rng, content)
    return content


def _edited(rng, content):
    made = fields(content)
    if not made:
        return scramble(rng, content)
    at = rng.randrange(len(made))
    number, kind, value = made[at]
    if kind == BYTES and rng.random() < 0.8:
        made[at][2] = _edited_within(rng, value)
        return message(made)
    change = rng.randrange(6)
    if change == 0:
        del made[at]
    elif change == 1:
        made.insert(rng.randrange(len(made)), made[at])
    elif change == 2:
        made[at : at + 1] = [[number, kind, value]] * rng.choice((2, 100))
    elif change == 3:
        made[at][0] = rng.randrange(1, 24)
    elif kind == VARINT:
        made[at][2] = some_number(rng, value) % 2**64
    else:
        made[at][2] = scramble(rng, value)[: WIDTHS.get(kind)].ljust(WIDTHS.get(kind, 0), b"\0")
    return message(made)


def _edited_within(rng, value):
    texts = (b"../../canary", b"", b"W", b"R", b"X", *KINDS)
    if rng.random() < 0.1:
        return rng.choice(texts)
    try:
        return _edited(rng, value)
    except IndexError:
        return scramble(rng, value)
