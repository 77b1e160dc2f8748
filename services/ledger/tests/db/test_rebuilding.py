"""Books that are filled from the archive are the live ones: by account, by journal, and by what people decided."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from datetime import timedelta
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs
from typer.testing import CliRunner

from services.ledger.adapters.publishing import TOPIC
from services.ledger.adapters.rebuilding import Rebuilt, rebuild_books
from services.ledger.adapters.restoring import Restored, restore_decisions
from services.ledger.adapters.restoring_closes import RestoredCloses
from services.ledger.adapters.told_journals import Differences, differences
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.adjust_books import reject_adjustment
from services.ledger.entrypoints.cli import cli
from services.ledger.entrypoints.cli_rebuild import show
from services.ledger.entrypoints.consumer import RULES_OF_TOPICS
from services.ledger.tests import import_lines, report
from services.ledger.tests.bringing import bring
from services.ledger.tests.db import adjusting
from services.ledger.tests.db.adjusting import ADA, AVAILABLE, BOB, MERCHANT, approve, propose
from services.ledger.tests.db.closing import close
from services.ledger.tests.db.conftest import NOW
from services.ledger.tests.db.rebuilding import (
    ANSWERS,
    CAROL,
    GUARDS,
    Books,
    People,
    Told,
    rebuild_parts,
    refill,
)
from services.ledger.tests.db.test_asked_adjustments import asked
from services.ledger.tests.histories import History
from services.ledger.tests.payloads import Payment
from services.ledger.tests.report_histories import ReportHistory
from services.ledger.tests.streams import Stream
from shared.kernel.errors import Rejected
from shared.kernel.months import Month
from shared.messaging.broker import BrokerError
from shared.messaging.envelope import CE_TYPE
from shared.messaging.refill import RefillWriter
from shared.messaging.topics import refill_topic

pytestmark = pytest.mark.db
EXAMPLES = 6
UNSENT = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"
REFILL = refill_topic(TOPIC, "ledger")


@pytest.fixture
def live(service_database):
    books = Books(service_database("ledger"))
    yield books
    books.dispose()


@pytest.fixture
def rebuilt(service_database):
    books = Books(service_database("ledger"))
    yield books
    books.dispose()


NUMBERS = st.tuples(st.integers(0, 999), st.integers(1, 10**9))
#: What comes at once: events of payments, of reports, what people do, and whether a month is closed before it.
BATCHES = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.tuples(st.integers(0, 1), NUMBERS), max_size=8),
        st.lists(NUMBERS, max_size=6),
        st.lists(NUMBERS, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def test_books_rebuilt_from_the_archive_are_the_live_books(live, rebuilt, tmp_path):
    numbers, months = itertools.count(1), iter(_months(Month(2010, 1)))
    seen = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],  # an example's books are the next one's, too: none is made smaller
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(batches=BATCHES, seed=st.integers(0, 2**32))
    def run(batches, seed):
        # Books cannot be emptied: each example adds to both what happened since.
        told = Told(live)
        people, lines = People(live, told), ReportHistory(f"{next(numbers)}-")
        payments = [History(Payment(next(numbers), merchant=nth)) for nth in range(2)]
        time = None
        for closes, of_payments, of_reports, by_hand in batches:
            if closes:
                month = next(months)
                time = month.starts_at + timedelta(days=9)
                close(live, str(month))
            said = [(which, payments[which].step(choice, amount)) for which, (choice, amount) in of_payments]
            said += [("reports", lines.step(choice, amount, amount % 977)) for choice, amount in of_reports]
            told.together(said, time)
            for choice, amount in by_hand:
                people.act(choice, amount)
        archive = live.archive(tmp_path)
        rebuilt.restore(archive)
        for batch in told.shuffled(Random(seed)):  # noqa: S311 - the same order each time
            rebuilt.hear(batch)
        closes = rebuilt.close_again(archive)
        assert (closes.waiting, closes.untold) == ((), ())
        assert rebuilt.everything() == live.everything()
        assert rebuilt.reader.trial_balance().balanced
        for name, rows in live.everything().items():
            seen[name] = max(seen[name], len(rows))

    run()
    assert seen["journals"] > EXAMPLES, seen


def _months(month):
    while True:
        yield month
        month = month.next


def test_an_import_is_brought_again_from_its_file(live, rebuilt, tmp_path):
    file = import_lines.write(tmp_path / "old.jsonl", [import_lines.line(n) for n in range(1, 4)])
    for books in (live, rebuilt):
        done = bring(books, file)
        assert (done.state, done.booked) == ("imported", 3)
        rebuilt.take_over(live.archive(tmp_path))
    assert rebuilt.everything() == live.everything()


def test_what_is_restored_is_known_the_next_time_and_told_once(live, rebuilt, tmp_path):
    adjusting.book(live, "merchant_credit", 500, merchant_id=MERCHANT)
    archive = live.archive(tmp_path)
    first, again = (rebuilt.restore(archive) for _ in range(2))
    assert [(each.restored, each.known, each.untold) for each in (first, again)] == [(1, 0, ()), (0, 1, ())]
    assert rebuilt.everything() == live.everything()
    assert rebuilt.rows(UNSENT) == live.rows(UNSENT) != [(0,)]
    # What is restored is told whole again: books that are lost in their turn come back from its archive.
    assert restore_decisions(rebuilt.archive(tmp_path / "second"), live.owners).known == 1


def test_what_reconciliation_asked_for_is_found_as_it_was_decided(live, rebuilt, tmp_path):
    told = Told(live)
    told.tell("line", report.accepted("1", "other", 700))
    told.tell("asked", asked())
    approve(live, "adj_" + told.streams["asked"][0].event_id.removeprefix("evt_"), CAROL)
    rebuilt.restore(live.archive(tmp_path))
    rebuilt.hear([*told.streams["line"], *told.streams["asked"]])
    assert rebuilt.rows("SELECT state FROM adjustments") == [("APPROVED",)]
    assert rebuilt.everything() == live.everything()


def test_what_was_answered_is_told_again_and_the_next_answer_has_the_next_place(live, rebuilt, tmp_path):
    told = Told(live)
    told.tell("line", report.accepted("1", "other", 700))
    told.tell("asked", asked())
    (decided,) = live.rows("SELECT adjustment_id FROM adjustments")[0]
    told.tell("refused", asked(template="no_such"))
    told.tell("open", asked(amount_minor=1))
    approve(live, decided, CAROL)
    archive = live.archive(tmp_path)
    for _ in range(2):
        rebuilt.restore(archive)
    rebuilt.hear([event for events in told.streams.values() for event in events])
    answers = live.rows(ANSWERS)
    assert len(answers) == 4
    assert rebuilt.rows(ANSWERS) == answers
    waiting = rebuilt.rows("SELECT adjustment_id FROM adjustments WHERE state = 'PROPOSED'")
    assert waiting == live.rows("SELECT adjustment_id FROM adjustments WHERE state = 'PROPOSED'")
    rebuilt.transactions.run(lambda uow: reject_adjustment(waiting[0][0], "no", ADA, uow), name="test")
    assert [row[2] for row in rebuilt.rows(ANSWERS)] == [1, 2, 3, 4, 5]


def test_what_was_told_and_is_not_so_in_the_books_is_named(live, rebuilt, tmp_path):
    told, payments = Told(live), [Payment(number) for number in (1, 2, 3)]
    for number, payment in enumerate(payments):
        told.tell(number, payment.captured(10_000, 300))
    rebuilt.take_over(live.archive(tmp_path))
    as_told, another, _missing = [events[0] for events in told.streams.values()]
    rebuilt.hear([as_told, dataclasses.replace(another, data=payments[1].captured(9_999, 300))])
    ids = [row[0] for row in live.rows("SELECT journal_id FROM journals ORDER BY position")]
    found = rebuilt.owners.read(lambda uow: differences(uow.connection), name="test")
    assert found == Differences(2, tuple(sorted(ids[1:])), since=NOW)


def test_what_was_reversed_is_restored_before_its_reversal(live, rebuilt, tmp_path):
    people = People(live, Told(live))
    for number in range(6):
        people.act(0, 100 + number)
        people.act(7, 0)
    assert rebuilt.restore(live.archive(tmp_path)).restored == 12
    assert rebuilt.everything() == live.everything()


def test_a_payout_is_restored_whatever_else_is_there_and_the_next_one_has_its_floor(live, rebuilt, tmp_path):
    adjusting.book(live, "merchant_credit", 500, merchant_id=MERCHANT)
    approve(live, adjusting.pay_out(live, 500))
    adjusting.book(rebuilt, "merchant_debit", 9_000, merchant_id=MERCHANT)
    assert rebuilt.restore(live.archive(tmp_path)).restored == 2
    assert rebuilt.balances()[AVAILABLE] == -9_000
    assert rebuilt.rows(GUARDS) == live.rows(GUARDS)
    with pytest.raises(Rejected, match="available"):
        approve(rebuilt, adjusting.pay_out(rebuilt, 1))


def test_the_applications_role_cannot_restore(live, rebuilt, tmp_path):
    adjusting.book(live, "merchant_credit", 500, merchant_id=MERCHANT)
    archive = live.archive(tmp_path)
    with pytest.raises(Exception, match="permission denied for table told_journals"):
        rebuilt.take_over(archive, rebuilt.transactions)
    with pytest.raises(Exception, match="must be owner of table adjustments"):
        restore_decisions(archive, rebuilt.transactions)
    assert rebuilt.rows("SELECT count(*) FROM adjustments") == [(0,)]


def kept_only(broker, keep):
    for at, log in broker.logs.items():
        if at.topic == REFILL:
            log[:] = [record for record in log if keep(record)]
            for offset, record in enumerate(log):
                structs.force_setattr(record, "offset", offset)


def test_an_approval_of_before_its_decision_was_an_event_is_named(live, rebuilt, tmp_path, monkeypatch):
    made = propose(live, "merchant_credit", 500, merchant_id=MERCHANT)
    monkeypatch.setattr(LedgerUnitOfWork, "announce_decision", lambda *_: None)
    approve(live, made)
    found = rebuilt.restore(live.archive(tmp_path))
    assert (found.restored, found.untold) == (0, (made,))


#: What is lost of a refill, beside the partitions that hold more than a marker, and what is said of it.
LOSSES = {
    "an-event": (
        lambda record, _: (CE_TYPE, b"OperatorActed.v1") in record.headers,
        (Rejected, "lacks version 1"),
    ),
    "every-marker": (lambda record, _: record.key == b"marker", (BrokerError, "not finished")),
    "the-marker-behind-events": (
        lambda record, filled: record.key == b"marker" and record.partition in filled,
        (BrokerError, "not finished"),
    ),
}


@pytest.mark.parametrize(("is_lost", "refused"), LOSSES.values(), ids=LOSSES)
def test_a_refill_that_is_not_whole_restores_nothing(live, rebuilt, tmp_path, is_lost, refused):
    adjusting.book(live, "merchant_credit", 500, merchant_id=MERCHANT)
    broker = live.archive(tmp_path)
    filled = {at.number for at, log in broker.logs.items() if at.topic == REFILL and len(log) > 1}
    kept_only(broker, lambda record: not is_lost(record, filled))
    with pytest.raises(refused[0], match=refused[1]):
        rebuilt.restore(broker)
    assert rebuilt.rows("SELECT count(*) FROM adjustments") == [(0,)]


@pytest.mark.parametrize("other", ["amount_minor", "decided_by"])
def test_what_contradicts_the_books_is_refused(live, rebuilt, tmp_path, other):
    told = Told(live)
    told.tell("line", report.accepted("1", "other", 700))
    told.tell("asked", asked())
    made = "adj_" + told.streams["asked"][0].event_id.removeprefix("evt_")
    approve(live, made, CAROL)
    archive = live.archive(tmp_path)
    rebuilt.take_over(archive)
    if other == "decided_by":
        rebuilt.hear([*told.streams["line"], *told.streams["asked"]])
        rebuilt.transactions.run(lambda uow: reject_adjustment(made, "no", BOB, uow), name="test")
    else:
        event = told.streams["asked"][0]
        rebuilt.hear([dataclasses.replace(event, data=asked(amount_minor=699))])
    with pytest.raises(Rejected, match="in the books already"):
        restore_decisions(archive, rebuilt.owners)


def test_all_refills_together_fill_an_empty_database_and_what_lacks_one_is_refused(live, rebuilt, tmp_path):
    stream, payment = Stream(live), Payment(1)
    stream.publish(payment.captured(10_000, 300), payment.refund_requested(500))
    stream.publish(report.on_stream(report.accepted("1", "charge", 9_000)))
    stream.drain()
    stream.consumer.close()
    adjusting.book(live, "merchant_credit", 500, merchant_id=MERCHANT)
    RefillWriter(live.owner, stream.broker, tmp_path).write(TOPIC, "ledger")
    parts = rebuild_parts(rebuilt, stream.broker)
    refill(stream, "payment.events")
    with pytest.raises(BrokerError, match=r"reconciliation\.events\.refill\.ledger"):
        rebuild_books(parts, ADA, "lost")
    assert rebuilt.rows("SELECT count(*) FROM journals") == [(0,)]
    refill(stream, "reconciliation.events")
    read = []
    found = rebuild_books(parts, ADA, "lost", read.append)
    assert (found.decisions.restored, found.different) == (1, Differences(0, ()))
    assert read == [TOPIC, *RULES_OF_TOPICS]
    assert rebuilt.everything() == live.everything()
    again = rebuild_books(parts, ADA, "lost")
    assert (again.taken_over, again.decisions.known, again.different) == (0, 1, Differences(0, ()))
    assert rebuilt.everything() == live.everything()
    assert rebuilt.rows("SELECT count(*) FROM outbox WHERE key = 'books'") == [(2,)]


def test_books_that_were_never_rebuilt_are_asked_for_nothing_else(live):
    asked = []
    sa.event.listen(live.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    adjusting.book(live, "merchant_credit", 500, merchant_id=MERCHANT)
    assert [said for said in asked if "told_journals" in said] == [
        "SELECT EXISTS (SELECT FROM told_journals)"
    ]


def test_the_command_says_what_it_does_and_what_is_missing(capsys):
    shown = CliRunner().invoke(cli, ["rebuild", "--help"])
    assert (shown.exit_code, "reconciliation.events" in shown.output) == (0, True)
    decisions = Restored(restored=1, known=2, untold=("adj_1",))
    different = Differences(2, ("jrn_1", "jrn_2"))
    closes = RestoredCloses(restored=4, known=5, anew=("2026-09",), waiting=("2026-10",), untold=("cls_1",))
    show(Rebuilt(taken_over=9, decisions=decisions, different=different, closes=closes), 3)
    said = capsys.readouterr().out
    for told in (
        "9 events",
        "1 decisions restored, 2 known; 3 keys",
        "adj_1 was",
        "2 journals",
        "jrn_1, jrn_2",
        "4 closes of months restored, 5 known",
        "later month: 2026-09.",
        "here: 2026-10.",
        "cls_1 closed",
    ):
        assert told in said
