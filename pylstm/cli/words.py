"""What texts call the modules of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..weights.kinds import LSTM, kind_of

if TYPE_CHECKING:
    from ..weights.found import NearMiss
    from ..weights.survey import Candidate

_OTHERS = re.compile(r"\b(?:GRU|SimpleRNN|RNN)(?:Cell)?\b|CuDNNGRU|DynamicQuantizeGRU")


def common_name(candidates: Iterable[Candidate], near_misses: Iterable[NearMiss] = ()) -> str:
    """Return LSTM where all modules of a file are LSTMs and LSTMCells, else what all are."""
    others = any(kind_of(candidate.found.kind) is not LSTM for candidate in candidates)
    others = others or any(_OTHERS.search(miss.kind) for miss in near_misses)
    return "recurrent module" if others else LSTM.mode
