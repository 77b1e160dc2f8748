"""What reconciliation wants no more is not booked here, and what is booked already is answered to be."""

from __future__ import annotations

import psycopg
import pytest

from schemas.generated import AdjustmentProposedV1, AdjustmentWithdrawnV1
from services.ledger.app.adjust_books import approve_adjustment, propose_reversal
from services.ledger.tests import report
from services.ledger.tests.payloads import NOW
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

BREAK = "brk_" + "0a" * 13
ASKED = "evt_" + "0a" * 13
GIVEN_UP = "evt_" + "0b" * 13
CAROL = Actor(name="carol", role="approver")
DORA = Actor(name="dora", role="approver")


def asked():
    return AdjustmentProposedV1(
        break_id=BREAK, template="suspense_surplus_write_off", amount_minor=700, currency="EUR",
        clearing_key=report.line_key("1"), reason="nobody claims it", proposed_by="ada", approved_by="bob",
        approved_at=NOW,
    )  # fmt: skip


def withdrawn(**more):
    said = {"reason": "the difference went away by itself", "withdrawn_at": NOW} | more
    return AdjustmentWithdrawnV1(break_id=BREAK, proposal_event_id=ASKED, **said)


def ask(ledger):
    """It waits here; its id."""
    ledger.tell(report.accepted("1", "other", 700))
    ledger.tell(asked(), event_ids=[ASKED])
    return ledger.rows("SELECT adjustment_id FROM adjustments")[0][0]


def approve(ledger, adjustment_id, actor=CAROL):
    ledger.transactions.run(lambda uow: approve_adjustment(adjustment_id, "yes", actor, uow), name="test")


def last_answer(ledger):
    return ledger.rows(
        "SELECT j ->> 'outcome', j ->> 'adjustment_id', j ->> 'journal_id', j ->> 'reason' FROM outbox,"
        " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
        " WHERE event_type = 'AdjustmentAnswered.v1' ORDER BY position DESC LIMIT 1"
    )[0]


def forget(ledger_urls):
    """As in books that are being rebuilt."""
    with psycopg.connect(ledger_urls.owner) as owner:
        for table in ("withdrawn_proposals", "notes_unsealed"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            owner.execute(f"DELETE FROM {table}")
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.mark.parametrize(("by", "decided_by"), [(None, "reconciliation"), ("eve", "eve")])
def test_what_is_withdrawn_while_it_waits_is_booked_by_nobody(ledger, by, decided_by):
    adjustment_id = ask(ledger)
    ledger.tell(withdrawn(withdrawn_by=by))
    why = "withdrawn: the difference went away by itself"
    assert last_answer(ledger) == ("refused", adjustment_id, None, f"rejected by {decided_by}: {why}")
    assert ledger.rows("SELECT count(*) FROM outbox WHERE event_type = 'AdjustmentDecided.v1'") == [(1,)]
    with pytest.raises(Rejected, match="REJECTED and cannot become APPROVED"):
        approve(ledger, adjustment_id)
    assert ledger.rows("SELECT state, decided_by, decision_reason, journal_id FROM adjustments") == [
        ("REJECTED", decided_by, why, None)
    ]
    assert ledger.rows("SELECT count(*) FROM journals") == [(1,)]


def test_what_is_booked_by_then_stays_and_is_answered_so_until_people_reverse_it(ledger):
    adjustment_id = ask(ledger)
    approve(ledger, adjustment_id)
    ((journal_id,),) = ledger.rows("SELECT journal_id FROM adjustments")
    ledger.tell(withdrawn())
    assert last_answer(ledger)[:3] == ("applied", adjustment_id, journal_id)
    assert ledger.rows("SELECT state, decided_by FROM adjustments") == [("APPROVED", "carol")]
    reversal = ledger.transactions.run(
        lambda uow: propose_reversal(adjustment_id, "it came", "ticket 7", CAROL, uow), name="test"
    ).adjustment_id
    approve(ledger, reversal, DORA)
    assert last_answer(ledger)[:2] == ("refused", reversal)


def test_what_was_reversed_before_it_was_withdrawn_is_not_said_to_be_booked(ledger):
    adjustment_id = ask(ledger)
    approve(ledger, adjustment_id)
    reversal = ledger.transactions.run(
        lambda uow: propose_reversal(adjustment_id, "wrong", "ticket 7", CAROL, uow), name="test"
    ).adjustment_id
    approve(ledger, reversal, DORA)
    ledger.tell(withdrawn())
    assert last_answer(ledger)[0] == "refused"


def test_what_never_came_here_is_answered_and_is_kept_by_nobody_if_it_comes(ledger, app_sql):
    ledger.tell(report.accepted("1", "other", 700))
    ledger.tell(withdrawn())
    assert last_answer(ledger) == ("refused", None, None, "nothing of it is booked")
    ledger.tell(asked(), event_ids=[ASKED])
    assert last_answer(ledger) == ("refused", None, None, "adjustment_withdrawn: it is wanted no more")
    assert ledger.rows("SELECT count(*) FROM adjustments") == [(0,)]
    with pytest.raises(psycopg.errors.CheckViolation, match="was withdrawn"):
        app_sql.execute(
            "INSERT INTO adjustments (adjustment_id, template, parameters, amount_minor, currency, reason, attachment,"
            " state, proposed_by, proposed_at, asked_event_id) VALUES ('adj_x', 'suspense_surplus_write_off', '{}', 700,"
            f" 'EUR', 'r', 'a', 'PROPOSED', 'ada', now(), '{ASKED}')"
        )


def test_rebuilt_books_answer_no_withdrawal_again_and_keep_no_wish_of_it(ledger, ledger_urls):
    """What the old books answered is there, what they had heard is not; a discarded proposal comes again."""
    ledger.tell(withdrawn(), event_ids=[GIVEN_UP])
    forget(ledger_urls)
    ledger.tell(withdrawn(), event_ids=[GIVEN_UP])
    assert ledger.rows("SELECT count(*) FROM outbox WHERE event_type = 'AdjustmentAnswered.v1'") == [(1,)]
    forget(ledger_urls)
    adjustment_id = ask(ledger)
    ledger.tell(withdrawn(), event_ids=[GIVEN_UP])
    assert ledger.rows("SELECT state FROM adjustments") == [("REJECTED",)]
    assert last_answer(ledger)[:2] == ("refused", adjustment_id)
