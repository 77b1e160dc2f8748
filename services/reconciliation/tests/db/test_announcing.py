"""Lines of closed payouts are told once per revision, restartably, on a stream of their own and in the contract's words."""

from __future__ import annotations

import threading

import orjson
import psycopg
import pytest

from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.tests.reports import declare, payout, report, take_in
from services.reconciliation.tests.writers import tieout_payout, tieout_row

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
def declared(desk):
    declare(desk)


def announce(desk):
    """Everything there is to tell."""
    told = 0
    while number := desk.run(announce_lines):
        told += number
    return told


def events(desk):
    rows = desk.rows(
        "SELECT event_type, key, stream_version, payload FROM outbox"
        " WHERE event_type LIKE 'SettlementLine%' ORDER BY position"
    )
    return [(kind, key, version, orjson.loads(payload)) for kind, key, version, payload in rows]


def test_nothing_is_told_before_its_payout_is_closed(desk):
    take_in(desk, report(tieout_row(1), tieout_row(2, payout="")))
    assert announce(desk) == 0
    take_in(desk, report(tieout_payout("total", "po_1", 9_830)))
    assert announce(desk) == 1
    ((kind, key, version, said),) = events(desk)
    assert (kind, key, version) == ("SettlementLineAccepted.v1", "alpha:txn_1", 1)
    assert said == {
        "source": "alpha", "line_id": "txn_1", "revision": 1, "processor": "alpha", "account": "acct_1",
        "payout_id": "po_1", "category": "charge", "currency": "EUR", "gross_minor": 10_000, "fee_currency": "EUR",
        "fee_minor": 170, "net_currency": "EUR", "net_minor": 9_830, "available_on": "2026-11-26T00:00:00Z",
        "effective_at": "2026-11-24T10:00:00Z",
    }  # fmt: skip


def test_a_late_line_of_a_closed_payout_is_told_when_it_comes(desk):
    take_in(desk, report(payout("po_1", (1, {}))))
    assert announce(desk) == 1
    take_in(desk, report(tieout_row(2)))
    assert announce(desk) == 1
    assert [said["line_id"] for *_, said in events(desk)] == ["txn_1", "txn_2"]


def test_an_amendment_follows_on_the_lines_own_stream_and_names_what_it_replaces(desk):
    take_in(desk, report(payout("po_1", (1, {}))))
    announce(desk)
    take_in(desk, report(payout("po_1", (1, {"fee_minor": 200}))))
    assert announce(desk) == 1
    kind, key, version, said = events(desk)[-1]
    assert (kind, key, version) == ("SettlementLineAmended.v1", "alpha:txn_1", 2)
    assert (said["revision"], said["amended_revision"], said["fee_minor"], said["net_minor"]) == (
        2,
        1,
        200,
        9_800,
    )


def test_a_withdrawn_line_is_amended_to_nothing_and_its_return_takes_nothing_back(desk):
    both, one = payout("po_1", (1, {}), (2, {})), payout("po_1", (1, {}))
    for content in (report(both), report(one), report(both, tieout_row(3, payout=""))):
        take_in(desk, content)
        announce(desk)
    said = [said for *_, said in events(desk) if said["line_id"] == "txn_2"]
    assert [(one["revision"], one.get("amended_revision"), one["gross_minor"], one["net_minor"]) for one in said] == [
        (1, None, 10_000, 9_830), (2, 1, 0, 0), (3, None, 10_000, 9_830),
    ]  # fmt: skip


def test_a_line_that_was_withdrawn_before_it_was_told_is_never_told(desk):
    take_in(desk, report(payout("po_1", (1, {}), (2, {}))))
    take_in(desk, report(payout("po_1", (1, {}))))
    assert announce(desk) == 1
    assert announce(desk) == 0


