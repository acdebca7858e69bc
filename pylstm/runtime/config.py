"""What this build of pylstm is made of, and where it is."""

from __future__ import annotations

import numpy as np

from .. import _core
from .._version import __version__
from ..modules.module import Module


def _describe(module: Module) -> list[tuple[str, str]]:
    """Return what a call of ``module`` has to work with."""
    slots = [
        (below._own_dtype_name(name, array), array)
        for below in module.modules()
        for name, array in below._own_slots()
    ]
    leases = sum(getattr(below, "_native_leases", 0) for below in module.modules())
    dtypes = sorted({dtype for dtype, _ in slots})
    return [
        ("module", repr(module)),
        ("numbers", f"{sum(array.size for _, array in slots):,}"),
        ("dtype", ", ".join(dtypes) or "none"),
        ("leases", f"{leases} (each call compares the parameters that they show)"),
    ]


def show_config(module: Module | None = None) -> None:
    """Print the version, where it is, the compiler, the instruction sets, the threads and NumPy.

    Parameters
    ----------
    module : Module, optional
        Print about this module too: how many numbers its state holds, and how many leases
        there are: writable parameter arrays that are still alive.

    Examples
    --------
    >>> import pylstm
    >>> pylstm.show_config(pylstm.LSTM(2, 3))  # doctest: +ELLIPSIS
    pylstm:         ...
    package:        ...
    compiled part:  ...
    compiler:       ...
    SIMD in use:    ...
    SIMD flavour:   ...
    ...
    module:         LSTM(2, 3)
    numbers:        84
    dtype:          float32
    leases:         0 (each call compares the parameters that they show)
    """
    from pathlib import Path  # neither is needed to compute

    from ..files.base.errors import printable  # a path may hold what no terminal takes

    levels = _core.simd_levels()
    built = [name for name, (is_built, _) in levels.items() if is_built]
    available = [name for name, (_, is_available) in levels.items() if is_available]
    lines = [
        ("pylstm", __version__),
        ("package", printable(str(Path(__file__).absolute().parent.parent))),
        ("compiled part", printable(str(Path(_core.__file__).absolute()))),
        ("compiler", _core.compiler()),
        ("SIMD in use", _core.simd_level()),
        ("SIMD flavour", f"{_core.simd_flavour()} (of compressed weights)"),
        ("SIMD built", ", ".join(built)),
        ("SIMD available", ", ".join(available)),
        ("threads", str(_core.get_num_threads())),
        ("NumPy", np.__version__),
    ]
    if module is not None:
        lines += _describe(module)
    for name, value in lines:
        print(f"{name + ':':16}{value}")


# Where users find it: pickles name that place, wherever the file lies.
show_config.__module__ = "pylstm"
