"""Two people drop a record that cannot be applied: reconciliation, which asked by it, is answered that nothing is booked."""

from __future__ import annotations

import pytest

from services.ledger.bootstrap import LedgerParts
from services.ledger.settings import LedgerSettings
from services.ledger.tests.db.test_asked_adjustments import BREAK, answers, asked, kept
from services.ledger.tests.streams import Keyed
from shared.runtime.operations import Act
from shared.runtime.settings import load_settings

TOPIC = "reconciliation.events"


def act(name):
    return Act(actor=name, reason="nobody could read it", role="approver")


@pytest.fixture
def operations(ledger_urls):
    parts = LedgerParts(load_settings(LedgerSettings, {"LEDGER_DATABASE_URL": ledger_urls.app}))
    yield parts.common.operations()
    parts.common.close()


@pytest.fixture
def parked(ledger, stream):
    """One person alone proposed and approved it: its key waits for people; the event's id."""
    stream.publish(Keyed(asked(approved_by="ada"), BREAK))
    stream.drain()
    assert ledger.rows("SELECT key, reason FROM parked_keys") == [(BREAK, "poison")]
    return stream.sent[0]["event_id"]


def test_a_skip_of_what_asked_for_an_adjustment_answers_once_as_it_is_approved(
    ledger, stream, operations, parked
):
    operations.propose_skip(TOPIC, BREAK, 1, act("dora"))
    assert answers(ledger) == []
    for _ in range(2):
        operations.approve_skip(TOPIC, BREAK, 1, act("eve"))
    reason = "its record was discarded, approved by eve: nobody could read it"
    assert answers(ledger) == [("refused", None, None, reason)]
    assert ledger.rows("SELECT key, cause_id FROM outbox WHERE event_type = 'AdjustmentAnswered.v1'") == [
        (BREAK, parked)
    ]
    stream.send(stream.sent[0])
    stream.drain()
    assert (kept(ledger), len(answers(ledger))) == ([], 1)


def test_books_that_are_rebuilt_keep_nothing_that_was_let_go_of_and_answer_it_once(
    ledger, stream, operations, parked
):
    operations.propose_skip(TOPIC, BREAK, 1, act("dora"))
    operations.approve_skip(TOPIC, BREAK, 1, act("eve"))
    ledger.tell(asked(), event_ids=[parked])  # heard again, by code that would take it
    assert kept(ledger) == []
    assert len(answers(ledger)) == 1
