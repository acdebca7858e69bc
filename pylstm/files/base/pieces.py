"""Parameters of which a file has only pieces, or which it keeps in one row with others."""

from __future__ import annotations

import re
from typing import Any

from .record import Shard, Unsupported

# As FSDP of torch and of fairscale calls the one parameter that it makes of many.
_FLAT = re.compile(r"(?:.*\.)?_?flat_param(?:_\d{1,6})?", re.DOTALL)

REMEDY = (
    "save full tensors, as torch.distributed.checkpoint.state_dict.get_model_state_dict gives them "
    "with StateDictOptions(full_state_dict=True)"
)


def in_pieces(key: Any, value: Any) -> Any:
    """Return a value, or what to say of it if it is a flat parameter of FSDP.

    Parameters
    ----------
    key : object
        What it stands under.
    value : object
    """
    if not isinstance(key, str) or "flat_param" not in key or not _FLAT.fullmatch(key):
        return value
    if not isinstance(value, Shard) and len(getattr(value, "shape", ())) != 1:
        return value
    reason = f"the parameters of several layers in one row, which shards cut anywhere; {REMEDY}"
    return Unsupported("flat parameter of FSDP", reason)