def test_lines_of_many_payouts_are_told_in_batches_and_each_once(desk, monkeypatch):
    monkeypatch.setattr("services.reconciliation.app.announce_lines.BATCH_LINES", 7)
    take_in(desk, report(*[payout(f"po_{n}", *[(n * 100 + k, {}) for k in range(5)]) for n in range(10)]))
    assert announce(desk) == 50
    assert announce(desk) == 0
    assert desk.rows("SELECT count(*), count(DISTINCT (source, line_id, revision)) FROM announced_lines") == [
        (50, 50)
    ]
    assert len({said["line_id"] for *_, said in events(desk)}) == 50


def test_what_was_told_is_as_it_was_told_or_not_at_all(desk):
    take_in(desk, report(payout("po_1", (1, {}), (2, {}))))

    def dies(uow):
        announce_lines(uow)
        uow.flush()
        raise ConnectionError

    with pytest.raises(ConnectionError):
        desk.run(dies)
    assert events(desk) == []
    assert announce(desk) == 2


def test_two_announcers_at_once_tell_each_line_once(desk):
    take_in(desk, report(*[payout(f"po_{n}", *[(n * 100 + k, {}) for k in range(20)]) for n in range(10)]))
    started = threading.Barrier(2)

    def work():
        started.wait()
        announce(desk)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    announce(desk)
    assert len(events(desk)) == 200
    assert desk.rows("SELECT max(last_version) FROM outbox_streams WHERE key LIKE 'alpha:%'") == [(1,)]


def test_lines_in_another_currency_than_their_payout_are_told_as_well(desk):
    odd = tieout_row(2, currency="USD", minor=500, fee_minor=0)
    take_in(desk, report(tieout_row(1), odd, tieout_payout("total", "po_1", 9_830)))
    assert announce(desk) == 2


def test_lines_that_wait_for_their_payout_are_not_looked_through(desk):
    """The announcer looks each second; a month of lines whose payout is not closed must cost it nothing."""
    take_in(desk, report(*[tieout_row(number, payout="po_open") for number in range(1, 60)]))
    read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables WHERE relname = "

    def look(uow):
        count = f"{read}'settlement_lines'"
        before = uow.connection.exec_driver_sql(count).scalar_one() or 0
        assert announce_lines(uow) == 0
        return (uow.connection.exec_driver_sql(count).scalar_one() or 0) - before

    assert desk.run(look) == 0
    take_in(desk, report(tieout_payout("total", "po_open", 59 * 9_830)))
    assert announce(desk) == 59
    assert desk.rows("SELECT count(*) FROM payouts_to_tell") == [(0,)]


def test_what_was_told_cannot_be_changed_in_sql(desk, app_sql):
    take_in(desk, report(payout("po_1", (1, {}))))
    announce(desk)
    with pytest.raises(psycopg.errors.RestrictViolation):
        app_sql.execute("UPDATE settlement_lines SET net_minor = 1 WHERE announced")
    app_sql.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("DELETE FROM announced_lines")


def test_a_line_is_marked_by_having_been_told_and_by_nothing_else(desk, app_sql):
    take_in(desk, report(payout("po_1", (1, {}), (2, {}))))
    marked = "SELECT line_id FROM settlement_lines WHERE announced"
    for by_hand in (
        "UPDATE settlement_lines SET announced = true WHERE category <> 'payout'",
        (
            "INSERT INTO settlement_lines SELECT (jsonb_populate_record(l, jsonb_build_object("
            "'line_id', 'other', 'announced', true))).* FROM settlement_lines AS l WHERE category <> 'payout' LIMIT 1"
        ),
    ):
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            app_sql.execute(by_hand)
        app_sql.rollback()
        assert refused.value.diag.constraint_name == "line_announced_as_told"
    app_sql.execute(
        "INSERT INTO announced_lines (source, line_id, revision, event_key, event_id, announced_at)"
        " SELECT source, line_id, revision, line_id, 'evt_x', now() FROM settlement_lines"
        " WHERE category <> 'payout' ORDER BY line_id LIMIT 1"
    )
    assert len(app_sql.execute(marked).fetchall()) == 1
    app_sql.rollback()
    announce(desk)
    assert len(desk.rows(marked)) == 2
