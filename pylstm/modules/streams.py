"""Streams of Conv1d and Sequential: what the next frames need stays between calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import as_array, stream_count, stream_rows
from .stream_plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    import numpy.typing as npt

    Array = npt.NDArray[Any]

_BUSY = (
    "this stream is in use, by another thread or by the call that runs this code: one thread at "
    "a time may use a stream; fork() makes another one"
)


def _select(hx: Any, rows: Any) -> Any:
    """Return these rows of a state: rows are its second axis."""
    if type(hx) is tuple:
        return tuple(_select(item, rows) for item in hx)
    return hx[:, rows]


def _join(hx: Any, more: int) -> Any:
    """Return a state with more rows of zeros."""
    if type(hx) is tuple:
        return tuple(_join(item, more) for item in hx)
    layers, rows, width = hx.shape
    joined = np.zeros((layers, rows + more, width), hx.dtype)
    joined[:, :rows] = hx
    return joined


def _merge(hx: Any, part: Any, rows: Any) -> Any:
    """Return a copy of a state in which these rows are those of another."""
    if type(hx) is tuple:
        return tuple(_merge(*pair, rows) for pair in zip(hx, part, strict=True))
    merged = np.array(hx, getattr(part, "dtype", None))
    merged[:, rows] = part
    return merged


def _copy(hx: Any) -> Any:
    return tuple(map(_copy, hx)) if type(hx) is tuple else np.array(hx)


class FrameStream:
    """A Conv1d or a Sequential that keeps what the next frames need; ``stream()`` makes one.

    Each of the N rows is a sequence of its own. Its outputs equal, in every bit, those of one call
    with all frames, however the frames are cut into calls and whichever rows share a call.

    Parameters
    ----------
    module : Conv1d or Sequential
        It is not copied: a change of its parameters counts from the next call of the stream.
    batch : int
        Number of rows, N; 0 is allowed: rows can join later.

    Raises
    ------
    ValueError
        If a member needs the whole sequence. Also, here and in each call, if a member has hooks or
        a ``forward`` of its own, or is in a training mode in which it is random or mixes rows.

    See Also
    --------
    Stream : that of a recurrent layer.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> model = nn.Sequential(nn.Conv1d(8, 16, 3), nn.ReLU(), nn.GRU(16, 4))
    >>> stream = model.stream(batch=2)
    >>> stream(np.ones((2, 8))).shape  # one frame of both rows
    (2, 4)
    >>> stream(np.ones((5, 1, 8)), rows=[1]).shape  # five frames of the second
    (5, 1, 4)
    >>> {name: state.shape for name, state in stream.state.items()}
    {'0': (2, 2, 8), '2': (1, 2, 4)}
    """

    # States are never written to: a step makes new ones, and one assignment to _held, of the
    # number of rows and all states, is the whole change. Forks may share them therefore.
    if TYPE_CHECKING:
        _module: Any
        _held: tuple[int, tuple[Any, ...]]
        _plan: Plan | None
        _users: dict[int, Any]

    def __new__(cls, module: Any = None, batch: int = 1) -> Self:
        """Make a stream without rows: for copies and pickles."""
        self = super().__new__(cls)
        self._module, self._held, self._plan = None, (0, ()), None
        self._users = {}
        return self

    def __init__(self, module: Any, batch: int = 1) -> None:
        rows = stream_count(batch, "batch", 0)
        plan = Plan(module)
        plan.check()
        self._module, self._plan = module, plan
        self._held = (rows, self._zeros(plan, rows))

    # ---- one user at a time

    def _alone(self, work: Callable[..., Any], *args: Any) -> Any:
        """Run work that returns its result, and what the stream holds from then on.

        Between the check and the ``try``, and in ``finally``, is no call at which Python would
        raise KeyboardInterrupt.
        """
        users, token = self._users, [None]
        try:
            if users.setdefault(0, token) is not token:
                raise RuntimeError(_BUSY)
            result, self._held = work(*self._held, *args)
        finally:
            if 0 in users and users[0] is token:
                del users[0]
        return result

    def _planned(self) -> Plan:
        """Return the plan, which a copy or an unpickled stream makes when it is first used."""
        if self._plan is None:
            plan = Plan(self._module)
            plan.check_states(self._held[1])
            self._plan = plan
        return self._plan

    @staticmethod
    def _zeros(plan: Plan, rows: int) -> tuple[Any, ...]:
        try:
            return tuple(stage.zeros(rows) for stage in plan.keepers)
        except (ValueError, MemoryError):
            text = f"the states of {rows} rows do not fit into memory"
            raise MemoryError(text) from None

    # ---- a step

    def __call__(
        self, input: npt.ArrayLike, *, rows: npt.ArrayLike | None = None, out: Any = None
    ) -> Array:
        """Advance all rows, or some, by one frame or several.

        Parameters
        ----------
        input : array_like
            ``(N, C)``, one frame, or ``(L, N, C)``, of real numbers.
        rows : array_like of int, optional
            Which K rows have input, in any order, each once: input and output then have K in the
            place of N. Of a mask, ``np.flatnonzero(mask)``.
        out : ndarray, optional
            What the output is written to: of its shape and dtype, writable, C-contiguous.

        Returns
        -------
        ndarray
            ``(N, C_out)`` or ``(L / stride, N, C_out)``, with the product of all strides; out
            itself if that is given.

        Raises
        ------
        ValueError, IndexError, TypeError
            For shapes that do not fit, a number of frames that a stride does not divide and a row
            that is named twice; for a row that is negative or absent; for wrong dtypes. Nothing
            has changed then, in no member.
        RuntimeError
            If the stream is in use, or a member was replaced or has other sizes now.
        """
        return self._alone(self._advance, input, rows, out)  # type: ignore[no-any-return]

    def _advance(
        self, size: int, held: tuple[Any, ...], input: Any, rows: Any, out: Any
    ) -> tuple[Array, Any]:
        plan = self._planned()
        plan.check()
        given = held
        if rows is not None:
            rows = stream_rows(rows, size, False)
            given = tuple([_select(hx, rows) for hx in held])
        x = as_array(input, "input", None)
        ndim = x.ndim
        if (
            (ndim != 2 and ndim != 3)
            or x.shape[-2] != (size if rows is None else len(rows))
            or not len(x) >= (ndim == 3)
            or (plan.channels is not None and x.shape[-1] != plan.channels)
        ):
            plan.refuse_shape(x.shape, size if rows is None else len(rows), rows is not None)
        frames = plan.run(np.ascontiguousarray(x[None] if ndim == 2 else x), given)
        y: Array = frames[0]
        after = tuple(frames[1])
        if rows is not None:
            after = tuple([_merge(*pair, rows) for pair in zip(held, after, strict=True)])
        y = y[0] if ndim == 2 else y
        if out is not None:
            _check_out(out, y)
            np.copyto(out, y)
            y = out
        elif y.base is not None or not y.flags.c_contiguous or y is x:
            y = np.array(y, order="C")
        return y, (size, after)

    # ---- rows

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._held[0]

    def reset(self, rows: npt.ArrayLike | None = None) -> None:
        """Set the states of some rows, each named once, or of all to zero.

        Rows are row numbers; of a mask, ``np.flatnonzero(mask)``.
        """
        self._alone(self._reset, rows)

    def _reset(self, size: int, held: Any, rows: Any) -> Any:
        if rows is None:
            return None, (size, self._zeros(self._planned(), size))
        index = stream_rows(rows, size, False)
        zeros = (tuple(0.0 for _ in hx) if type(hx) is tuple else 0.0 for hx in held)
        return None, (size, tuple(map(_merge, held, zeros, [index] * len(held))))

    def select(self, rows: npt.ArrayLike) -> None:
        """Make row i what ``rows[i]`` was: reorders, repeats and drops rows.

        The stream then has ``len(rows)`` rows.
        """
        self._alone(self._select, rows)

    @staticmethod
    def _select(size: int, held: Any, rows: Any) -> Any:
        index = stream_rows(rows, size, True)
        return None, (len(index), tuple(_select(hx, index) for hx in held))

    def join(self, n: int) -> npt.NDArray[np.int64]:
        """Append n rows whose states are zero, and return their indices, an array of int64."""
        return self._alone(self._joined, stream_count(n, "n", 1))  # type: ignore[no-any-return]

    @staticmethod
    def _joined(size: int, held: Any, n: int) -> Any:
        try:
            index = np.arange(size, size + n, dtype=np.int64)
            return index, (size + n, tuple(_join(hx, n) for hx in held))
        except (ValueError, OverflowError, MemoryError):
            text = f"the states of {size + n} rows do not fit into memory"
            raise MemoryError(text) from None

    def leave(self, rows: npt.ArrayLike) -> None:
        """Remove rows, each named once; the others keep their order and close the gaps."""
        self._alone(self._leave, rows)

    @staticmethod
    def _leave(size: int, held: Any, rows: Any) -> Any:
        kept = np.delete(np.arange(size), stream_rows(rows, size, False))
        return None, (len(kept), tuple(_select(hx, kept) for hx in held))

    # ---- states

    @property
    def module(self) -> Any:
        """The Conv1d or Sequential, which forks of the stream share."""
        return self._module

    @property
    def state(self) -> Any:
        """The states, with rows on the second axis.

        Of a Conv1d an array of the last frames, ``((kernel_size - 1) * dilation, N, C)``; of a
        Sequential a dict of those of its members by name, a recurrent layer's as its ``Stream``
        has them. Reading gives copies. What was read can be assigned; None sets all to zero.
        """
        return self._alone(self._shown)

    @state.setter
    def state(self, value: Any) -> None:
        self._alone(self._assign, value)

    @state.deleter
    def state(self) -> None:
        raise AttributeError("state cannot be deleted: reset() makes it zero, as does None")

    def _shown(self, size: int, held: Any) -> Any:
        plan = self._planned()
        if plan.is_single:
            return _copy(held[0]), (size, held)
        named = zip(plan.keepers, held, strict=True)
        return {stage.name: _copy(hx) for stage, hx in named}, (size, held)

    def _assign(self, size: int, held: Any, value: Any) -> Any:
        plan = self._planned()
        if value is None:
            return None, (size, self._zeros(plan, size))
        if plan.is_single:
            return None, (size, (plan.keepers[0].read(value, size, "state"),))
        names = [stage.name for stage in plan.keepers]
        if not isinstance(value, dict):
            raise TypeError(
                f"state must be a dict of the states of the members {names}, got "
                f"{type(value).__name__}"
            )
        if set(value) != set(names):
            raise ValueError(f"state must have the keys {names}, got {list(value)}")
        read = (
            stage.read(value[stage.name], size, f"state[{stage.name!r}]") for stage in plan.keepers
        )
        return None, (size, tuple(read))

    # ---- copies

    def fork(self) -> Self:
        """Return a second stream of the same module, with a copy of the states."""
        return self._alone(self._forked)  # type: ignore[no-any-return]

    def _forked(self, size: int, held: Any) -> Any:
        other = type(self).__new__(type(self))
        other._module, other._plan, other._held = self._module, self._plan, (size, held)
        return other, (size, held)

    def __copy__(self) -> Self:
        """Return a fork."""
        return self.fork()

    def __getstate__(self) -> Any:
        return self._alone(lambda *held: ({"module": self._module, "held": held}, held))

    def __setstate__(self, values: Any) -> None:
        self._module, self._held = values["module"], values["held"]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._module!r}, batch={len(self)})"


def _check_out(out: Any, y: Array) -> None:
    """Raise where a result cannot be written to ``out``."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy.ndarray, got {type(out).__name__}")
    if isinstance(out, np.ma.MaskedArray):
        raise TypeError("out is a masked array: pass out.data")
    if out.dtype != y.dtype:
        raise TypeError(f"out must have dtype {y.dtype}, got {out.dtype}")
    if out.shape != y.shape:
        raise ValueError(f"out must have shape {y.shape}; it has shape {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writable; it is read-only")
    if not out.flags.c_contiguous:
        raise ValueError("out must be C-contiguous")


# As in module.py.
FrameStream.__module__ = "pylstm"
