"""CPU time and memory of processes with all their children, as the operating system counts them."""

from typing import Final

import psutil

MEGABYTE: Final = 1_000_000


def cpu_s(pid: int) -> float:
    """User and system seconds of a process, its living descendants, and those that it has already buried."""
    total = 0.0
    for process in family(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its descendants."""
    return sum(process.memory_info().rss for process in family(pid)) / MEGABYTE


def family(pid: int) -> list[psutil.Process]:
    """A process and everything below it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]
