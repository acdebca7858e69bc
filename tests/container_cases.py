"""Operations on containers, said once for pylstm and torch: what they leave, return and raise."""

from collections import OrderedDict


def same_cells(nn, count):
    """Modules whose repr is that of torch: cells of two sizes, several in a row equal."""
    return [nn.LSTMCell(2, 3 + (place >= 2)) for place in range(count)]


def in_place(statement):
    def operate(nn, box):
        names = {"box": box, "nn": nn}
        exec(statement, names)
        return names["box"]

    return operate


NUMBERED = [
    "box.append(nn.LSTMCell(1, 1))", "box.extend([nn.LSTMCell(1, 1), nn.LSTMCell(1, 2)])",
    "box.extend(3)", "box.extend([3])", "box.append(3)", "box.insert(0, nn.LSTMCell(1, 1))",
    "box.insert(2, nn.LSTMCell(1, 1))", "box.insert(-1, nn.LSTMCell(1, 1))",
    "box.insert(9, nn.LSTMCell(1, 1))", "box.insert(0, 3)", "box[0] = nn.LSTMCell(1, 1)",
    "box[-1] = nn.LSTMCell(1, 1)", "box[9] = nn.LSTMCell(1, 1)", "box[0] = 3", "box[0] = None",
    "box['a'] = nn.LSTMCell(1, 1)", "del box[0]", "del box[-1]", "del box[9]", "del box[1:3]",
    "del box[::2]", "del box['0']", "box = box[0]", "box = box[-1]", "box = box[7]",
    "box = box['0']", "box = box[1:]", "box = box[::-1]", "box = box[5:]", "box = box.pop(0)",
    "box = box.pop(-1)", "box = box.pop(slice(1, 3))", "box.pop(9)", "box = box + box",
    "box = box + 3", "box = box + [nn.LSTMCell(1, 1)]", "box += box[:1]", "box += 3",
    "box = box * 2", "box = 2 * box", "box *= 3", "box *= 0", "box = box * -1", "box = box * 1.5",
    "box *= 1", "box = len(box)", "box = [repr(m) for m in box]", "box = 3 in box",
    "box = box[1] in box", "box = list(reversed(box))", "box = bool(box)",
    "box.add_module('0', nn.LSTMCell(1, 1))", "box.add_module('a.b', nn.LSTMCell(1, 1))",
    "box.add_module('append', nn.LSTMCell(1, 1))", "box = [n for n in dir(box) if n.isdigit()]",
    "box = list(box.state_dict())", "box = [n for n, _ in box.named_modules()]",
]  # fmt: skip

NAMED = [
    "box['d'] = nn.LSTMCell(1, 1)", "box['a'] = nn.LSTMCell(1, 1)", "box['a'] = 3",
    "box['keys'] = nn.LSTMCell(1, 1)", "box['x.y'] = nn.LSTMCell(1, 1)", "box[''] = box['a']",
    "box[1] = nn.LSTMCell(1, 1)", "del box['a']", "del box['q']", "box = box['a']",
    "box = box['q']", "box = box.pop('a')", "box.pop('q')", "box.clear()", "box = 'a' in box",
    "box = 'q' in box", "box = list(box)", "box = list(box.keys())", "box = len(box)",
    "box = [repr(m) for m in box.values()]", "box = [(k, repr(m)) for k, m in box.items()]",
    "box.update({'z': nn.LSTMCell(1, 1)})", "box.update([('z', nn.LSTMCell(1, 1))])",
    "box.update(nn.ModuleDict({'b': nn.LSTMCell(1, 1)}))", "box.update(3)", "box.update([3])",
    "box.update([('z',)])", "box.update([['z', 3]])", "box.update({'z': 3})",
    "box = list(box.state_dict())","box.b = nn.LSTMCell(1, 1)", "box.b = None",
]  # fmt: skip


def boxes(nn):
    """Makers of the containers that the operations are tried on."""
    return {
        "Sequential": lambda: nn.Sequential(*same_cells(nn, 4)),
        "named": lambda: nn.Sequential(OrderedDict(zip("abcd", same_cells(nn, 4), strict=True))),
        "empty": lambda: nn.Sequential(),
        "ModuleList": lambda: nn.ModuleList(same_cells(nn, 5)),
        "empty list": lambda: nn.ModuleList(),
        "ModuleDict": lambda: nn.ModuleDict(zip("abc", same_cells(nn, 3), strict=True)),
    }


def cases():
    for box in ("Sequential", "named", "empty", "ModuleList", "empty list"):
        yield from ((box, statement) for statement in NUMBERED)
    yield from (("ModuleDict", statement) for statement in NAMED)


def outcome(nn, box, statement):
    """What a statement leaves of a box, as texts that are equal in both libraries."""
    made = boxes(nn)[box]()
    try:
        left = in_place(statement)(nn, made)
    except Exception as error:
        return type(error).__name__, texts(str(error)), texts(repr(made))
    return texts(repr(left)), texts(repr(made))


def texts(text):
    for mine, theirs in (
        ("pylstm.", ""),
        ("torch.nn.modules.container.", ""),
        ("torch.nn.modules.rnn.", ""),
        ("torch.nn.modules.module.", ""),
    ):
        text = text.replace(mine, theirs)
    return text
