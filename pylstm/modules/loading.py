"""One call of load_state_dict: what it found, what is wrong with it, and how it is written."""

from __future__ import annotations

from _thread import _local as local  # threading's, whose import takes as long as a tenth of ours
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._core import as_array
from ..arguments.naming import is_array_like, torch_size
from ..arguments.variants import mismatch, own_variants, recorded

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

EXTRA_STATE = "_extra_state"


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


class _Task(local):
    """The call of load_state_dict in which a module's own method runs, of its own thread."""

    loading: Loading | None = None


_task = _Task()


def collect_own(
    module: Any,
    state_dict: dict[str, Any],
    prefix: str,
    local_metadata: dict[str, Any],
    lists: tuple[list[str], list[str], list[str]],
) -> None:
    """Collect what a module's own ``_load_from_state_dict`` hands on to that of its base class."""
    loading = _task.loading
    if loading is None:
        raise RuntimeError("_load_from_state_dict() is called by load_state_dict() alone")
    outer = loading.missing, loading.unexpected, loading.errors
    try:
        loading.missing, loading.unexpected, loading.errors = lists
        loading.collect_own(module, state_dict, prefix, local_metadata)
    finally:
        loading.missing, loading.unexpected, loading.errors = outer


class Loading:
    """One call of load_state_dict: first everything is collected and checked, then written."""

    def __init__(self, assign: bool, state_dict: Mapping[str, Any]) -> None:
        self.assign = assign
        self.recorded_in = state_dict  # which may say more than its items
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.values: list[tuple[Any, str, dict[str, Array]]] = []
        self.writers: list[Callable[[], None]] = []
        self.extra_states: list[tuple[Any, Any]] = []
        self.post_hooks: list[tuple[Any, Callable[..., Any]]] = []

    def _run_pre_hooks(
        self, module: Any, state_dict: dict[str, Any], prefix: str, own: dict[str, Any]
    ) -> None:
        module._complete_state_dict(state_dict, prefix, own.get("version"))
        for hook in tuple(module._load_state_dict_pre_hooks.values()):
            hook(state_dict, prefix, own, True, self.missing, self.unexpected, self.errors)

    def _collect_extra_state(self, module: Any, state_dict: Mapping[str, Any], key: str) -> None:
        if not module._has_extra_state("set_extra_state"):
            self.unexpected += [key] * (key in state_dict)
        elif key in state_dict:
            self.extra_states.append((module, state_dict[key]))
        else:
            self.missing.append(key)

    def collect(self, module: Any, state_dict: dict[str, Any], prefix: str) -> None:
        """Find the values of ``module`` and of the modules below it in ``state_dict``."""
        metadata = getattr(self.recorded_in, "_metadata", None) or {}
        own = dict(metadata.get(prefix[:-1], {}))
        if self.assign:
            own["assign_to_params_buffers"] = True
        outer = _task.loading
        try:
            _task.loading = self
            module._load_from_state_dict(
                state_dict, prefix, own, True, self.missing, self.unexpected, self.errors
            )
        finally:
            _task.loading = outer
        for name, child in module._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                inner = {key: value for key, value in state_dict.items() if key.startswith(below)}
                self.collect(child, inner, below)
        hooks = tuple(module._load_state_dict_post_hooks.values())
        self.post_hooks += [(module, hook) for hook in hooks]

    def collect_own(
        self, module: Any, state_dict: dict[str, Any], prefix: str, own: dict[str, Any]
    ) -> None:
        """Find the values of ``module`` without the modules below it; ``own`` is its metadata."""
        self._run_pre_hooks(module, state_dict, prefix, own)
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
        self._collect_extra_state(module, state_dict, prefix + EXTRA_STATE)
        for key in state_dict:
            if key.startswith(prefix) and key != prefix + EXTRA_STATE:
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (module._modules if dot else expected):
                    self.unexpected.append(key)

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
        """Put everything into place, by calls that cannot fail."""
        for writer in self.writers:
            writer()

    def write_and_run(self, incompatible: Any, check: Callable[[], None]) -> None:
        """Put everything into place and run what users wrote for it; if it fails, take it back.

        ``check`` raises what is wrong with the names after post-hooks have seen them.
        """
        restorers = [module._restorer() for module, _, _ in self.values]
        try:
            self.write()
            for module, extra in self.extra_states:
                module.set_extra_state(extra)
            for module, hook in self.post_hooks:
                if hook(module, incompatible) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                        "expected to return new values, if incompatible_keys need to be modified, "
                        "it should be done inplace."
                    )
            check()
        except BaseException:
            for restore in restorers:
                restore()
            raise
