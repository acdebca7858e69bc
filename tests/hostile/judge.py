"""Whether pylstm keeps its promises about one file, whatever that file is.

``judge`` opens a file in every way there is. Each of them may raise WeightFileError and nothing
else, in 5 seconds of CPU, with 4 x file + 64 MB beyond what its arrays hold. What is loaded must
lie within its memory and be the same whichever way it was opened.
"""

import io
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import folders
import judge_more
import numpy as np
from numpy.lib.array_utils import byte_bounds
from seeds import ABSENT

import pylstm
from pylstm.files.base.record import Record

CPU_SECONDS = 5
WALL_SECONDS = 120  # nothing here waits; other programs may take the processor
SPARE_BYTES = 64 << 20
LONGEST_MESSAGE = 20_000
COMPARED_BYTES = 1 << 22
# What from_weights says of numbers that a search does not look at.
UNREAD = (
    "is multiplied by a scale of|has a zero point of|has integers or scales that"
    "|has numbers that bfloat16 has not"
)
PLAIN = {str, bytes, int, float, bool, type(None), complex}

# Events of sys.audit.
FORBIDDEN = {
    "code.__new__", "compile", "ctypes.dlopen", "exec", "import", "marshal.loads", "open",
    "os.chmod", "os.exec", "os.fork", "os.forkpty", "os.link", "os.mkdir", "os.posix_spawn",
    "os.remove", "os.rename", "os.rmdir", "os.spawn", "os.symlink", "os.system",
    "pickle.find_class", "shutil.rmtree", "socket.__new__", "subprocess.Popen",
}  # fmt: skip


class Broken(Exception):
    """A promise was not kept."""


class Guard:
    """Watches one process: what it runs, what it takes.

    Parameters
    ----------
    folder : path
        For the file.
    timed : bool, default True
        Whether the process ends when a file takes too long.

    Attributes
    ----------
    path : str
        Of the one file that may be opened.
    folder : str or None
        Of a folder whose files may be opened as well.
    strict : bool
        Whether imports are watched too; the package that reads HDF5 does much of that.
    """

    def __init__(self, folder, timed=True):
        self._seconds = (CPU_SECONDS, WALL_SECONDS) if timed else (0, 0)
        self.path = str(Path(folder) / "file")
        self.folder = None
        self.watching = self.strict = False
        self.seen = None
        self._status = os.open("/proc/self/status", os.O_RDONLY)
        self._clear = os.open("/proc/self/clear_refs", os.O_WRONLY)
        sys.addaudithook(self._hook)

    def _hook(self, event, args):
        if not self.watching or event not in FORBIDDEN:
            return
        if event == "open" and self._may_open(args[0]) and args[1] in ("rb", "r", None):
            return
        # A reader asks for its package with every file; one that is not there is refused by name.
        if event == "import" and args[0] in ABSENT:
            return
        if not self.strict and (
            event in ("import", "compile", "exec")
            or (event == "open" and str(args[0]).endswith((".py", ".pyc", ".so")))
        ):
            return
        self.watching = False
        # Kept as well: the code under test may catch the exception.
        self.seen = f"{event}{args!r:.500}"
        raise Broken(self.seen)

    def _may_open(self, path):
        inside = self.folder and isinstance(path, str) and path.startswith(f"{self.folder}/")
        return path == self.path or inside

    def _start_timers(self, cpu, wall):
        """Let the process be killed in so many seconds, even in the middle of C code; 0: never."""
        if self._seconds[0]:
            signal.setitimer(signal.ITIMER_PROF, cpu)
            signal.setitimer(signal.ITIMER_REAL, wall)

    def forget_peak(self):
        """Let the peak of resident memory be what is resident now, and return that in bytes."""
        os.pwrite(self._clear, b"5", 0)
        return self.peak()

    def peak(self):
        """The most bytes that were resident at once."""
        text = os.pread(self._status, 4096, 0)
        return int(text[text.index(b"VmHWM:") + 6 :].split(None, 1)[0]) << 10

    @contextmanager
    def limits(self, size, what):
        """Run the body within the limits for a file of ``size`` bytes.

        Yields a list: arrays in what is put into it do not count as memory that was taken.
        """
        held = []
        before = self.forget_peak()
        self._start_timers(*self._seconds)
        self.seen, self.watching = None, True
        try:
            yield held
        finally:
            self.watching = False
            self._start_timers(0, 0)
        if self.seen:
            raise Broken(f"{what}: {self.seen}")
        grown = self.peak() - before
        if grown > 4 * size + SPARE_BYTES:
            grown -= sum(owned_bytes(arrays(held)).values())
            if grown > 4 * size + SPARE_BYTES:
                raise Broken(f"{what}: a file of {size} bytes took {grown} bytes of memory")


