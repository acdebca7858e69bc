"""Registers the thread pool with threadpoolctl, and the end of its threads with the interpreter.

Importing pylstm does not import threadpoolctl. If threadpoolctl has been imported before, its
controller is registered at once; otherwise a finder in ``sys.meta_path`` registers the controller
when threadpoolctl is imported, and removes itself. So the order of the two imports does not
matter, and programs without threadpoolctl pay nothing.

The finder, the controller and the exit handler hold weak references to the extension module, and
no global of this file holds the module: so pylstm can be unloaded, which ends its threads. The
finder and the exit handler are then removed, as they are when pylstm is reloaded; threadpoolctl
has no function that removes a controller.
"""

from __future__ import annotations

import atexit
import sys
import weakref
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, TypeAlias

from .._version import __version__

CONTROLLED_BY = "threadpoolctl"
CONTROLLER = "PylstmController"
Reference: TypeAlias = weakref.ref[ModuleType]


def announce(core: ModuleType) -> None:
    """Register the pool with threadpoolctl, now or at its import; end the threads at exit."""
    reference = weakref.ref(core)
    _withdraw(reference)  # the registrations from before a reload
    # Only this reference has a callback; Python drops the reference after the exit handlers.
    atexit.register(_end_threads, weakref.ref(core, lambda _: _withdraw(reference)))
    if CONTROLLED_BY in sys.modules:
        _register(sys.modules[CONTROLLED_BY], reference)
    else:
        sys.meta_path.insert(0, _Finder(reference))


def _withdraw(core: Reference) -> None:
    """Remove the exit handler and the finder of a module, and those of unloaded modules."""
    atexit.unregister(_end_threads)
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if (type(finder).__module__, type(finder).__name__) != (__name__, _Finder.__name__)
        or not _is_for(core, finder.core)  # type: ignore[attr-defined]
    ]


def _is_for(core: Reference, held: Reference) -> bool:
    """Return whether a finder that holds ``held`` is for the module of ``core``, or for none.

    From Python 3.15 on a module that the collector is about to free can still be had through other
    references while the callback of one runs: so the references are compared, not what they give.
    """
    return held == core or held() is None


def _end_threads(core: Reference) -> None:
    if (module := core()) is not None:
        module._close_threads()


class _Finder:
    """Finds threadpoolctl where Python would; its loader registers pylstm after the import."""

    def __init__(self, core: Reference) -> None:
        self.core = core

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != CONTROLLED_BY:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(self, spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    """Loads threadpoolctl by its own loader, which it leaves in the module's attributes."""

    def __init__(self, finder: _Finder, loader: Any) -> None:
        self._finder = finder
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        spec.loader = self._loader
        module: ModuleType | None = self._loader.create_module(spec)
        spec.loader = self  # type: ignore[assignment]
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        with suppress(ValueError):  # it was imported twice
            sys.meta_path.remove(self._finder)
        _register(module, self._finder.core)


class _Controller:
    """The methods that threadpoolctl.LibController asks for."""

    user_api = internal_api = "pylstm"
    check_symbols = ("PyInit__core",)
    core: Reference
    filepath: str
    dynlib: object

    def get_num_threads(self) -> int:
        module = self.core()
        return 1 if module is None else int(module.get_num_threads())

    def set_num_threads(self, num_threads: int) -> None:
        if (module := self.core()) is not None:
            module._limit_threads(num_threads)

    def get_version(self) -> str:
        return __version__

    def set_additional_attributes(self) -> None:
        from pathlib import Path

        module = self.core()
        if module is None or not Path(self.filepath).samefile(str(module.__file__)):
            self.dynlib = None  # another project's _core: it must not pass for ours


def _register(threadpoolctl: ModuleType, core: Reference) -> None:
    from pathlib import Path  # not above: importing it would take as long as all of pylstm

    module = core()
    if module is None or not hasattr(threadpoolctl, "register"):  # 3.2 and newer have it
        return
    known = threadpoolctl.LibController.__subclasses__()
    if not any(kind.__name__ == CONTROLLER and kind.core() is module for kind in known):
        bases = (_Controller, threadpoolctl.LibController)
        names = {"core": core, "filename_prefixes": (Path(str(module.__file__)).name.lower(),)}
        threadpoolctl.register(type(CONTROLLER, bases, names))
