"""What reconciliation tells, as the contract's events: the only mapping to the schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast

from schemas.generated import OperatorActedV1
from services.reconciliation.app.operators import OperatorAct

TOPIC: Final = "reconciliation.events"


def operator_acted(act: OperatorAct, now: datetime) -> OperatorActedV1:
    """What an operator did."""
    return OperatorActedV1(
        actor=act.actor.name,
        role=cast("Any", act.actor.role),
        action=act.action,
        target=act.target,
        reason=act.reason,
        request_id=act.actor.request_id,
        acted_at=now,
    )
