"""All invariants in one list: what ``tieout verify --explain`` prints and the audit asks."""

from __future__ import annotations

from typing import Final

from tools.auditor import (
    adjustments,
    books,
    chain,
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
            *chain.CHECKS,
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
    found = tuple(
        check for check in CHECKS if (drained or check.moment is Moment.LIVE) and _is_named(check.name, only)
    )
    if not found and not (drained and _is_named(LIVENESS, only)):
        raise AuditImpossible(
            f"no such invariant{'' if drained else ' among those that hold at any moment'}: {only}"
        )
    return found


def explained(*, drained: bool, only: str | None) -> list[dict[str, str]]:
    """What ``chosen`` chooses, and the liveness that an audit at rest waits for: name, moment, what it says."""
    told = [(check.name, check.moment, check.explanation) for check in chosen(drained=drained, only=only)]
    if drained and _is_named(LIVENESS, only):
        told.insert(0, (LIVENESS, Moment.QUIESCENT, LIVENESS_EXPLANATION))
    return [
        {"name": name, "asked": moment.value, "explanation": explanation}
        for name, moment, explanation in told
    ]


def _is_named(name: str, only: str | None) -> bool:
    return only is None or name.startswith(only) or name.partition(".")[2] == only
