"""How many threads this process can run at once, for the C half."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cpus() -> int:
    """Return the least of the CPUs of the affinity, the group's quota and OMP_NUM_THREADS."""
    limits = [_affinity(), _quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")), _openmp()]
    return max(1, min(limit for limit in limits if limit is not None))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _openmp() -> int | None:
    """Return the number in OMP_NUM_THREADS, the first of a list; None if there is none."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() and int(first) > 0 else None


def _quota(membership: Path, root: Path) -> int | None:
    """Return the CPUs, rounded up, that control groups allow (version 2 or 1); None: no limit.

    Parameters
    ----------
    membership : Path
        ``/proc/self/cgroup``: lines ``id:controllers:/path``.
    root : Path
        Where the groups are mounted. In a container its own group may be the root of the mount
        while the path is the host's: so every folder from the path's end up to the root counts.
    """
    try:
        lines = membership.read_text("utf-8", "surrogateescape").split("\n")
    except OSError:
        return None
    shares = [
        share
        for line in lines
        if line.count(":") >= 2
        for folder in _folders(root, *line.split(":", 2)[1:])
        if (share := _share(folder)) is not None
    ]
    return max(1, -int(-min(shares) // 1)) if shares else None


def _folders(root: Path, controllers: str, path: str) -> list[Path]:
    if controllers and "cpu" not in controllers.split(","):
        return []
    base = root / "cpu" if controllers else root
    inner = base / path.lstrip("/")
    return [inner, *(parent for parent in inner.parents if parent.is_relative_to(base))]


def _share(folder: Path) -> float | None:
    """Return quota over period, in CPUs."""
    try:
        if (unified := folder / "cpu.max").is_file():
            quota, period = map(int, unified.read_text().split())
        else:
            quota = int((folder / "cpu.cfs_quota_us").read_text())
            period = int((folder / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None  # "max", or no such file
