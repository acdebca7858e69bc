"""Write the tensors of a weight file, or of a part, in another format or with smaller weights."""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

import pylstm

from ..arguments.variants import STORAGE_NAMES, WEIGHTS_KEY
from ..files.base.errors import WeightFileError, printable
from ..files.base.named import options_in
from ..files.base.tensor import Tensor
from ..files.contents import Contents
from ..files.flat import NoSuchPrefix, SameName, find_root, flat_view
from ..files.open import open_weights
from ..files.write.save import described, write
from ..weights.build import built
from ..weights.kinds import with_article
from ..weights.survey import survey
from ..weights.values import BadValue
from .listing import without_wrappers
from .losses import differences, refuse_losses
from .output import Failure, counted
from .verify import print_near_misses
from .words import common_name

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..files.base.named import NamedArrays
    from ..files.open import WeightFile
    from ..weights.survey import Candidate
    from .reference import Module

    Array = npt.NDArray[Any]

# Seconds before the progress is shown, and between two lines of it.
PATIENCE, INTERVAL = 1.0, 0.2

# Where torch's dynamically quantised layers and cells have their parameters.
_PACKED = re.compile(r"(?:\A|(?<=\.))(?:_all_weight_values\.\d+\.param|_packed_weight_[ih]h)\.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add IN, OUT, --prefix, --dtype and --weights."""
    parser.add_argument("input", metavar="IN", help="a weight file of any supported format")
    parser.add_argument(
        "output", metavar="OUT", help="the new file: .safetensors, .npz, .pt or .pth"
    )
    parser.add_argument(
        "--prefix",
        metavar="P",
        default="",
        help="write only what is below P, without P in the names",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--dtype",
        choices=("float16", "float32"),
        help="for all tensors of floating point; compressed weights are widened first",
    )
    forms.add_argument(
        "--weights",
        choices=STORAGE_NAMES,
        help="compress the weights of all recurrent modules as pylstm.compress does",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read and write one tensor after the other."""
    with open_weights(arguments.input) as file:
        try:
            root = find_root(Contents(file), file, arguments.prefix)
            arrays = flat_view(file, ".".join(root))
        except (NoSuchPrefix, SameName) as error:
            name_near_misses(file)
            raise Failure(f"{error}; see `inspect`", code=1) from None
        if not arrays:
            name_near_misses(file)
            raise Failure(f"{file.name}: holds no array", code=1)
        packed = packed_modules(arrays, file, root)
        if arguments.dtype or arguments.weights:
            unpack_modules(arrays, packed)
            packed = {}
        notes = differences(file, arrays, root, arguments.output, packed)
        if arguments.dtype:
            widen_stored(arrays, file.name)
            convert_floats(arrays, np.dtype(arguments.dtype))
        if arguments.weights:
            compress_modules(arrays, file.name, arguments.weights)
        try:
            refuse_losses(file, arrays, arguments.output)
            total = sum(leaf.nbytes for leaf in described(arrays)[0])
            with Progress(total) as progress:
                notes = write(arrays, arguments.output, progress.advance) + notes
        except (Failure, WeightFileError):
            raise
        except (TypeError, ValueError) as error:  # what the format of OUT cannot hold
            raise Failure(str(error)) from None
    print(
        f"{printable(arguments.output)}: {counted(len(arrays), 'tensor')}, {counted(total, 'byte')}"
    )
    for note in notes:
        print(f"pylstm convert: {printable(note)}", file=sys.stderr)
    return 0


def name_near_misses(file: WeightFile) -> None:
    """Name what looks like a module where a file holds no other; of such there may be no array."""
    report = survey(file.tree, file.name)
    if not report.candidates:
        told = f"pylstm convert: not {with_article(common_name((), report.near_misses))}"
        print_near_misses(report.near_misses, None, told=told, file=sys.stderr)


def packed_modules(
    arrays: NamedArrays, file: WeightFile, root: list[str]
) -> dict[str, tuple[list[str], Candidate]]:
    """Return the modules that torch quantised, by prefix, each with the names of its arrays.

    Parameters
    ----------
    arrays : NamedArrays
        What will be written.
    file : WeightFile
    root : list of str
        The names of the path in the file below which the arrays are.
    """
    names: dict[str, list[str]] = {}
    for name in arrays:
        match = _PACKED.search(name)
        if match:
            names.setdefault(name[: match.start()].removesuffix("."), []).append(name)
    found = {}
    above = without_wrappers(".".join(root))
    for candidate in survey(file.tree, file.name).candidates if names else ():
        path = without_wrappers(candidate.found.prefix)
        prefix = ".".join(path[len(above) :])
        if path[: len(above)] == above and prefix in names:
            found[prefix] = names[prefix], candidate
    return found


def unpack_modules(arrays: NamedArrays, packed: dict[str, tuple[list[str], Candidate]]) -> None:
    """Put the floats of quantised modules, by torch's names, in the place of their own arrays."""
    for prefix, (names, candidate) in packed.items():
        for name in names:
            del arrays[name]
        for name, leaf in candidate.parameters.items():
            arrays[".".join(filter(None, (prefix, name)))] = leaf
        told = options_in(candidate.facts)
        if isinstance(candidate.facts.get("batch_first"), bool):
            told["batch_first"] = candidate.facts["batch_first"]
        if told:
            arrays.options[prefix] = told


def widen_stored(arrays: NamedArrays, file: str) -> None:
    """Put floats in the place of compressed weights, and forget that these were such."""
    for candidate in survey(arrays, file).candidates:
        if candidate.found.weights is None:
            continue
        prefix = candidate.found.prefix
        told = arrays.options.get(prefix, {})
        arrays.options[prefix] = {key: told[key] for key in told if key != WEIGHTS_KEY}
        for name, leaf in candidate.parameters.items():
            path = ".".join(filter(None, (prefix, name)))
            arrays[path] = leaf
            arrays.pop(f"{path}_scale", None)


def compress_modules(arrays: NamedArrays, file: str, weights: str) -> None:
    """Put the stored form of a storage in the place of the weights of all modules."""
    candidates = survey(arrays, file).candidates
    if not candidates:
        raise Failure(f"{file}: holds no module whose weights could be compressed", code=1)
    for candidate in candidates:
        prefix = candidate.found.prefix
        where = f"{prefix}." if prefix else ""
        cls = getattr(pylstm, candidate.found.kind)
        module: Module = built(cls, candidate, file, {}, weights)
        for name in candidate.parameters:
            arrays.pop(f"{where}{name}_scale", None)
        for name, value in module.state_dict(prefix=where).items():
            if name in arrays or name.endswith("_scale"):  # a bias that is missing stays so
                arrays[name] = value
        if prefix in arrays.modules:
            arrays.modules[prefix].state[WEIGHTS_KEY] = weights
        else:
            arrays.options[prefix] = {**arrays.options.get(prefix, {}), WEIGHTS_KEY: weights}


def convert_floats(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Put what is read in another dtype in the place of each array of floating point."""
    for name, value in arrays.items():
        if value.dtype.kind == "f":
            arrays[name] = Converted(name, value, dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A tensor of floating point that is read in another dtype when its turn comes.

    Parameters
    ----------
    name : str
        For messages.
    value : Tensor or ndarray
    dtype : dtype
    """

    name: str
    value: Tensor | Array
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's own."""
        return self.value.shape

    @property
    def nbytes(self) -> int:
        """Bytes in the new dtype."""
        return self.value.size * self.dtype.itemsize

    def read(self) -> Array:
        """Return the array; refuse values that would become infinite."""
        try:
            array = self.value if isinstance(self.value, np.ndarray) else self.value.read()
        except BadValue as problem:
            raise Failure(f"{self.name} {problem}", code=1) from None
        with np.errstate(over="ignore"):
            converted = array.astype(self.dtype)
        if np.any(np.isinf(converted) & np.isfinite(array)):
            raise Failure(f"{self.name}: its values do not fit {self.dtype}", code=1)
        return converted


class Progress:
    """A line on stderr that counts megabytes, where stderr is a terminal and it takes long.

    Parameters
    ----------
    total : int
        Bytes that will be written.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._next = time.monotonic() + PATIENCE
        self._shown = False
        self._wanted = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._shown:
            # What follows shall not begin behind the line.
            print(file=sys.stderr)

    def advance(self, count: int) -> None:
        """Count bytes that have been written."""
        self._done += count
        now = time.monotonic()
        if self._wanted and now >= self._next:
            self._next = now + INTERVAL
            self._shown = True
            share = f"{self._done / max(self._total, 1):4.0%}"
            megabytes = f"{self._done / 1e6:,.0f} of {self._total / 1e6:,.0f} MB"
            print(f"\r{share}  {megabytes}", end="", file=sys.stderr, flush=True)
