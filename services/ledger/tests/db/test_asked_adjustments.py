"""An adjustment that reconciliation asks for is a proposal like any other: booked by a second person here, or not at all."""

from __future__ import annotations

import psycopg
import pytest

from schemas.generated import AdjustmentProposedV1
from services.ledger.app.adjust_books import (
    approve_adjustment,
    propose_adjustment,
    propose_reversal,
    reject_adjustment,
)
from services.ledger.domain.adjustments import Proposed
from services.ledger.tests import report
from services.ledger.tests.payloads import NOW
from shared.kernel.errors import Poison, Rejected
from shared.kernel.operators import Actor

BREAK = "brk_" + "0a" * 13
CAROL = Actor(name="carol", role="approver")


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


def answers(ledger):
    return ledger.rows(
        "SELECT j ->> 'outcome', j ->> 'adjustment_id', j ->> 'journal_id', j ->> 'reason' FROM outbox,"
        " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
        " WHERE event_type = 'AdjustmentAnswered.v1' ORDER BY position"
    )


def decide(ledger, decision, adjustment_id, actor=CAROL):
    return ledger.transactions.run(lambda uow: decision(adjustment_id, "yes", actor, uow), name="test")


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

    with pytest.raises(Rejected, match="cannot approve"):
        decide(ledger, approve_adjustment, adjustment_id, Actor(name="ada", role="approver"))
    decide(ledger, approve_adjustment, adjustment_id)
    assert ledger.rows("SELECT count(*) FROM journals WHERE rule LIKE 'adjustment:%'") == [(1,)]


def test_what_one_person_alone_decided_is_before_people_and_kept_nowhere(ledger):
    with pytest.raises(Poison):
        ledger.tell(asked(approved_by="ada"))
    assert kept(ledger) == answers(ledger) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"template": "no_such"}, "template_unknown"),
        ({"clearing_key": None}, "parameter_missing"),
        ({"bank_account": "main"}, "parameter_unknown"),
    ],
)
def test_what_cannot_be_proposed_is_kept_nowhere_and_answered_so(ledger, changes, code):
    ledger.tell(asked(**changes))
    assert kept(ledger) == []
    ((outcome, adjustment_id, journal_id, reason),) = answers(ledger)
    assert (outcome, adjustment_id, journal_id) == ("refused", None, None)
    assert reason.startswith(f"{code}: ")


def test_reconciliation_hears_what_becomes_of_it(ledger):
    ledger.tell(report.accepted("1", "other", 700))
    ledger.tell(asked())
    ((adjustment_id, proposal),) = ledger.rows("SELECT adjustment_id, asked_event_id FROM adjustments")
    assert answers(ledger) == [("accepted", adjustment_id, None, None)]
    assert ledger.rows(
        "SELECT DISTINCT key, convert_from(payload, 'UTF8')::jsonb ->> 'proposal_event_id' FROM outbox"
        " WHERE event_type = 'AdjustmentAnswered.v1'"
    ) == [(BREAK, proposal)]
    decide(ledger, approve_adjustment, adjustment_id)
    ((journal_id,),) = ledger.rows("SELECT journal_id FROM journals WHERE rule LIKE 'adjustment:%'")
    assert answers(ledger)[1:] == [("applied", adjustment_id, journal_id, "approved by carol: yes")]
    reversal = ledger.transactions.run(
        lambda uow: propose_reversal(adjustment_id, "wrong", "ticket 7", CAROL, uow), name="test"
    ).adjustment_id
    decide(ledger, approve_adjustment, reversal, Actor(name="dora", role="approver"))
    ((outcome, named, _, reason),) = answers(ledger)[2:]
    assert (outcome, named, reason) == ("refused", reversal, "reversed by dora: yes")


def test_what_a_person_rejects_is_answered_and_what_nobody_proposed_there_is_not(ledger):
    ledger.tell(report.accepted("1", "other", 700))
    ledger.tell(asked())
    ((adjustment_id,),) = ledger.rows("SELECT adjustment_id FROM adjustments")
    decide(ledger, reject_adjustment, adjustment_id)
    assert answers(ledger)[1:] == [("refused", adjustment_id, None, "rejected by carol: yes")]
    ours = Proposed(
        template="suspense_surplus_write_off", parameters={"clearing_key": report.line_key("1")}, amount_minor=700,
        currency="EUR", reason="ours", attachment=BREAK,
    )  # fmt: skip
    ada = Actor(name="ada", role="operator")
    own = ledger.transactions.run(lambda uow: propose_adjustment(ours, ada, uow), name="test").adjustment_id
    decide(ledger, approve_adjustment, own)
    assert len(answers(ledger)) == 2


def test_one_proposal_has_one_adjustment_and_keeps_it(ledger, ledger_urls, app_sql):
    ledger.tell(asked())
    copied = (
        "INSERT INTO adjustments (adjustment_id, template, parameters, amount_minor, currency, reason, attachment,"
        " state, proposed_by, proposed_at, asked_event_id) SELECT 'adj_x', template, parameters, amount_minor,"
        " currency, reason, attachment, state, proposed_by, proposed_at, asked_event_id FROM adjustments"
    )
    with pytest.raises(psycopg.errors.UniqueViolation, match="adjustments_asked_once"):
        app_sql.execute(copied)
    app_sql.rollback()
    with (
        psycopg.connect(ledger_urls.owner) as owner,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        owner.execute("UPDATE adjustments SET asked_event_id = 'evt_x'")
