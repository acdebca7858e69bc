"""What every engine has in common, and pylstm itself."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from benchmarks.grids import Case
from benchmarks.problem import Outputs, Problem, joined, parted
from benchmarks.timing import Runner

BASELINE = "pylstm"


class AbsentError(Exception):
    """The library is not installed or cannot run here."""


class UnsupportedError(Exception):
    """The library does not offer this case."""


class Engine(ABC):
    """One way to run a case: built from the problem, checked once, then timed.

    Attributes
    ----------
    name : str
        As the reports show it.
    runner : Runner
        The statement that is timed. It uses the form that the library's users would choose
        for speed, with inputs that need no conversion.
    tolerance : float or None
        A result further than this from the float64 truth is wrong. None: what its dtype allows.
    detail : str
        What a report says beside the name, where an engine has chosen something for this case.
    """

    name: ClassVar[str]
    tolerance: ClassVar[float | None] = None
    runner: Runner
    detail = ""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.case = problem.case

    @abstractmethod
    def outputs(self) -> Outputs:
        """Run the case once and return output and final states as NumPy arrays."""


def require(name: str) -> ModuleType:
    """Return the module of that name.

    Raises
    ------
    AbsentError
        If it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:  # a broken installation raises anything
        raise AbsentError(f"{type(error).__name__}: {error}") from error


# Cells of every kind are called alike: h is what the next step takes, an LSTM's (h, c) too.
CELL_LOOP = """\
h = hx
for step in steps:
    h = cell(step, h)
"""


def module_of(nn: Any, case: Case, **options: Any) -> Any:
    """Build the layer or the cell of a case, from torch.nn or from a package with its names."""
    kind = case.kind_of_cell
    options.update(kind.options)
    if case.cell:
        return getattr(nn, kind.cell)(case.input_size, case.hidden_size, **options)
    return getattr(nn, kind.layer)(
        case.input_size,
        case.hidden_size,
        case.num_layers,
        bidirectional=case.bidirectional,
        **options,
    )


class Pylstm(Engine):
    """The library that the others are compared with."""

    name = BASELINE
    package: ClassVar[str] = "pylstm"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.module = module_of(require(self.package), self.case, dtype=self.case.dtype)
        self.module.load_state_dict(problem.weights)
        self.module.eval()
        self.runner = self._runner()

    def _runner(self) -> Runner:
        problem = self.problem
        if self.case.cell:
            names = {"cell": self.module, "steps": list(problem.x), "hx": problem.state(0)}
            return Runner(CELL_LOOP, names)
        names = {"rnn": self.module, "x": problem.x, "hx": joined(problem.states)}
        return Runner("rnn(x, hx)" if self.case.states else "rnn(x)", names)

    def outputs(self) -> Outputs:
        problem = self.problem
        if self.case.cell:
            hx = problem.state(0)
            steps = []
            for x in problem.x:
                hx = self.module(x, hx)
                steps.append(parted(hx)[0])
            return np.stack(steps), *(state[None] for state in parted(hx))
        y, hx = self.module(problem.x, joined(problem.states) if self.case.states else None)
        return y, *parted(hx)


def unsupported_float64(case: Case, library: str) -> None:
    """Raise UnsupportedError for a float64 case."""
    if case.dtype == "float64":
        raise UnsupportedError(f"{library} has no float64 {case.kind_of_cell.layer}")
