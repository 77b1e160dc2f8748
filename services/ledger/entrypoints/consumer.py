"""Which events the ledger books, and how many per transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.generated import AdjustmentProposedV1, AdjustmentWithdrawnV1
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.amend_line import amend_line
from services.ledger.app.hear_adjustment import hear_adjustment
from services.ledger.app.hear_withdrawal import hear_withdrawal
from services.ledger.app.post_event import load_books, post_event
from services.ledger.app.rekey_line import load_matches, rekey_line
from services.ledger.domain.adjustment_templates import PARAMETERS
from services.ledger.domain.adjustments import Proposed, Withdrawal
from services.ledger.domain.posting_rules import PAYMENT_RULES
from services.ledger.domain.rules import Amendment, NoPosting, Rekeying, Row
from services.ledger.domain.settlement_rules import SETTLEMENT_RULES
from shared.messaging.envelope import Event
from shared.messaging.routes import BatchLimits, Handler, RouteKey, Routes

RULES_OF_TOPICS: Final = {"payment.events": PAYMENT_RULES, "reconciliation.events": SETTLEMENT_RULES}
#: Who decided here, where no person withdrew it.
WITHDRAWN_BY: Final = "reconciliation"
BATCH_MESSAGES_MAX: Final = 500
"""Enough to spread the commit over many journals, few enough to replay one by one after a poison message."""


def _handlers() -> Iterator[tuple[RouteKey, Handler[LedgerUnitOfWork]]]:
    for topic, rules in RULES_OF_TOPICS.items():
        for row in rules:
            if not isinstance(row, NoPosting):
                yield (topic, row.on, 1), _handler(row)


def _handler(row: Row) -> Handler[LedgerUnitOfWork]:
    if isinstance(row, Amendment):
        return amend_line
    return rekey_line if isinstance(row, Rekeying) else post_event


def on_adjustment_proposed(event: Event, uow: LedgerUnitOfWork) -> None:
    """Two people at reconciliation ask for an adjustment."""
    said: AdjustmentProposedV1 = event.data
    given = {name: getattr(said, name, None) for name in PARAMETERS}
    proposed = Proposed(
        template=said.template,
        parameters={name: value for name, value in given.items() if value is not None},
        amount_minor=said.amount_minor,
        currency=said.currency,
        reason=said.reason,
        attachment=said.break_id,
        asked_event_id=event.event_id,
    )
    hear_adjustment(
        proposed,
        asked_event_id=event.event_id,
        proposed_by=said.proposed_by,
        approved_by=said.approved_by,
        work=uow,
    )


def on_adjustment_withdrawn(event: Event, uow: LedgerUnitOfWork) -> None:
    """What it asked for is wanted no more."""
    said: AdjustmentWithdrawnV1 = event.data
    withdrawal = Withdrawal(
        event_id=event.event_id,
        asked_event_id=said.proposal_event_id,
        break_id=said.break_id,
        reason=said.reason,
        withdrawn_by=said.withdrawn_by or WITHDRAWN_BY,
    )
    hear_withdrawal(withdrawal, uow)


def load(events: Sequence[Event], uow: LedgerUnitOfWork) -> None:
    """Read what a whole batch needs, set-based."""
    load_books(events, uow)
    load_matches(events, uow)


ROUTES: Final[Routes[LedgerUnitOfWork]] = Routes(
    consumer="ledger",
    handlers={
        **dict(_handlers()),
        ("reconciliation.events", "AdjustmentProposed", 1): on_adjustment_proposed,
        ("reconciliation.events", "AdjustmentWithdrawn", 1): on_adjustment_withdrawn,
    },
    prepare=load,
    limits=BatchLimits(max_records=BATCH_MESSAGES_MAX),
)