def judge(guard, content, format=""):
    """Return what came of loading the file: its tree, or the WeightFileError."""
    if format in folders.FORMATS:
        return judge_more.judge_folder(guard, content)
    path = Path(guard.path)
    path.unlink(missing_ok=True)  # what was mapped before stays as it was
    path.write_bytes(content)
    guard.strict = format != "keras"
    loaded = attempt(guard, content, "load", lambda: pylstm.load(content))
    mapped = attempt(guard, content, "load, mapped", lambda: pylstm.load(guard.path, mmap=True))
    found = attempt(guard, content, "find_recurrent", lambda: pylstm.find_recurrent(guard.path))
    if all(isinstance(each, Exception) for each in (loaded, mapped, found)):
        # from_weights begins with what find_recurrent does, and flat loading opens the file as that does.
        attempt(guard, content, "load, flat", lambda: pylstm.load(content, flat=True))
        return loaded
    kinds = {"LSTM"}
    if not isinstance(found, Exception):
        kinds |= {each.kind for each in found}
    made = {kind: attempt_made(guard, content, kind, content) for kind in sorted(kinds)}
    if is_tree(loaded):
        for kind in sorted(set(map(counterpart, kinds)) - kinds):
            made[kind] = attempt_made(guard, content, kind, loaded)
    if isinstance(loaded, Exception) != isinstance(mapped, Exception):
        raise Broken(f"load gives {loaded!r:.500}, and mapped {mapped!r:.500}")
    if not isinstance(loaded, Exception):
        check_same(loaded, mapped)
        check_found(guard, content, loaded, found, made)
        if content.startswith(b"\x93NUMPY") or format.startswith("npz"):
            check_numpy(content, loaded)
    judge_more.check_flat(guard, content, loaded)
    return loaded


def attempt_made(guard, content, kind, source):
    """What from_weights of a class makes of a file, or of what was loaded of it."""
    return attempt(guard, content, kind, lambda: getattr(pylstm, kind).from_weights(source))


def counterpart(kind):
    return kind.removesuffix("Cell") if kind.endswith("Cell") else f"{kind}Cell"


def open_all(content, format=""):
    """Open an honest file in every way: readers are imported when a file needs them."""
    with tempfile.TemporaryDirectory() as folder:
        source = content
        if format in folders.FORMATS:
            folders.unpack(content, Path(folder) / "model")
            source = Path(folder) / "model"
        pylstm.find_lstms(source)
        pylstm.load(source, mmap=True)
        pylstm.load(source, flat=True)
        for found in pylstm.find_recurrent(source) or ():
            with suppress(ValueError):
                getattr(pylstm, found.kind).from_weights(source, found.prefix)
        with suppress(ValueError):
            pylstm.LSTM.from_weights(source)


def attempt(guard, content, what, action, errors=()):
    """Return what ``action`` returns, or the WeightFileError that it raises, or one of errors."""
    with guard.limits(len(content), what) as held:
        try:
            result = action()
            held.append(result)
        except (pylstm.WeightFileError, *errors) as error:
            result = error
        except ImportError as error:
            if error.name not in ABSENT:
                raise
            result = error
        # Not before: its text may be made of what the file says.
        text = str(result) if isinstance(result, Exception) else ""
    if len(text) > LONGEST_MESSAGE or not text.replace("\n", "").isprintable():
        raise Broken(f"{what}: the message is {text[:2000]!r}")
    return result


# What was loaded ------------------------------------------------------------------------------


