"""Waiting for a condition with a deadline, so that no test sleeps and hopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shared.kernel.clock import Clock, SystemClock

T = TypeVar("T")


class NeverHappened(AssertionError):  # noqa: N818  # reads as the test's failure
    """The condition did not hold before the deadline."""


def eventually(
    probe: Callable[[], T],
    *,
    timeout_s: float = 10.0,
    interval_s: float = 0.02,
    describe: str | Callable[[], str] = "the condition",
    clock: Clock | None = None,
) -> T:
    """Return the first truthy answer of ``probe``; an ``AssertionError`` inside it counts as "not yet".

    ``describe`` tells the failure what was awaited; a callable is asked only on failure.
    """
    clock = clock or SystemClock()
    deadline_s = clock.monotonic_s() + timeout_s
    last: T | None = None
    why: AssertionError | None = None
    while True:
        try:
            last = probe()
            why = None
        except AssertionError as error:
            why = error
        if why is None and last:
            return last
        if clock.monotonic_s() >= deadline_s:
            text = describe() if callable(describe) else describe
            seen = why if why is not None else f"last seen: {last!r}"
            raise NeverHappened(f"{text} did not happen within {timeout_s} s; {seen}") from why
        clock.sleep(interval_s)
