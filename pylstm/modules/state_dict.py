"""The rules of state_dict and load_state_dict."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import as_array
from ..arguments.naming import is_array_like, mapping_hint, torch_size
from ..arguments.variants import VARIANTS, mismatch, own_variants, recorded
from .tables import Tables

if TYPE_CHECKING:
    import numpy.typing as npt

    from .incompatible_keys import _IncompatibleKeys

    Array = npt.NDArray[Any]


def _positional(
    args: tuple[Any, ...], destination: Any, prefix: str, keep_vars: bool
) -> tuple[Any, str, bool]:
    """Read the arguments of state_dict that old code passes by position."""
    warnings.warn(
        "Positional args are being deprecated, use kwargs instead. Refer to "
        "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict"
        " for details.",
        FutureWarning,
        stacklevel=3,
    )
    if destination is None:
        destination = args[0]
    if len(args) > 1 and prefix == "":
        prefix = args[1]
    if len(args) > 2 and keep_vars is False:
        keep_vars = args[2]
    return destination, prefix, keep_vars


# What stands beside integers that are no numbers: scales, and in a .npz the dtype whose bits they
# are. Which function reads them.
_BESIDE_INTEGERS = {"_scale": "from_weights", "_dtype": "pylstm.load"}


def _read(value: Any, key: str, slot: Array) -> Array:
    """Return ``value`` as an array whose numbers can be copied into ``slot``."""
    if slot.dtype.kind in "iuf":
        return as_array(value, key, None)
    # A container may hold masks and complex arrays, which no LSTM computes with.
    array = as_array(value, key, "any")
    if array.dtype.kind not in "biufc" or (array.dtype.kind == "c") > (slot.dtype.kind == "c"):
        raise TypeError(f"{key} must hold real numbers, got dtype {array.dtype}")
    return array


def _shape(value: Any) -> tuple[int, ...] | None:
    shape = getattr(value, "shape", None)
    return None if shape is None else tuple(shape)


class _Loading:
    """One call of load_state_dict: first everything is collected and checked, then written."""

    def __init__(self, assign: bool, state_dict: Mapping[str, Any]) -> None:
        self.assign = assign
        self.recorded_in = state_dict  # which may say more than its items
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.values: list[tuple[Stateful, str, dict[str, Array]]] = []
        self.writers: list[Callable[[], None]] = []

    def collect(self, module: Stateful, state_dict: Mapping[str, Any], prefix: str) -> None:
        """Find the values of ``module`` and of the modules below it in ``state_dict``."""
        slots = dict(module._own_slots())
        scales = dict(module._own_scale_slots())
        expected = {**slots, **scales}
        filled = {*module._owned_names(), *scales}  # by other means than by writing to an array
        options = recorded(self.recorded_in, prefix[:-1])
        if options is not None and module._variants:
            own = {**module._variants, **own_variants(module)}
            self.errors += mismatch(own, options, prefix[:-1])
        found = {}
        for name, slot in expected.items():
            key = prefix + name
            if key not in state_dict:
                if name not in scales:
                    self.missing.append(key)
                continue
            writeable = self.assign or slot.flags.writeable or name in filled
            value = self._check(state_dict[key], key, slot, writeable)
            if value is None:
                continue
            beside = {suffix for suffix in _BESIDE_INTEGERS if key + suffix in state_dict}
            beside -= {suffix for suffix in beside if name + suffix in expected}
            is_for_numbers = slot.dtype.kind not in "iu" or name in filled
            if beside and value.dtype.kind in "iu" and is_for_numbers:
                # Taken for numbers they would be wrong, and without strict in silence.
                suffix = beside.pop()
                self.errors.append(
                    f"{key} is stored as integers, with {key}{suffix} beside them: "
                    f"{_BESIDE_INTEGERS[suffix]} reads such weights."
                )
                continue
            found[name] = value
        self.values.append((module, prefix, found))
        for key in state_dict:
            if key.startswith(prefix):
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (module._modules if dot else expected):
                    self.unexpected.append(key)
        for name, child in module._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                inner = {key: value for key, value in state_dict.items() if key.startswith(below)}
                self.collect(child, inner, below)

    def _check(self, value: Any, key: str, slot: Array, writeable: bool) -> Array | None:
        """Return ``value`` as an array that fits ``slot``, or note what is wrong with it."""
        is_number = isinstance(value, (bool, int, float, complex)) and slot.ndim == 0
        if not is_array_like(value) and not is_number:
            self._not_an_array(value, key)
            return None
        shape = _shape(value)
        if shape is not None and not self._fits(shape, key, slot):
            return None
        try:
            array = _read(value, key, slot)
            if not self._fits(array.shape, key, slot):
                return None
            if not writeable:
                raise ValueError("assignment destination is read-only")
        except MemoryError:
            raise
        except Exception as error:
            if shape is None:
                self._not_an_array(value, key, f": {error}")
                return None
            self.errors.append(
                f'While copying the parameter named "{key}", '
                f"whose dimensions in the model are {torch_size(slot.shape)} and "
                f"whose dimensions in the checkpoint are {torch_size(shape)}, "
                f"an exception occurred : {error.args}."
            )
            return None
        return array.reshape(slot.shape)

    def _fits(self, shape: tuple[int, ...], key: str, slot: Array) -> bool:
        # One number in a vector fills a scalar, as in torch.
        if shape == slot.shape or (slot.ndim == 0 and shape == (1,)):
            return True
        self.errors.append(
            f"size mismatch for {key}: copying a param with shape {torch_size(shape)} from "
            f"checkpoint, the shape in current model is {torch_size(slot.shape)}."
        )
        return False

    def _not_an_array(self, value: Any, key: str, reason: str = "") -> None:
        self.errors.append(
            f'While copying the parameter named "{key}", '
            "expected torch.Tensor or Tensor-like object from checkpoint but "
            f"received {type(value)}{reason}"
        )

    def raise_errors(self, name: str, strict: bool, state_dict: Mapping[str, Any]) -> None:
        """Raise one error that lists all mistakes; wrong names are mistakes if ``strict``."""
        lines = list(self.errors)
        if strict:
            for kind, keys in (("Unexpected", self.unexpected), ("Missing", self.missing)):
                if keys:
                    quoted = ", ".join(f'"{key}"' for key in keys)
                    lines.insert(0, f"{kind} key(s) in state_dict: {quoted}. ")
            lines += self._whereabouts(state_dict)
        if lines:
            text = "\n\t".join(lines)
            raise RuntimeError(f"Error(s) in loading state_dict for {name}:\n\t{text}")

    def _whereabouts(self, state_dict: Mapping[str, Any]) -> list[str]:
        """Say where all that is missing is, if it is in one place of ``state_dict``."""
        if not self.missing:
            return []
        first = self.missing[0]
        for key in self.unexpected:
            value = state_dict[key]
            if isinstance(value, Mapping) and all(name in value for name in self.missing):
                return [f'"{key}" is a mapping that holds them: pass state_dict["{key}"]']
            if not is_array_like(value) and hasattr(type(value), "state_dict"):
                return [f'"{key}" is a module: pass state_dict["{key}"].state_dict()']
            prefix = key.removesuffix(first)
            if prefix != key and all(prefix + name in state_dict for name in self.missing):
                return [
                    f'all that is missing is there behind "{prefix}": take it off the names, or '
                    f"let from_weights(file, prefix={prefix.rstrip('.')!r}) do so"
                ]
        return []

    def stage(self) -> None:
        """Convert all values, and note which a module cannot hold: what can fail comes first."""
        for module, prefix, values in self.values:
            try:
                self.writers.append(module._stage_state_dict(values, self.assign))
            except ValueError as error:
                self.errors += [f"{prefix}{problem}." for problem in error.args]

    def write(self) -> None:
        for writer in self.writers:
            writer()


class Stateful(Tables):
    """The base of :class:`pylstm.Module` that gives out its state and takes it in."""

    # Arguments that torch has not: part of the structure where they differ from these defaults.
    _variants = VARIANTS[""]

    def state_dict(
        self,
        *args: Any,
        destination: Any = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> Any:
        """Return the parameters and persistent buffers of the whole tree by name.

        Parameters
        ----------
        destination : dict, optional
            Filled and returned instead of a new OrderedDict.
        prefix : str
            Put in front of every name.
        keep_vars : bool
            Give writable arrays instead of read-only views; not of compressed weights.

        Returns
        -------
        OrderedDict of str to ndarray
            Views on the module's memory: later changes show in them. Its attribute
            ``_metadata`` is torch's, and records of a module that is none of torch's, or an RNN
            with ``relu``, what ``from_weights`` must know; a new dict of the same items does
            not. ``copy.deepcopy`` makes a snapshot. Compressed weights are given as they are
            stored: integers, with their scales (rows, 1) behind them in ``weight_ih_l0_scale``,
            or float16; those of bfloat16 as new float32 arrays. ``_metadata`` says which.

        Examples
        --------
        >>> import pylstm
        >>> {name: a.shape for name, a in pylstm.LSTMCell(2, 3, bias=False).state_dict().items()}
        {'weight_ih': (12, 2), 'weight_hh': (12, 3)}
        """
        if args:
            destination, prefix, keep_vars = _positional(args, destination, prefix, keep_vars)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = {"version": self._version, **self._own_record()}
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy parameters and persistent buffers from ``state_dict`` into the whole tree.

        Unlike torch's, this is atomic: where it raises, nothing has been changed.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            Anything that NumPy makes a numeric array of, torch tensors and Parameters included.
            Values are converted to the dtype of what they fill. One that records that it is of
            another variant, ``reset_after=False`` for instance, is an error; one that records
            nothing fits every variant. A compressed module compresses numbers, takes what is
            stored as it is, and compresses what another storage stored from the numbers that it
            stands for. A float module refuses integers that have scales.
        strict : bool
            Whether missing and unexpected names are errors. A wrong shape always is.
        assign : bool
            Take the dtype of the values: a module in C does if they are all float32 or all
            float64, other arrays are replaced by copies of the values. A compressed module keeps
            its storage.

        Returns
        -------
        named tuple
            ``missing_keys`` and ``unexpected_keys``, lists of str.

        Raises
        ------
        RuntimeError
            One that lists everything that is wrong, in torch's layout.
        TypeError
            Where ``state_dict`` is not a mapping.

        Examples
        --------
        >>> import pylstm
        >>> a, b = pylstm.LSTM(2, 3), pylstm.LSTM(2, 3)
        >>> a.load_state_dict(b.state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            hint = mapping_hint(state_dict)
            raise TypeError(
                f"Expected state_dict to be dict-like, got {type(state_dict)}."
                + (f" {hint[0].upper()}{hint[1:]}" if hint else "")
            )
        # Making a class of named tuples takes a tenth of the import of pylstm.
        from .incompatible_keys import _IncompatibleKeys

        loading = _Loading(assign, state_dict)
        state_dict = dict(state_dict)
        loading.collect(self, state_dict, "")
        loading.raise_errors(type(self).__name__, strict, state_dict)
        loading.stage()
        loading.raise_errors(type(self).__name__, strict, state_dict)
        loading.write()
        return _IncompatibleKeys(loading.missing, loading.unexpected)

    def _own_record(self) -> dict[str, Any]:
        """Return what the numbers of this module depend on and no state_dict of torch says."""
        return {}

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Put this module's own state, without that of its children, into ``destination``."""
        for name, array in self._registered_slots():
            if not keep_vars:
                array = array.view()
                array.flags.writeable = False
            destination[prefix + name] = array

    def _stage_state_dict(self, values: dict[str, Array], assign: bool) -> Callable[[], None]:
        """Convert the values of own slots now; return what writes them and cannot fail."""
        slots = dict(self._registered_slots())
        staged = {}
        for name, value in values.items():
            if assign:
                staged[name] = np.array(value)
            else:
                aliased = np.may_share_memory(value, slots[name])
                staged[name] = value.astype(slots[name].dtype, copy=aliased)

        def write() -> None:
            for name, value in staged.items():
                if assign:
                    table = self._parameters if name in self._parameters else self._buffers
                    table[name] = value
                else:
                    np.copyto(slots[name], value)

        return write
