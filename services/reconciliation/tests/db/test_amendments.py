"""Which reading of a line stands: unchanged is nothing new, changed is the next, and only whole files take away."""

from __future__ import annotations

import itertools

import pytest

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.app.stage_file import stage_next
from services.reconciliation.tests.reports import declare, payout, receive, report, take_in
from services.reconciliation.tests.writers import tieout_payout, tieout_row

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
def declared(desk):
    declare(desk)


def standing(desk):
    return desk.rows(
        "SELECT line_id, revision, net_minor, withdrawn FROM settlement_lines"
        " WHERE stands AND category <> 'payout' ORDER BY line_id"
    )


def announce_all(desk):
    """As if the ledger had been told of everything that stands."""
    desk.run(
        lambda uow: uow.connection.exec_driver_sql(
            "INSERT INTO announced_lines (source, line_id, revision, event_key, event_id, announced_at)"
            " SELECT source, line_id, revision, source || ':' || line_id, 'evt_' || line_id || '_' || revision, now()"
            " FROM settlement_lines WHERE stands AND NOT announced AND category <> 'payout' AND payout_id IS NOT NULL"
        )
    )


def payouts(desk):
    return desk.rows(
        "SELECT payout_id, stated_net_minor, lines_net_minor, line_count, closed_at IS NOT NULL FROM payouts ORDER BY 1"
    )


def test_an_overlapping_file_that_says_the_same_makes_no_revision(desk):
    rows = payout("po_1", (1, {}), (2, {}))
    take_in(desk, report(rows))
    announce_all(desk)
    take_in(desk, report(rows, tieout_row(3, payout="")))
    assert standing(desk) == [
        ("txn_1", 1, 9_830, False),
        ("txn_2", 1, 9_830, False),
        ("txn_3", 1, 9_830, False),
    ]


def test_a_changed_line_that_was_told_gets_the_next_revision_and_the_former_stays(desk):
    take_in(desk, report(payout("po_1", (1, {}), (2, {}))))
    announce_all(desk)
    take_in(desk, report(payout("po_1", (1, {"fee_minor": 200}), (2, {}))))
    assert standing(desk) == [("txn_1", 2, 9_800, False), ("txn_2", 1, 9_830, False)]
    history = desk.rows(
        "SELECT revision, net_minor, stands, announced FROM settlement_lines WHERE line_id = 'txn_1' ORDER BY 1"
    )
    assert history == [(1, 9_830, False, True), (2, 9_800, True, False)]


def test_a_changed_line_that_nobody_was_told_of_is_replaced_and_every_file_keeps_its_word(desk):
    take_in(desk, report(tieout_row(1, payout="")))
    take_in(desk, report(payout("po_1", (1, {"fee_minor": 200}))))
    assert standing(desk) == [("txn_1", 1, 9_800, False)]
    said = desk.rows("SELECT net_minor FROM report_lines WHERE line_id = 'txn_1' ORDER BY net_minor")
    assert said == [(9_800,), (9_830,)]


def test_a_line_that_a_corrected_file_no_longer_has_is_withdrawn_to_nothing(desk):
    take_in(desk, report(payout("po_1", (1, {}), (2, {}))))
    announce_all(desk)
    take_in(desk, report(payout("po_1", (1, {}))))
    assert standing(desk) == [("txn_1", 1, 9_830, False), ("txn_2", 2, 0, True)]
    assert payouts(desk) == [("po_1", 9_830, 9_830, 1, True)]
    take_in(desk, report(payout("po_1", (1, {}), (2, {}), (3, {}))))
    assert standing(desk) == [
        ("txn_1", 1, 9_830, False),
        ("txn_2", 2, 9_830, False),
        ("txn_3", 1, 9_830, False),
    ]


def test_a_withdrawn_line_that_was_never_told_is_nothing(desk):
    take_in(desk, report(payout("po_1", (1, {}), (2, {}))))
    take_in(desk, report(payout("po_1", (1, {}))))
    assert standing(desk) == [("txn_1", 1, 9_830, False), ("txn_2", 1, 0, True)]


def test_what_is_not_whole_takes_nothing_away(desk):
    take_in(desk, report(payout("po_1", (1, {}), (2, {}))))
    announce_all(desk)
    take_in(desk, report(tieout_row(1)))
    take_in(desk, report(payout("po_1", (1, {}), net=19_660)))
    assert [row[:3] for row in standing(desk)] == [("txn_1", 1, 9_830), ("txn_2", 1, 9_830)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_pieces_in_any_order_come_to_the_same(desk, order):
    """Two lines that cancel out come in a piece of their own: the piece with the total looks whole and takes nothing away."""
    pieces = [
        report(tieout_row(1), tieout_row(2, minor=-10_000, fee_minor=-170, category="refund")),
        report(tieout_row(3), tieout_payout("total", "po_1", 9_830)),
        report(tieout_row(4, payout="po_2")),
    ]
    for number in order:
        take_in(desk, pieces[number])
        announce_all(desk)
    assert standing(desk) == [
        ("txn_1", 1, 9_830, False), ("txn_2", 1, -9_830, False), ("txn_3", 1, 9_830, False), ("txn_4", 1, 9_830, False),
    ]  # fmt: skip
    assert payouts(desk) == [("po_1", 9_830, 9_830, 3, True), ("po_2", None, 9_830, 1, False)]


def test_a_report_that_does_not_know_of_the_payout_yet_does_not_undo_it(desk):
    take_in(desk, report(payout("po_1", (1, {}))))
    announce_all(desk)
    take_in(desk, report(tieout_row(1, payout="")))
    assert standing(desk) == [("txn_1", 1, 9_830, False)]


def test_a_line_moves_to_the_payout_that_a_corrected_file_says(desk):
    take_in(desk, report(payout("po_1", (1, {}), (2, {}))))
    announce_all(desk)
    take_in(desk, report(payout("po_2", (2, {}))))
    assert standing(desk) == [("txn_1", 1, 9_830, False), ("txn_2", 2, 9_830, False)]
    assert payouts(desk) == [("po_1", 19_660, 9_830, 1, True), ("po_2", 9_830, 9_830, 1, True)]


READ = """
SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables
 WHERE relname IN ('report_lines', 'settlement_lines', 'stated_payouts')
"""


def rows_read_to_amend(desk, name, count, added=0):
    """Rows that staging reads, as PostgreSQL counts them, of a file that amends each line of one payout and adds others."""
    take_in(desk, report(payout(name, *((f"{name}_{n}", {}) for n in range(count)))))
    receive(desk, report(payout(name, *((f"{name}_{n}", {"fee_minor": 160}) for n in range(count + added)))))

    def stage(uow):
        before = uow.connection.exec_driver_sql(READ).scalar_one()
        assert stage_next(READERS, uow) is not None
        return uow.connection.exec_driver_sql(READ).scalar_one() - before

    return desk.run(stage)


@pytest.mark.parametrize("added", [0, 1_600])
def test_amending_a_payout_costs_its_lines_and_not_their_square(desk, added):
    count = 1_600
    assert rows_read_to_amend(desk, "po_1", count, added) < 100 * (count + added)
