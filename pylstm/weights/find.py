"""Finding the recurrent modules among all that a weight file holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..files.base.tensor import Tensor
from ..files.base.walk import is_container
from .found import FoundLSTM, FoundRecurrent
from .survey import survey

__all__ = ["FoundLSTM", "FoundRecurrent", "find_lstms", "find_recurrent", "opened"]


def find_recurrent(source: Any) -> list[FoundRecurrent]:
    """List the recurrent layers and cells in a weight file, reading none of their numbers.

    They are known by the names and shapes of their parameters, at any depth and under any
    prefix, and where the file has whole modules also by their class. The rows of ``weight_hh`` for
    each of its columns tell the kind: 4 of an LSTM, 3 of a GRU, 1 of an RNN. What only looks like
    one is left out: unknown parametrisations, an incomplete set, a part of a
    bidirectional layer, whole numbers, a module of another class, parameters with foreign ones
    beside or below them, as a layer norm has them, or with an adapter of their own (LoRA).
    ``python -m pylstm inspect`` and the errors of ``from_weights`` name it.

    In a mapping or a ``state_dict``, ``bias_hh`` of an LSTM or RNN may be missing from all layers
    and directions where ``bias_ih`` is there: it is zero. int8 parameters are multiplied by the
    scale that stands beside each, ``weight_ih_l0_scale``: one number, or one for each row (of int16
    only one for each row, of shape (rows, 1)). What
    torch quantised dynamically, and ONNX's DynamicQuantizeLSTM, is read as the floats that its
    integers stand for. Where a compressed module was saved, ``weights`` says in which storage.

    Parameters
    ----------
    source : str, os.PathLike, bytes, binary file object or mapping
        A weight file of any supported format, or what :func:`pylstm.load` returned.

    Returns
    -------
    list of FoundRecurrent
        In the order of the file; LSTMs and LSTMCells as :class:`FoundLSTM`. A container that
        stands in several places is reported at the first. ``assumed`` holds what the file leaves
        open, and ``initial_states`` the constant states that it starts from.

    Raises
    ------
    WeightFileError
        If the file cannot be read.

    Examples
    --------
    >>> import pylstm
    >>> encoder, decoder = pylstm.LSTM(4, 8), pylstm.LSTMCell(2, 8)
    >>> checkpoint = {"encoder": encoder.state_dict(), "decoder": decoder.state_dict()}
    >>> [(found.prefix, found.kind) for found in pylstm.find_recurrent(checkpoint)]
    [('encoder', 'LSTM'), ('decoder', 'LSTMCell')]
    """
    with opened(source) as (tree, name):
        return [candidate.found for candidate in survey(tree, name).candidates]


def find_lstms(source: Any) -> list[FoundLSTM]:
    """List the LSTMs and LSTMCells in a weight file: those that :func:`find_recurrent` lists.

    Parameters
    ----------
    source : str, os.PathLike, bytes, binary file object or mapping
        A weight file of any supported format, or what :func:`pylstm.load` returned.

    Returns
    -------
    list of FoundLSTM
        In the order of the file.

    Raises
    ------
    WeightFileError
        If the file cannot be read.

    Examples
    --------
    >>> import pylstm
    >>> checkpoint = {"epoch": 3, "state_dict": pylstm.LSTM(4, 8).state_dict(prefix="encoder.")}
    >>> [found] = pylstm.find_lstms(checkpoint)
    >>> found.prefix, found.input_size, found.hidden_size
    ('state_dict.encoder', 4, 8)
    """
    return [found for found in find_recurrent(source) if isinstance(found, FoundLSTM)]


# Where users find them: pickles name that place, wherever the file lies.
find_lstms.__module__ = find_recurrent.__module__ = "pylstm"


@contextmanager
def opened(source: Any) -> Iterator[tuple[Any, str]]:
    """Yield the tree of a file or a mapping, and its name for messages."""
    if is_container(source) or isinstance(source, (np.ndarray, Tensor)):
        yield source, f"<{type(source).__name__}>"
    else:
        from ..files.open import open_weights

        with open_weights(source) as file:
            yield file.tree, file.name
