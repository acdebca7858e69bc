"""Parameters whose memory lies in C: how they are read, assigned, saved, loaded and converted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import Layer, as_array
from ..arguments.naming import is_array_like, type_name
from ..arguments.variants import OPTIONS_KEY, STORAGE_NAMES, WEIGHTS_KEY
from .module import Module
from .tables import memory_of

if TYPE_CHECKING:
    from typing import Self

    import numpy.typing as npt

    Array = npt.NDArray[Any]

SCALE = "_scale"


def contiguous(values: dict[str, Any], dtype: str) -> dict[str, Array]:
    """Return arrays as C takes them."""
    return {
        name: np.ascontiguousarray(as_array(value, name, dtype)) for name, value in values.items()
    }


def as_stored(values: dict[str, Any]) -> dict[str, tuple[Array, Array | None]]:
    """Return what ``_native_stored`` gave, from a pickle, as C takes it."""
    from ..weights.stored import native  # most programs have no compressed module

    made = {}
    for name, pair in values.items():
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise ValueError(f"{name} is {type_name(pair)}, expected stored weights and scales")
        made[name] = native(pair[0]), None if pair[1] is None else native(pair[1])
    return made


class ParametersInC(Layer, Module):
    """The base of :class:`NativeModule` that owns parameters.

    Those of a compressed module are kept in the form of its storage: ``_native_stored`` gives that
    form, and ``_native_parameter`` a new array of the float32 numbers that it stands for.
    """

    def _zeros_in(self, weights: str) -> Layer:
        """Return what has parameters of the same shapes in a storage, all zero."""
        raise NotImplementedError

    def _native_held(self) -> Layer:
        """Return what keeps the parameters in their form while other threads convert the module."""
        holder = Layer()
        holder._native_share(self)
        return holder

    def _parameters_in(self, form: str) -> Layer:
        """Return what holds the parameters in another dtype or storage.

        Raises
        ------
        ValueError
            If the storage cannot hold a weight, which is named.
        """
        if {self._native_weights, form} == {"int8", "int8-fast"}:  # which store the same
            holder = self._zeros_in(form)
            holder._native_assign({name: self._native_stored(name) for name in self._native_names})
            return holder
        holder = self._native_held()
        holder._native_convert(form)
        return holder

    def _owned_names(self) -> tuple[str, ...]:
        try:
            return self._native_names
        except RuntimeError:  # before __init__
            return ()

    def _own_matrices(self) -> Iterator[tuple[str, Array]]:
        """Yield the compressed parameters and what is stored of them; none of a float module."""
        if self._owned_names() and self._native_weights is not None:
            for name in self._native_names:
                stored, _ = self._native_stored(name)
                if stored.ndim == 2:
                    yield name, stored

    def _check_free(self, kind: str, table: Mapping[str, Any], name: str) -> None:
        if name == "weights" and self._has_no_own_weights():
            return
        if name.endswith(SCALE) and name.removesuffix(SCALE) in dict(self._own_matrices()):
            raise KeyError(f"attribute '{name}' already exists: the scales of a compressed weight")
        super()._check_free(kind, table, name)

    # ---- the attribute weights, which a subclass may have of its own: as attribute, buffer, child

    @property
    def weights(self) -> str | None:
        """The storage of compressed weights, as :func:`compress` takes it; None of floats.

        What a subclass has of its own by this name hides it.
        """
        for table in self._own_tables():
            if "weights" in table:
                return table["weights"]  # type: ignore[no-any-return]
        if not self._owned_names():
            raise AttributeError("weights")  # which __getattr__ words
        return self._native_weights

    @weights.setter
    def weights(self, value: Any) -> None:
        vars(self)["weights"] = value

    @weights.deleter
    def weights(self) -> None:
        if vars(self).pop("weights", self) is self:
            raise AttributeError("attribute 'weights' cannot be deleted")

    def _shown_weights(self) -> list[str]:
        return [] if self._native_weights is None else [f"weights={self._native_weights!r}"]

    def _own_tables(self) -> list[dict[str, Any]]:
        """Return all in which something of the module's own can have a name."""
        values = vars(self)
        return [values, *(values.get(name, {}) for name in ("_parameters", "_buffers", "_modules"))]

    def _has_no_own_weights(self) -> bool:
        is_ours = type(self).weights is ParametersInC.weights
        return is_ours and not any("weights" in table for table in self._own_tables())

    def _is_asked_to_compress(self, value: Any) -> bool:
        """Tell whether assigning ``weights`` sets no attribute of a subclass's own."""
        is_final = "_native_kind" in vars(type(self))  # of pylstm's own classes
        is_name = isinstance(value, str) and value in STORAGE_NAMES
        return self._has_no_own_weights() and (is_final or is_name)

    # ---- parameters

    def _set_parameter(self, name: str, value: Any) -> None:
        """Copy ``value`` into a parameter."""
        if not is_array_like(value):
            raise TypeError(
                f"cannot assign '{type_name(value)}' as parameter '{name}' "
                "(torch.nn.Parameter or None expected): in pylstm, an array of its shape"
            )
        expected = self._own_view(name).shape
        array = as_array(value, name, None)
        if array.shape != expected:
            raise ValueError(
                f"cannot assign an array of shape {array.shape} to parameter '{name}': "
                f"its shape is {expected} for good"
            )
        if self._native_weights is None:
            self._native_assign(
                self._native_apart(contiguous({name: array}, self._native_dtype.name))
            )
        else:
            from ..weights.stored import float32_of  # most programs have no compressed module

            self._native_assign({name: float32_of(name, array, self._native_weights)})

    def _own_view(self, name: str) -> Array:
        """Return a parameter as a read-only array on the module's memory, in its stored form."""
        return (
            self._parameter_view(name)
            if self._native_weights is None
            else self._native_stored(name)[0]
        )

    def _native_apart(self, values: dict[str, Array]) -> dict[str, Array]:
        """Return ``values``, copied where they lie in the memory that is about to be written."""
        views = [self._parameter_view(name) for name in self._native_names]

        def aliased(array: Array) -> bool:
            # An array that owns its data is not a view of the parameters.
            return not array.flags.owndata and any(np.may_share_memory(array, v) for v in views)

        return {name: a.copy() if aliased(a) else a for name, a in values.items()}

    # ---- the tree

    def _own_parameters(self) -> Iterator[tuple[str, Array]]:
        for name in self._owned_names():
            yield name, self._native_parameter(name)
        yield from super()._own_parameters()

    def _own_identity(self, name: str, array: Array) -> tuple[Any, ...] | None:
        if not array.flags.writeable and name in self._owned_names():
            array = self._own_view(name)  # a widened array is a new one each time
        return memory_of(array)

    # ---- state_dict

    def _own_slots(self) -> Iterator[tuple[str, Array]]:
        # Views: an exported writable array would make the next call compare the parameter.
        for name in self._owned_names():
            yield name, self._own_view(name)
        yield from self._registered_slots()

    def _own_dtype_name(self, name: str, array: Array) -> str:
        is_bits = (
            self._owned_names() and self._native_weights == "bfloat16" and array.dtype == np.uint16
        )
        return "bfloat16" if is_bits else super()._own_dtype_name(name, array)

    def _own_scale_slots(self) -> Iterator[tuple[str, Array]]:
        # Of every storage: the stored form of another one can be loaded.
        for name, stored in self._own_matrices():
            yield name + SCALE, np.broadcast_to(np.float32(0), (len(stored), 1))

    def _own_record(self) -> dict[str, Any]:
        options, weights = self._recorded_options(), self._native_weights
        told: dict[str, Any] = {OPTIONS_KEY: options} if options else {}
        return told if weights is None else {**told, WEIGHTS_KEY: weights}

    def _recorded_options(self) -> dict[str, Any]:
        """Return what the numbers of this module depend on and no state_dict of torch says."""
        return {}

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        export = self._native_parameter if keep_vars else self._parameter_view
        held = self if self._native_weights is None else self._native_held()
        for name in self._native_names:
            if (
                held._native_weights is None or held._native_weights == "bfloat16"
            ):  # which NumPy has not
                destination[prefix + name] = export(name)
                continue
            destination[prefix + name], scale = held._native_stored(name)
            if scale is not None:
                destination[prefix + name + SCALE] = scale
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _stage_state_dict(self, values: dict[str, Array], assign: bool) -> Callable[[], None]:
        names = {*self._native_names, *(name for name, _ in self._own_scale_slots())}
        own = {name: value for name, value in values.items() if name in names}
        others = {name: value for name, value in values.items() if name not in names}
        stage = self._stage_floats if self._native_weights is None else self._stage_compressed
        write_own = stage(own, assign)
        write_others = super()._stage_state_dict(others, assign)

        def write() -> None:
            write_own()
            write_others()

        return write

    def _stage_floats(self, own: dict[str, Array], assign: bool) -> Callable[[], None]:
        dtype = self._native_dtype.name
        kinds = {(value.dtype.kind, value.dtype.itemsize) for value in own.values()}
        if assign and len(kinds) == 1 and len(own) == len(self._native_names):
            dtype = {("f", 4): "float32", ("f", 8): "float64"}.get(kinds.pop(), dtype)
        staged = self._native_apart(contiguous(own, dtype))
        converted = self._native_converted(dtype)  # what needs memory comes first

        def write() -> None:
            if converted is not None:
                self._native_share(converted)
            self._native_assign(staged)

        return write

    def _stage_compressed(self, own: dict[str, Array], assign: bool) -> Callable[[], None]:
        """Compress the values now: whatever their dtype is, the module keeps its storage."""
        from ..weights.stored import readable  # most programs have no compressed module

        weights = str(self._native_weights)
        holder = self._zeros_in(weights)
        staged = [name for name in self._native_names if name in own]
        problems = []
        for name in staged:  # one by one, so that only one float32 array is made
            try:
                value = readable(name, own[name], own.get(name + SCALE), weights)
                holder._native_assign({name: value})
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError(*problems)
        stored = {name: holder._native_stored(name) for name in staged}
        return lambda: self._native_assign(stored)

    def _restorer(self) -> Callable[[], None]:
        restore_others = super()._restorer()
        dtype, is_stored = self._native_dtype.name, self._native_weights is not None
        saved: dict[str, Any] = {}
        for name in self._native_names:
            if is_stored:
                stored, scale = self._native_stored(name)
                saved[name] = stored.copy(), None if scale is None else scale.copy()
            else:
                saved[name] = self._parameter_view(name).copy()

        def restore() -> None:
            converted = None if is_stored else self._native_converted(dtype)
            if converted is not None:
                self._native_share(converted)
            self._native_assign(saved)
            restore_others()

        return restore

    # ---- conversions

    def _native_cast(self, dtype: str, kinds: str) -> Self:
        self._native_names  # noqa: B018 - a RuntimeError before __init__
        return super()._native_cast(dtype, kinds)

    def _stage_cast(self, dtype: str, kinds: str, cast: dict[int, Any]) -> Callable[[], None]:
        converted = self._native_converted(dtype)
        cast_others = super()._stage_cast(dtype, kinds, cast)

        def write() -> None:
            if converted is not None:
                self._native_share(converted)
            cast_others()

        return write

    def _native_converted(self, dtype: str) -> Layer | None:
        """Return what holds the parameters as floats; None where they are of that dtype already."""
        if dtype == self._native_dtype.name and self._native_weights is None:
            return None
        return self._parameters_in(dtype)
