"""Owns the asking of a command's rule, also where it needs the capture above the named object."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.sandbox.app.ports import ObjectStore
from services.sandbox.domain.objects import Capture, Effect, ProcessorObject
from shared.kernel.errors import InvariantViolation


@dataclass(frozen=True, slots=True)
class OnCapture:
    """A rule that uses a capture's room and is asked of an object under it."""

    capture_id: str
    decide: Callable[[Any, Capture, datetime], Effect]


Decide = Callable[[ProcessorObject | None, datetime], Effect | OnCapture]


async def decided(
    store: ObjectStore, decide: Decide, parent: ProcessorObject | None, now: datetime
) -> Effect:
    """Return what the rule makes of the object as it is.

    The object is read after its capture: whoever changed both before is seen, whoever does it later
    used the capture's room first, and then nothing of this is written.
    """
    made = decide(parent, now)
    if isinstance(made, Effect):
        return made
    capture, _ = await store.load(made.capture_id)
    again, _ = await store.load(parent.id) if parent is not None else (None, None)
    if again is None or not isinstance(capture, Capture):
        raise InvariantViolation("object_of_capture", f"{made.capture_id} is not the capture of anything")
    return made.decide(again, capture, now)
