"""Trace: the gates and states of every step, and the method of layers that makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arguments.naming import letters_hint, type_name

if TYPE_CHECKING:
    from typing import NoReturn

    import numpy.typing as npt

    Array = npt.NDArray[Any]


def trace_names(kind: str) -> tuple[str, ...]:
    """Return what a trace of a layer has: the gates, and the states."""
    from ..weights.kinds import KINDS  # not imported with pylstm

    return tuple(KINDS[kind].traced)


def wanted_names(kind: str, names: Any) -> tuple[str, ...]:
    """Return which arrays a call of ``trace`` asks for, checked."""
    known = trace_names(kind)
    if names is None:
        return known
    what = f"names must be among {', '.join(known)} for this {kind}, each once"
    try:
        given = [names] if isinstance(names, str) else list(names)
    except TypeError:
        raise TypeError(
            f"{what}: a string or an iterable of strings, got {type_name(names)}"
        ) from None
    wanted = []
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"{what}: strings, got {type_name(name)}")
        if name not in known or name in wanted:
            hint = " twice" if name in wanted else letters_hint(names, known)
            raise ValueError(f"{what}, got {name!r}{hint}")
        wanted.append(known[known.index(name)])
    if not wanted:
        raise ValueError(f"{what}, got none; leave names out for all of them")
    return tuple(wanted)


class Trace:
    """What ``layer.trace(...)`` returns: the results, gates and states of a call.

    It is not a tuple: what a call returns is in ``output``, ``h_n`` and ``c_n``.

    Attributes
    ----------
    output, h_n, c_n : ndarray
        The results of the call, equal in every bit; only an LSTM has ``c_n``.
    i, f, g, o : ndarray
        The gates of an LSTM, after their activations: input, forget, candidate, output.
    r, z, n : ndarray
        The gates of a GRU, after their activations: reset, update, candidate (torch's new gate).
    c : ndarray
        The cell state of an LSTM after every step.
    h : ndarray
        The state after every step, before a projection; an RNN has this alone.
    names : tuple of str
        Which of the arrays of every step there are. Another one raises an AttributeError.
    kind : str
        ``"LSTM"``, ``"GRU"`` or ``"RNN"``.

    Notes
    -----
    Gates and states are ``(num_layers, D, L, N, hidden_size)``, for unbatched input without N; D is
    2 if bidirectional, else 1. They are in the order of the input for both directions, whatever
    ``batch_first`` is, and 0 beyond the length of a sequence.

    Examples
    --------
    >>> import numpy as np
    >>> import pylstm as nn
    >>> trace = nn.LSTM(3, 4, num_layers=2).trace(np.ones((5, 1, 3)), names=["f", "c"])
    >>> trace
    <Trace of LSTM: f, c (2, 1, 5, 1, 4), output (5, 1, 4), h_n (2, 1, 4), c_n (2, 1, 4)>
    >>> forget = trace.f[1, 0, :, 0]  # of the second layer, forward: (steps, hidden_size)
    >>> forget.shape
    (5, 4)
    >>> output, h_n, c_n = trace.output, trace.h_n, trace.c_n
    """

    if TYPE_CHECKING:
        output: Array
        h_n: Array
        c_n: Array
        i: Array
        f: Array
        g: Array
        o: Array
        r: Array
        z: Array
        n: Array
        c: Array
        h: Array

    names: tuple[str, ...]
    kind: str

    def __init__(self, kind: str, results: tuple[Any, Any], arrays: dict[str, Any]) -> None:
        self.kind = kind
        self.names = tuple(arrays)
        self.output, hx_n = results
        if isinstance(hx_n, tuple):
            self.h_n, self.c_n = hx_n
        else:
            self.h_n = hx_n
        vars(self).update(arrays)

    def __getattr__(self, name: str) -> NoReturn:
        kind = vars(self).get("kind")
        if kind is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in trace_names(kind):
            raise AttributeError(f"this trace has no {name}: trace() was asked for {self.names}")
        raise AttributeError(
            f"a trace of this {kind} has no {name!r}: it has output, h_n, "
            f"{'c_n, ' if 'c_n' in vars(self) else ''}and {', '.join(trace_names(kind))}"
        )

    if not TYPE_CHECKING:  # so that checkers refuse an unpacked trace too

        def __iter__(self) -> NoReturn:
            results = [f"trace.{name}" for name in ("output", "h_n", "c_n") if name in vars(self)]
            raise TypeError(f"a Trace is not a tuple: its results are {', '.join(results)}")

    def __repr__(self) -> str:
        values = vars(self)
        shape = values[self.names[0]].shape
        results = [
            f"{name} {values[name].shape}" for name in ("output", "h_n", "c_n") if name in values
        ]
        return f"<Trace of {self.kind}: {', '.join(self.names)} {shape}, {', '.join(results)}>"


# As in module.py.
Trace.__module__ = "pylstm"
