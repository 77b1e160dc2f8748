"""What an operator did, announced as the contract's event: the same on every service's own topic."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast

from schemas.generated import OperatorActedV1
from shared.kernel.operators import OperatorAct
from shared.persistence.outbox import Outbox

KEY_CHARS_MAX: Final = 255
"""What a record's key may hold; a longer target is whole in the event."""


def announce(outbox: Outbox, topic: str, act: OperatorAct, now: datetime) -> str:
    """Say what an operator did, on the stream of what it was done to; the event's id, for what it causes."""
    actor = act.actor
    acted = OperatorActedV1(
        actor=actor.name,
        role=cast("Any", actor.role),  # the contract's own words, checked when written
        action=act.action,
        target=act.target,
        reason=act.reason,
        request_id=actor.request_id,
        acted_at=now,
    )
    key = act.target[:KEY_CHARS_MAX]
    return outbox.append(topic, acted, key=key, cause_id=actor.request_id or actor.name)
