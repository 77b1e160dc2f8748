"""Snapshots on a real PostgreSQL: whatever they are, snapshot plus entries behind it is the sum of all entries."""

from __future__ import annotations

import contextlib
import itertools
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.ledger.adapters.head_keys import HeadVerifier
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder, rebuild
from services.ledger.adapters.statements import SqlStatements
from services.ledger.app.fold_snapshots import Folding, fold_snapshots
from services.ledger.app.moments import EVERYTHING, Moment, TimeKind
from services.ledger.app.statements import DrawUpStatement, whole_statement
from services.ledger.app.verify_seals import verify_seals
from services.ledger.domain.chart import AccountRef
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.histories import History
from services.ledger.tests.payloads import Payment
from services.ledger.tests.plain_books import PlainBooks
from services.ledger.tests.slow_journals import begin_slowly
from shared.kernel.errors import Rejected

DAY = timedelta(days=1)
# Times of effect lie on both sides of the time of sealing, which is now.
FIRST_DAY = datetime.now(UTC) - 3 * DAY
EAGER = Folding(every_seals=1, entries_min=1)
SNAPSHOTS = (
    "SELECT account_id, position, entries, debit_minor, credit_minor FROM account_snapshots ORDER BY 1, 2"
)
AHEAD = "SELECT account_id, effective_at, position, entries, debit_minor, credit_minor FROM snapshots_ahead ORDER BY 1, 2, 3"


def book(ledger, *numbers, merchant=1):
    for number in numbers:
        ledger.tell(Payment(number, merchant=merchant).captured(10_000 + number, 300))


def seal(ledger):
    while Sealer(ledger.transactions).turn():
        pass


def fold(ledger, folding=EAGER):
    while ledger.transactions.run(lambda uow: fold_snapshots(folding, uow), name="fold"):
        pass


def sides(ledger, moment):
    page = SqlStatements(ledger.engine).accounts_page(
        family=None, owner=None, currency=None, after=0, limit=10_000, moment=moment
    )
    return {
        AccountRef(a.family, a.owner, a.currency): (a.debit_minor, a.credit_minor)
        for a in page
        if a.debit_minor or a.credit_minor
    }


def finding(ledger):
    with sealed_books(ledger.engine) as books:
        return verify_seals(books, [], HeadVerifier([])).finding


def assert_equal_at(ledger, positions, times=()):
    plain = PlainBooks(ledger.engine)
    assert sides(ledger, EVERYTHING) == plain.sides()
    for position in positions:
        assert sides(ledger, Moment(as_of=position)) == plain.sides(as_of=position), position
    for time, position in itertools.product(times, (None, *positions)):
        found = sides(ledger, Moment(as_of=position, effective_before=time))
        assert found == plain.sides(as_of=position, before=time), (time, position)


def chain_end(ledger):
    return ledger.rows("SELECT coalesce(max(position), 0) FROM seals")[0][0]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(0, 2), st.integers(0, 999), st.integers(1, 10**9), st.integers(0, 9)),
        st.tuples(st.sampled_from(["begin", "end", "seal", "seal", "fold", "fold"])),
    ),
    min_size=5,
    max_size=30,
)  # fmt: skip


def test_snapshot_and_rest_are_the_sum_of_entries_at_every_position(ledger, ledger_urls):
    every, names = [], itertools.count()

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=STEPS, every_seals=st.integers(1, 4), entries_min=st.integers(1, 6), batch=st.integers(1, 5))
    def run(steps, every_seals, entries_min, batch):
        # The books cannot be emptied: each example adds payments of its own to what stands.
        told = [History(Payment(len(every) + nth, merchant=nth % 2)) for nth in range(3)]
        every.extend(told)
        began = chain_end(ledger)
        folding = Folding(every_seals=every_seals, entries_min=entries_min, batch_seals=batch)
        with contextlib.ExitStack() as stack:
            slow = []
            for name, *drawn in [("tell", 0, 0, 5, 0), *steps]:
                match name:
                    case "tell":
                        which, choice, amount, day = drawn
                        ledger.tell(told[which].step(choice, amount), time=FIRST_DAY + day * DAY)
                    case "begin" if len(slow) < 3:
                        connection = stack.enter_context(psycopg.connect(ledger_urls.app))
                        begin_slowly(connection, f"slow-{next(names)}")
                        slow.append(connection)
                    case "end" if slow:
                        slow.pop(0).commit()
                    case "seal":
                        seal(ledger)
                    case "fold":
                        fold(ledger, folding)
            while slow:
                slow.pop(0).commit()
        positions = [0, *range(began, chain_end(ledger) + 1)]
        assert_equal_at(ledger, positions)
        assert_equal_at(ledger, positions[-2:], [FIRST_DAY + nth * DAY for nth in range(0, 11, 3)])

    run()
    seal(ledger)
    fold(ledger)
    assert_equal_at(ledger, range(chain_end(ledger) + 1))
    assert (
        ledger.rows("SELECT count(*) FROM account_snapshots WHERE settled_position + 1 < position")[0][0] >= 0
    )
    assert ledger.rows("SELECT count(*) FROM account_snapshots")[0][0] > 20
    assert finding(ledger) is None


