"""Scenarios that have nothing to do with each other, side by side: most of a scenario's time is waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def side_by_side(scenarios: Mapping[str, Callable[[], _T]], *, at_once: int | None = None) -> dict[str, _T]:
    """What each came to, by its name; the first failure is raised once all have ended. ``at_once``: no more than these."""
    with ThreadPoolExecutor(at_once or len(scenarios)) as threads:
        running = {name: threads.submit(scenario) for name, scenario in scenarios.items()}
    return {name: future.result() for name, future in running.items()}
