"""torch.nn's layers and cells, eager and compiled."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.engines import CELL_LOOP, Engine, UnsupportedError, module_of, require
from benchmarks.environment import threads
from benchmarks.grids import Case
from benchmarks.problem import Outputs, Problem, joined, parted
from benchmarks.timing import Runner


class TorchEager(Engine):
    """A layer of ``torch.nn`` under ``inference_mode``, with tensors in and out (no conversion)."""

    name = "torch eager"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        torch = self.torch = require("torch")
        torch.set_num_threads(threads())
        case = self.case
        dtype = getattr(torch, case.dtype)
        module = module_of(torch.nn, case, dtype=dtype)
        weights = {name: torch.from_numpy(value) for name, value in problem.weights.items()}
        module.load_state_dict(weights)
        self.module = module.eval()
        self.x = torch.from_numpy(problem.x)
        self.hx = joined([torch.from_numpy(state) for state in problem.states])
        self.cell_hx = joined([torch.from_numpy(state[0]) for state in problem.states])
        self.call = self.make_call()
        self.runner = self._runner()

    def make_call(self) -> Callable[..., Any]:
        """Return what is called: the module itself, or what a subclass makes of it."""
        return self.module  # type: ignore[no-any-return]

    def _runner(self) -> Runner:
        context = self.torch.inference_mode
        if self.case.cell:
            names = {"cell": self.call, "steps": list(self.x), "hx": self.cell_hx}
            return Runner(CELL_LOOP, names, context=context)
        names = {"rnn": self.call, "x": self.x, "hx": self.hx}
        return Runner("rnn(x, hx)" if self.case.states else "rnn(x)", names, context=context)

    def outputs(self) -> Outputs:
        with self.torch.inference_mode():
            if self.case.cell:
                hx, steps = self.cell_hx, []
                for x in self.x:
                    hx = self.call(x, hx)
                    steps.append(self.array(parted(hx)[0]).copy())
                return np.stack(steps), *(self.array(state)[None] for state in parted(hx))
            y, hx = self.call(self.x, self.hx) if self.case.states else self.call(self.x)
            return self.array(y), *(self.array(state) for state in parted(hx))

    def array(self, tensor: Any) -> np.ndarray:
        """Return a result as a NumPy array."""
        return tensor.numpy()  # type: ignore[no-any-return]


class TorchCompiled(TorchEager):
    """``torch.compile`` at its best for inference: traced through the layer, weights frozen.

    By default dynamo stops at a recurrent layer and runs it eagerly; with ``allow_rnn`` it is
    traced,
    and with ``freezing`` its weights are laid out once instead of at every call.
    """

    name = "torch.compile"
    #: "all", "some" or "none", and the seconds that one compilation may take.
    which = "all"
    time_box = 120

    def make_call(self) -> Callable[..., Any]:
        if self.which == "none" or (self.which == "some" and not chosen(self.case)):
            raise UnsupportedError("not compiled (see --compile)")
        dynamo = require("torch._dynamo")
        inductor = require("torch._inductor.config")
        # One compilation per case and none left behind: dynamo stops compiling a function that
        # has been compiled for eight different modules and goes on eagerly, in silence.
        dynamo.reset()
        dynamo.config.allow_rnn = True
        inductor.freezing = True  # type: ignore[attr-defined]
        # fullgraph: an error instead of a part that silently stays eager.
        call = self.torch.compile(self.module, dynamic=False, fullgraph=True)
        with self.torch.inference_mode(), deadline(self.time_box):
            if self.case.cell:
                call(self.x[0], self.cell_hx)
            elif self.case.states:
                call(self.x, self.hx)
            else:
                call(self.x)
        return call  # type: ignore[no-any-return]


def chosen(case: Case) -> bool:
    """Pick the cases of ``--compile some``: corners of the grids, no long sequences."""
    return case.batch in (1, 32) and case.hidden_size in (20, 128, 512) and case.steps != 100


class DeadlineError(Exception):
    """A compilation did not finish in its time box."""


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Raise DeadlineError in the body after so many seconds (nothing where there is no SIGALRM)."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    expired = False

    def expire(number: int, frame: object) -> None:
        nonlocal expired
        expired = True
        raise DeadlineError

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    except Exception as error:  # the compiler wraps what is raised inside it
        if expired:
            raise DeadlineError(f"did not finish in {seconds} s") from error
        raise
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
