"""Numbers and bytes that readers trip over."""

NUMBERS = [0, 1, 2, 3, 8, 64, 65]
for _bits in (7, 8, 15, 16, 31, 32, 62, 63, 64):
    NUMBERS += [2**_bits - 1, 2**_bits, 2**_bits + 1]


def some_number(rng, near=0):
    """An integer that is extreme, or off by a little from the one that is right."""
    kind = rng.randrange(6)
    if kind == 0:
        return near + rng.choice((-1, 1))
    if kind == 1:
        return near * rng.choice((2, 4, 1000))
    if kind == 2:
        return -rng.choice(NUMBERS)
    if kind == 3:
        return rng.randrange(max(2, 2 * near))
    return rng.choice(NUMBERS)


def scramble(rng, content):
    """Return bytes with one change or some, wherever they stand."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(_EDITS)(rng, made)
    return bytes(made)


def _flip(rng, made):
    if made:
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)


def _set(rng, made):
    if made:
        made[rng.randrange(len(made))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _set_number(rng, made):
    width = rng.choice((2, 4, 8))
    if len(made) >= width:
        at = rng.randrange(len(made) - width + 1)
        order = rng.choice(("little", "little", "big"))
        near = int.from_bytes(made[at : at + width], order)
        made[at : at + width] = (some_number(rng, near) % 256**width).to_bytes(width, order)


def _run(rng, made):
    """Some bytes in a row, as (start, end)."""
    start = rng.randrange(len(made) + 1)
    return start, min(len(made), start + rng.choice((1, 2, 4, 8, 30, 300)))


def _cut(rng, made):
    start, end = _run(rng, made)
    del made[start:end]


def _repeat(rng, made):
    start, end = _run(rng, made)
    times = rng.choice((1, 1, 1, 2, 50)) if len(made) < 100_000 else 1
    made[end:end] = made[start:end] * times


def _insert(rng, made):
    start, _ = _run(rng, made)
    made[start:start] = rng.randbytes(rng.choice((1, 2, 4, 8, 100)))


def _truncate(rng, made):
    del made[rng.randrange(len(made) + 1) :]


def _swap(rng, made):
    start, end = _run(rng, made)
    piece = made[start:end]
    del made[start:end]
    at = rng.randrange(len(made) + 1)
    made[at:at] = piece


def _overwrite(rng, made):
    start, end = _run(rng, made)
    made[start:end] = rng.choice((b"\0", b"\xff")) * (end - start)


_EDITS = (_flip, _flip, _set, _set, _set_number, _set_number, _cut, _repeat, _insert, _truncate)
_EDITS += (_swap, _overwrite)
