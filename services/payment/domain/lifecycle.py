"""Payment lifecycle as a table: which status may follow which, and the status that captured money implies."""

from collections.abc import Mapping
from typing import Final

from services.payment.domain.amounts import Amounts
from services.payment.domain.status import Status
from shared.kernel.errors import InvariantViolation

#: Absent means forbidden. The database holds the same pairs in ``legal_transitions``.
NEXT: Final[Mapping[Status, frozenset[Status]]] = {
    Status.CREATED: frozenset(
        {Status.REQUIRES_PAYMENT_METHOD, Status.AUTHORIZED, Status.FAILED, Status.CANCELED}
    ),
    Status.REQUIRES_PAYMENT_METHOD: frozenset({Status.AUTHORIZED, Status.FAILED, Status.CANCELED}),
    Status.AUTHORIZED: frozenset({Status.CAPTURED, Status.CANCELED}),
    Status.CAPTURED: frozenset({Status.SETTLED, Status.REFUNDED, Status.DISPUTED, Status.REVERSED}),
    Status.SETTLED: frozenset({Status.CAPTURED, Status.REFUNDED, Status.DISPUTED, Status.REVERSED}),
    Status.DISPUTED: frozenset({Status.CAPTURED, Status.SETTLED, Status.REFUNDED, Status.REVERSED}),
    Status.REFUNDED: frozenset({Status.CAPTURED, Status.SETTLED, Status.DISPUTED, Status.REVERSED}),
    Status.REVERSED: frozenset({Status.CAPTURED, Status.SETTLED, Status.REFUNDED, Status.DISPUTED}),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
}

#: Dead ends: no exit, and never with captured money.
DEAD: Final = frozenset(status for status, following in NEXT.items() if not following)
#: Statuses that a payment may be born with; every other one is reached through the table.
BEFORE_AUTHORIZATION: Final = frozenset({Status.CREATED, Status.REQUIRES_PAYMENT_METHOD})


def pairs() -> list[tuple[Status, Status]]:
    """Every legal (from, to) pair, in a stable order: what the migration writes and the tests compare."""
    return [(source, target) for source in Status for target in Status if target in NEXT[source]]


def check_transition(source: Status, target: Status) -> None:
    """Refuse a pair that the table does not list."""
    if target not in NEXT[source]:
        raise InvariantViolation("payment_transition_legal", f"{source} -> {target}")


def status_of_captured(amounts: Amounts) -> Status:
    """The status that follows from the amounts once money was captured; the first match wins."""
    if amounts.captured_minor <= 0:
        raise InvariantViolation("derived_status_needs_capture", "nothing is captured")
    if amounts.disputed_open_minor > 0:
        return Status.DISPUTED
    returned_minor = amounts.reversed_minor + amounts.refunded_minor
    if amounts.reversed_minor > 0 and returned_minor >= amounts.captured_minor:
        return Status.REVERSED
    if amounts.refunded_minor >= amounts.captured_minor:
        return Status.REFUNDED
    if amounts.settled_minor >= amounts.captured_minor and amounts.capturable_minor == 0:
        return Status.SETTLED
    return Status.CAPTURED