def children(value):
    """What is in a container, the keys of a mapping included."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, Record):
        return value.class_name, value.args, value.state, value.items
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    if isinstance(value, pylstm.Module):
        return list(value.state_dict().values())
    return ()


def is_tree(value):
    """Whether find_recurrent takes what a file holds instead of the file."""
    return isinstance(value, (np.ndarray, Record, Mapping, list, tuple, set, frozenset))


def arrays(tree):
    """All arrays in a tree, each once; it may be deep, and have cycles."""
    waiting, entered, found = [tree], {}, []
    while waiting:
        value = waiting.pop()
        if type(value) in PLAIN or id(value) in entered:
            continue
        entered[id(value)] = value
        if isinstance(value, np.ndarray):
            found.append(value)
        else:
            waiting += children(value)
    return found


def owner(array):
    """The array whose memory an array is a view of."""
    while isinstance(array.base, np.ndarray) or hasattr(array.base, "__array_interface__"):
        array = array.base if isinstance(array.base, np.ndarray) else array.base.base
    return array


def owned_bytes(held):
    """The sizes of the memory that arrays hold, by the identity of its owner."""
    return {id(owner(array)): owner(array).nbytes for array in held}


def check_bounds(array):
    """Check that every element is in the memory that the array is a view of."""
    if array.size == 0:
        return
    low, high = byte_bounds(array)
    first, last = byte_bounds(owner(array))
    if low < first or high > last:
        raise Broken(f"an array of shape {array.shape} reaches beyond its memory")
    array[(0,) * array.ndim], array[(-1,) * array.ndim]


def check_same(one, other):
    """Check that two trees hold the same, and that their arrays stay within their memory."""
    waiting, entered = [(one, other)], {}
    while waiting:
        a, b = waiting.pop()
        if type(a) is not type(b):
            raise Broken(f"loads as {a!r:.200}, mapped as {b!r:.200}")
        if type(a) in PLAIN:
            if a != b and a == a:
                raise Broken(f"loads as {a!r:.200}, mapped as {b!r:.200}")
        elif id(a) not in entered:
            entered[id(a)] = a
            if isinstance(a, np.ndarray):
                check_bounds(a)
                check_bounds(b)
                check_same_array(a, b, "loaded and mapped")
            below = children(a), children(b)
            if len(below[0]) != len(below[1]):
                raise Broken("loads and maps with different numbers of entries")
            waiting += zip(*below, strict=True)


def check_same_array(a, b, what):
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        raise Broken(f"{what}: {a.dtype} {a.shape} and {b.dtype} {b.shape}")
    if a.nbytes <= COMPARED_BYTES and a.tobytes() != b.tobytes():
        raise Broken(f"{what}: other values in an array of {a.dtype} {a.shape}")


def check_found(guard, content, loaded, found, made):
    """Check that what was found in a file is what is in it."""
    if is_tree(loaded):
        again = attempt(
            guard, content, "find_recurrent(tree)", lambda: pylstm.find_recurrent(loaded)
        )
        # What load reads may still be too deep to search.
        if again != found and not (isinstance(again, Exception) and isinstance(found, Exception)):
            raise Broken(f"in the file is {found!r:.500}, in its tree {again!r:.500}")
    if isinstance(found, Exception):
        return
    for kind, module in made.items():
        own = [each for each in found if each.kind == kind]
        others = [each for each in found if each.kind == counterpart(kind)]
        fitting = own or [each for each in others if is_counterpart(each)]
        single = len(fitting) == 1 and len(own or others) == 1
        # Only its caller can join directions in another way.
        if single and fitting[0].merge_mode and "pass merge_mode=" in str(module):
            continue
        # A near miss of the kind keeps the counterpart from standing in; what was found is made of it.
        if single and not own and "it holds no" in str(module):
            continue
        # No number, scale or zero point is read before it is needed.
        if single and re.search(UNREAD, str(module)):
            continue
        if single == isinstance(module, Exception):
            raise Broken(f"{found!r:.500} were found, {kind}.from_weights gives {module!r:.500}")


def is_counterpart(found):
    """Whether a layer is a cell with other names, or a cell such a layer."""
    if found.kind.endswith("Cell"):
        return found.input_size > 0
    return (found.num_layers, found.bidirectional, found.proj_size) == (1, False, 0)


def check_numpy(content, loaded):
    """Check that NumPy loads the same, if it loads anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = np.load(io.BytesIO(content), allow_pickle=False)
            if not isinstance(expected, np.ndarray):
                expected = {name: expected[name] for name in expected.files}
    except Exception:  # its errors are of many kinds
        return
    if isinstance(expected, np.ndarray):
        loaded, expected = {"": loaded}, {"": expected}
    for name, array in loaded.items():
        if isinstance(array, np.ndarray) and name in expected:
            other = expected[name].astype(expected[name].dtype.newbyteorder("="), copy=False)
            if other.dtype == bool:
                other = other.view(np.uint8) != 0  # NumPy keeps any byte
            marker = expected.get(f"{name}_dtype")
            if other.dtype == np.uint16 and array.dtype == np.float32 and marker == "bfloat16":
                other = (other.astype(np.uint32) << 16).view(np.float32)
            check_same_array(array, other, f"{name!r} here and in NumPy")
