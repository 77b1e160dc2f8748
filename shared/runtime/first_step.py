"""Coroutines that are usually done with their first step: nothing is set up for a wait that does not come."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any


@types.coroutine
def gone_on(work: Coroutine[Any, Any, Any], awaited: Any) -> Generator[Any, Any, Any]:
    """Await ``work``, whose first step was taken by hand, from ``awaited`` on, which that step gave."""
    try:
        while True:
            try:
                given = yield awaited
            except BaseException as thrown:  # noqa: BLE001 - a cancellation, which is the work's to answer
                awaited = work.throw(thrown)
            else:
                awaited = work.send(given)
    except StopIteration as end:
        return end.value
