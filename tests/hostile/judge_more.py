"""What the judge looks at beside single files as they are: flat loading, and folders of shards."""

from pathlib import Path

import folders
import judge
import numpy as np

import pylstm

LONGEST_PATH = 300
MOST_MEMBERS = 2  # that are sources themselves
MOST_MADE = 3  # modules from one flat view, from its beginning; and the last one


def check_flat(guard, content, loaded):
    """Check that load(flat=True) has the arrays that are in the tree, the same mapped or not."""
    flat = judge.attempt(guard, content, "load, flat", lambda: pylstm.load(content, flat=True))
    mapped = judge.attempt(
        guard, content, "load, flat, mapped", lambda: pylstm.load(guard.path, True, flat=True)
    )
    # Of a deflated entry that has more than it says mapping takes all, reading what is wanted.
    if isinstance(flat, Exception) and not isinstance(mapped, Exception):
        raise judge.Broken(f"flat loading gives {flat!r:.500}, and mapped {mapped!r:.500}")
    if isinstance(mapped, Exception):
        return
    check_names(flat)
    judge.check_same(flat, mapped)
    if isinstance(loaded, dict):
        for name, array in loaded.items():
            if isinstance(array, np.ndarray) and flat.get(name) is not None:
                judge.check_same_array(array, flat[name], f"{name!r:.200} loaded, and flat")
    for name in [name for name in flat if "." in name][:1]:
        prefix, _, last = name.rpartition(".")
        part = judge.attempt(
            guard,
            content,
            "a part",
            lambda prefix=prefix: pylstm.load(content, flat=True, prefix=prefix),
        )
        # A prefix may be that of a layer, or be the end of several paths.
        if not isinstance(part, Exception):
            check_names(part)
            if last in part and part[last].shape != flat[name].shape:
                raise judge.Broken(f"{name!r:.200} is {flat[name].shape} and {part[last].shape}")
    again = judge.attempt(
        guard, content, "find_recurrent(flat)", lambda: pylstm.find_recurrent(flat)
    )
    if not isinstance(again, Exception):
        # Each choice looks through the whole file, which may hold thousands of LSTMs.
        for found in [*again[:MOST_MADE], *again[MOST_MADE:][-1:]]:
            made = judge.attempt(
                guard,
                content,
                "from_weights(flat)",
                lambda found=found: getattr(pylstm, found.kind).from_weights(flat, found.prefix),
            )
            if not isinstance(made, Exception) and made.weights is not None:
                check_numbers(made, found, flat)
            del made


def check_numbers(made, found, flat):
    """Check that compressed weights stand for the numbers that are in the file."""
    if made.weights != found.weights:
        raise judge.Broken(f"{found!r:.500} were found, and {made.weights} made")
    for name in made._native_names:
        key = ".".join(filter(None, (found.prefix, name)))
        if key not in flat:
            continue  # a bias of zeros
        value = flat[key].astype(np.float32)
        if flat[key].dtype.kind == "i":
            value = value * flat[f"{key}_scale"]
        if not np.array_equal(made._native_parameter(name), value, equal_nan=True):
            raise judge.Broken(f"{name!r:.200} of {found!r:.500} has other numbers")


def check_names(flat):
    for name, array in flat.items():
        if type(name) is not str or not isinstance(array, np.ndarray):
            raise judge.Broken(f"flat loading has {name!r:.200}: {type(array).__name__}")
        judge.check_bounds(array)


def judge_folder(guard, content):
    """Return what came of loading a folder: its tree, or the error."""
    folder = Path(guard.path).parent / "model"
    size = folders.unpack(content, folder)
    guard.folder = str(folder)
    files = bytes(size)  # for its length
    sources = [folder, *sorted(folder.iterdir())[:MOST_MEMBERS], *sorted(folder.glob("*.json"))[:1]]
    outcomes = {}
    for source in sources:
        told = source.name[:LONGEST_PATH]

        def attempt(what, action, told=told):
            return judge.attempt(guard, files, f"{what} {told}", action, (OSError,))

        loaded = attempt("load", lambda source=source: pylstm.load(source))
        mapped = attempt("load, mapped", lambda source=source: pylstm.load(source, mmap=True))
        flat = attempt("load, flat", lambda source=source: pylstm.load(source, flat=True))
        found = attempt("find_recurrent", lambda source=source: pylstm.find_recurrent(source))
        made = attempt("LSTM", lambda source=source: pylstm.LSTM.from_weights(source))
        if isinstance(loaded, Exception) != isinstance(mapped, Exception):
            raise judge.Broken(f"{told}: load gives {loaded!r:.500}, mapped {mapped!r:.500}")
        if not isinstance(loaded, Exception):
            judge.check_same(loaded, mapped)
            judge.check_found(guard, files, loaded, found, {"LSTM": made})
        if not isinstance(flat, Exception):
            check_names(flat)
        outcomes[source] = loaded
    guard.folder = None
    return outcomes[folder]
