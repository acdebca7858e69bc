"""Writing a file that appears complete or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: str | os.PathLike[Any]) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends without an exception.

    It stands in the same folder meanwhile and is removed if the block fails. What a symbolic link
    points to is replaced, not the link; a file that is replaced passes on its permissions.
    """
    target = Path(os.path.realpath(os.fsdecode(path)))
    permissions = None
    if target.exists():
        mode = target.stat().st_mode
        if not stat.S_ISREG(mode):
            code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(code, "not a regular file", str(target))
        permissions = stat.S_IMODE(mode)
    # The name is short, so that it fits wherever that of the target does.
    fresh = target.with_name(f".pylstm-{secrets.token_hex(8)}.tmp")
    with fresh.open("xb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if permissions is not None:
                fresh.chmod(permissions)
            file.close()  # an open file cannot be renamed everywhere
            fresh.replace(target)
        except BaseException:
            file.close()
            fresh.unlink(missing_ok=True)
            raise
