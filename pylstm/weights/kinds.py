"""The kinds of cells, a row of a table each; ``csrc/core/cells.c`` has the same for the C half.

Gate order, the number of gates and states, names and shapes of parameters stand here and nowhere
else in Python: readers of files, what judges parameters, constructors and pictures ask this table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# The gates of an LSTM that may have peepholes, in the order of their parameters.
PEEPHOLE_GATES = "ifo"


class Kind(NamedTuple):
    """All that is not the same for every kind of cell.

    Attributes
    ----------
    mode : str
        As torch calls the layer; the cell is called so with ``"Cell"`` behind it.
    gates : str
        A letter for each, in the order of the rows of ``weight_ih``.
    states : str
        A letter for each: h alone, or h and c.
    separate_bias : bool
        Whether ``bias_hh`` of the last gate is not added to ``bias_ih``.
    may_project : bool
        Whether it has ``weight_hr`` where ``proj_size`` is not 0.
    onnx_gates : str
        The same gates in the order of ONNX.
    keras_gates : str
        The same in the order of Keras.
    """

    mode: str
    gates: str
    states: str
    separate_bias: bool
    may_project: bool
    onnx_gates: str
    keras_gates: str

    @property
    def traced(self) -> str:
        """A letter for each array of a trace: gates, of which one alone is h, and states."""
        return (self.gates if len(self.gates) > 1 else "") + self.states[::-1]

    def rows(self, hidden_size: int) -> int:
        """Return the rows of ``weight_ih``, ``weight_hh`` and the biases."""
        return len(self.gates) * hidden_size

    def shapes(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        bidirectional: bool = False,
        proj_size: int = 0,
        peepholes: bool = False,
        is_cell: bool = False,
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield names and shapes of the parameters in torch's order, peepholes behind them."""
        rows, hidden_out = self.rows(hidden_size), proj_size or hidden_size
        directions = ("", "_reverse") if bidirectional else ("",)
        columns = input_size
        for layer in range(num_layers):
            for direction in directions:
                suffix = "" if is_cell else f"_l{layer}{direction}"
                yield "weight_ih" + suffix, (rows, columns)
                yield "weight_hh" + suffix, (rows, hidden_out)
                if bias:
                    yield "bias_ih" + suffix, (rows,)
                    yield "bias_hh" + suffix, (rows,)
                if proj_size:
                    yield "weight_hr" + suffix, (proj_size, hidden_size)
                if peepholes:
                    for gate in PEEPHOLE_GATES:
                        yield f"weight_p{gate}{suffix}", (hidden_size,)
            columns = hidden_out * len(directions)


LSTM = Kind(
    mode="LSTM",
    gates="ifgo",
    states="hc",
    separate_bias=False,
    may_project=True,
    onnx_gates="iofg",
    keras_gates="ifgo",
)
GRU = Kind(
    mode="GRU",
    gates="rzn",
    states="h",
    separate_bias=True,
    may_project=False,
    onnx_gates="zrn",
    keras_gates="zrn",
)
# Its mode goes on with the nonlinearity where torch names it: RNN_TANH, RNN_RELU.
RNN = Kind(
    mode="RNN",
    gates="h",
    states="h",
    separate_bias=False,
    may_project=False,
    onnx_gates="h",
    keras_gates="h",
)

KINDS = {kind.mode: kind for kind in (LSTM, GRU, RNN)}
CELL = "Cell"  # behind the mode, the name of one step
# The names of all modules: layers, and their cells.
NAMES = tuple(mode + ending for ending in ("", CELL) for mode in KINDS)

# By the number of gates: the rows of weight_hh for each of its columns.
BY_GATES = {len(kind.gates): mode for mode, kind in KINDS.items()}


def kind_of(name: str) -> Kind:
    """Return the row of a layer or cell, by the name of its class."""
    return KINDS[name.removesuffix(CELL)]


def counterpart(name: str) -> str:
    """Return the name of the cell of a layer, or of the layer of a cell."""
    return name.removesuffix(CELL) if name.endswith(CELL) else name + CELL


def with_article(name: str) -> str:
    """Return the name of a class as a sentence has it: an LSTM, a GRU."""
    # The letters L and R are spoken with a vowel first.
    return f"{'an' if name[:1] in ('L', 'R') else 'a'} {name}"


def finder_of(name: str) -> str:
    """Return the function that lists modules of a class."""
    return "find_lstms" if kind_of(name) is LSTM else "find_recurrent"
