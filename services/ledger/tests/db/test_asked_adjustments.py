"""An adjustment that reconciliation asks for is a proposal like any other: booked by a second person here, or not at all."""

from __future__ import annotations

import pytest

from schemas.generated import AdjustmentProposedV1
from services.ledger.app.adjust_books import approve_adjustment
from services.ledger.tests import report
from services.ledger.tests.payloads import NOW
from shared.kernel.errors import Poison, Rejected
from shared.kernel.operators import Actor

BREAK = "brk_" + "0a" * 13


def asked(**changes):
    said = {
        "break_id": BREAK, "template": "suspense_surplus_write_off", "amount_minor": 700, "currency": "EUR",
        "clearing_key": report.line_key("1"), "reason": "nobody claims it", "proposed_by": "ada",
        "approved_by": "bob", "approved_at": NOW,
    } | changes  # fmt: skip
    return AdjustmentProposedV1(**said)


def kept(ledger):
    return ledger.rows(
        "SELECT template, amount_minor, attachment, proposed_by, state, parameters ->> 'clearing_key' FROM adjustments"
    )


def test_it_is_kept_as_proposed_and_books_nothing_by_itself(ledger):
    ledger.tell(report.accepted("1", "other", 700))
    ledger.tell(asked())
    assert kept(ledger) == [
        ("suspense_surplus_write_off", 700, BREAK, "ada", "PROPOSED", report.line_key("1"))
    ]
    assert ledger.rows("SELECT count(*) FROM journals") == [(1,)]


def test_somebody_else_than_its_proposer_books_it(ledger):
    ledger.tell(report.accepted("1", "other", 700))
    ledger.tell(asked())
    ((adjustment_id,),) = ledger.rows("SELECT adjustment_id FROM adjustments")

    def approve(name):
        actor = Actor(name=name, role="approver")
        return ledger.transactions.run(
            lambda uow: approve_adjustment(adjustment_id, "yes", actor, uow), name="test"
        )

    with pytest.raises(Rejected, match="cannot approve"):
        approve("ada")
    approve("carol")
    assert ledger.rows("SELECT count(*) FROM journals WHERE rule LIKE 'adjustment:%'") == [(1,)]


@pytest.mark.parametrize(
    "changes",
    [{"template": "no_such"}, {"clearing_key": None}, {"bank_account": "main"}, {"approved_by": "ada"}],
)
def test_what_cannot_be_proposed_is_before_people_and_kept_nowhere(ledger, changes):
    with pytest.raises(Poison):
        ledger.tell(asked(**changes))
    assert kept(ledger) == []