def test_a_journal_that_is_sealed_late_is_in_every_balance(ledger, app_sql):
    book(ledger, 1)
    begin_slowly(app_sql, "late")
    book(ledger, 2)
    seal(ledger)
    fold(ledger)
    app_sql.commit()
    assert_equal_at(ledger, range(3))
    seal(ledger)
    assert_equal_at(ledger, range(4))
    fold(ledger)
    assert_equal_at(ledger, range(4), [FIRST_DAY])


@pytest.mark.parametrize("by", list(TimeKind))
@pytest.mark.parametrize("limit", [1, 3, 1_000])
def test_statements_are_the_same_with_any_snapshots_and_with_none(ledger, app_sql, by, limit):
    for number in range(1, 13):
        ledger.tell(
            Payment(number, merchant=1).captured(1_000 + number, 10), time=FIRST_DAY + number * 5 % 7 * DAY
        )
        if number == 4:
            begin_slowly(app_sql, "late")
        if number == 9:
            app_sql.commit()
        if number % 2:
            seal(ledger)
        if number % 3 == 0:
            fold(ledger, Folding(every_seals=1, entries_min=2))
    seal(ledger)
    books, plain = SqlStatements(ledger.engine), PlainBooks(ledger.engine)
    times = sorted({entry["sealed_at" if by == "booked" else "effective_at"] for entry in plain.entries})
    account = AccountRef("merchant_pending", Payment(1, merchant=1).merchant_id, "EUR")
    for as_of in (1, 6, chain_end(ledger)):
        for since, until in itertools.combinations(
            [FIRST_DAY - DAY, *times[::2], datetime(2100, 1, 1, tzinfo=UTC)], 2
        ):
            pages = list(
                whole_statement(
                    DrawUpStatement(account=account, since=since, until=until, by=by, as_of=as_of, limit=limit), books
                )
            )  # fmt: skip
            shown = [(m.journal_id, m.line) for page in pages for m in page.movements]
            assert shown == plain.movements(account, since=since, until=until, by=by, as_of=as_of)
            assert pages[-1].closing_minor == pages[0].opening_minor + sum(
                m.net_minor for page in pages for m in page.movements
            )


def test_an_account_that_hardly_moves_gets_none(ledger):
    book(ledger, 1, 2, 3)
    book(ledger, 4, merchant=2)
    seal(ledger)
    fold(ledger, Folding(every_seals=1, entries_min=3))
    owners = ledger.rows(
        "SELECT DISTINCT owner FROM account_snapshots JOIN accounts USING (account_id) ORDER BY 1"
    )
    assert (Payment(4, merchant=2).merchant_id,) not in owners
    assert (Payment(1, merchant=1).merchant_id,) in owners
    assert_equal_at(ledger, range(5))


def test_nothing_is_folded_before_enough_is_sealed(ledger):
    folder = Folder(ledger.transactions, Folding(every_seals=3, entries_min=1))
    book(ledger, 1, 2)
    seal(ledger)
    assert folder.turn() is False
    assert ledger.rows(SNAPSHOTS) == []
    book(ledger, 3, 4, 5)
    assert folder.turn() is False, "not sealed yet"
    seal(ledger)
    folder.turn()
    assert {row[1] for row in ledger.rows(SNAPSHOTS)} == {5}


def test_a_second_folder_passes_on_while_one_is_at_work(ledger):
    book(ledger, 1, 2)
    seal(ledger)
    held, go = threading.Event(), threading.Event()

    def first(uow):
        fold_snapshots(EAGER, uow)
        held.set()
        assert go.wait(30)

    thread = threading.Thread(target=lambda: ledger.transactions.run(first, name="first"))
    thread.start()
    assert held.wait(30)
    assert Folder(ledger.transactions, EAGER).turn() is False
    with pytest.raises(Rejected, match="folding now"):
        rebuild(ledger.transactions, EAGER)
    go.set()
    thread.join()
    assert {row[1] for row in ledger.rows(SNAPSHOTS)} == {2}
    assert finding(ledger) is None


def test_folded_anew_they_say_the_same(ledger, ledger_urls, monkeypatch):
    book(ledger, *range(1, 7))
    ledger.tell(Payment(7).captured(10_000), time=FIRST_DAY + 9 * DAY)
    seal(ledger)
    fold(ledger)
    before, ahead = ledger.rows(SNAPSHOTS), ledger.rows(AHEAD)
    assert ahead
    assert rebuild(ledger.transactions, EAGER) == len(before)
    assert (ledger.rows(SNAPSHOTS), ledger.rows(AHEAD)) == (before, ahead)
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    monkeypatch.setenv("LEDGER_SNAPSHOT_EVERY_SEALS", "1")
    monkeypatch.setenv("LEDGER_SNAPSHOT_ENTRIES_MIN", "1")
    done = CliRunner().invoke(cli, ["snapshots", "rebuild"])
    assert f"{len(before)} snapshots thrown away, {len(before)} made." in done.output
    assert "folded up to seal 7" in CliRunner().invoke(cli, ["snapshots", "status"]).output


def test_the_application_cannot_change_a_snapshot(ledger, app_sql):
    book(ledger, 1)
    seal(ledger)
    fold(ledger)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("UPDATE account_snapshots SET credit_minor = 0")
