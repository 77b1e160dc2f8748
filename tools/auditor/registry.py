"""All invariants in one list: what ``tieout verify --explain`` prints and the audit asks."""

from __future__ import annotations

from typing import Final

from tools.auditor import (
    adjustments,
    books,
    delivery,
    disputes,
    evidence,
    imports,
    payments,
    processor_book,
    reconciliation,
    risk,
    settlement,
    strays,
    three_legs,
)
from tools.auditor.model import AuditImpossible, Check, Moment

LIVENESS: Final = "I22.liveness"
LIVENESS_EXPLANATION: Final = (
    "left alone, everything that was begun is finished and delivered in time: nothing is stuck"
)

CHECKS: Final[tuple[Check, ...]] = tuple(
    sorted(
        (
            *adjustments.CHECKS,
            *books.CHECKS,
            *delivery.CHECKS,
            *disputes.CHECKS,
            *evidence.CHECKS,
            *imports.CHECKS,
            *payments.CHECKS,
            *processor_book.CHECKS,
            *reconciliation.CHECKS,
            *risk.CHECKS,
            *settlement.CHECKS,
            *strays.CHECKS,
            *three_legs.CHECKS,
        ),
        key=lambda check: (int(check.name[1:].partition(".")[0]), check.name),
    )
)


def chosen(*, drained: bool, only: str | None) -> tuple[Check, ...]:
    """The checks that may be asked now; ``only`` is the start of a name, or its part after the dot."""
    allowed = [check for check in CHECKS if drained or check.moment is Moment.LIVE]
    if only is None:
        return tuple(allowed)
    found = [
        check for check in allowed if check.name.startswith(only) or check.name.partition(".")[2] == only
    ]
    if not found and only != LIVENESS:
        raise AuditImpossible(
            f"no such invariant{'' if drained else ' among those that hold at any moment'}: {only}"
        )
    return tuple(found)
