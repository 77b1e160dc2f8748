"""What is wrong with files themselves is a break: it closes with a corrected file, holds up its month, and can be accepted."""

from __future__ import annotations

import itertools

import pytest

from services.reconciliation.adapters.standing_gauges import StandingGauges
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.domain.sources import Source, SourceKind
from services.reconciliation.tests import deciding, writers
from services.reconciliation.tests.months import ADA, FEBRUARY, JANUARY, Shop
from services.reconciliation.tests.reports import declare, payout, report, take_in
from services.reconciliation.tests.writers import tieout_row
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from shared.runtime import metric_names

pytestmark = pytest.mark.db
IBAN = "DE02120300000000202051"
OF_FILES = {"payout_total_mismatch", "statement_total_mismatch", "unreadable_lines", "statement_missing"}


@pytest.fixture
def bank(desk):
    declare(desk)
    source = Source(source="bank", kind=SourceKind.BANK, format="camt053", bank_account="main", options={})
    declare(desk, source)
    return desk


@pytest.fixture
def shop(desk):
    return Shop(desk)


def found(desk, kind=RunKind.INCREMENTAL):
    """What a run finds of files, and that one over everything finds the same."""
    desk.run(lambda uow: run_matching(kind, "test", uow))
    rows = standing(desk)
    desk.run(lambda uow: run_matching(RunKind.FULL, "test", uow))
    assert standing(desk) == rows
    return {subject: (kind, at_risk) for subject, kind, at_risk in rows if kind in OF_FILES}


def standing(desk):
    return desk.rows("SELECT subject, type, at_risk_minor FROM breaks WHERE state = 'OPEN' ORDER BY 1")


def statement(opening, closing, on, name=None, minor=None):
    entry = writers.camt_entry(closing - opening if minor is None else minor, booked=on, reference=f"r{on}")
    return writers.camt_file(writers.camt_statement(name or f"S{on}", [entry], opening, closing, on=on))


def test_a_payout_whose_own_row_says_another_sum_is_a_break_with_the_difference_until_the_line_comes(bank):
    take_in(bank, report(payout("po_1", (1, {}), net=19_660)))
    assert found(bank) == {"total:alpha:acct_1:po_1:EUR": ("payout_total_mismatch", 9_830)}
    take_in(bank, report(payout("po_2", (3, {}))))
    assert found(bank) == {"total:alpha:acct_1:po_1:EUR": ("payout_total_mismatch", 9_830)}
    take_in(bank, report(tieout_row(2, "po_1")))
    assert found(bank) == {}


def test_lines_that_nobody_could_read_are_a_break_until_a_file_has_their_payouts_in_whole(bank):
    bad = tieout_row(2, "po_1", gross="a hundred")
    file = take_in(bank, report(payout("po_1", (1, {}), net=19_660), bad))
    assert file.quarantined_count == 1
    assert found(bank) == {
        f"file:{file.file_id}": ("unreadable_lines", 0),
        "total:alpha:acct_1:po_1:EUR": ("payout_total_mismatch", 9_830),
    }
    take_in(bank, report(payout("po_1", (1, {}), (2, {}))))
    assert found(bank) == {}
    # The same id twice in a file is said, and is no line that is lost.
    twice = take_in(bank, report(payout("po_3", (5, {})), tieout_row(5, "po_3")))
    assert (twice.quarantined_count, found(bank)) == (1, {})


def test_a_statement_that_does_not_come_to_its_balances_is_a_break_until_it_comes_again(bank):
    file = take_in(bank, statement(0, 500, "2026-11-26", minor=300), source="bank", name="a.xml")
    assert found(bank) == {f"file:{file.file_id}": ("statement_total_mismatch", 200)}
    take_in(bank, statement(0, 500, "2026-11-26"), source="bank", name="b.xml")
    assert found(bank) == {}


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1, 3))))
def test_a_statement_that_never_came_is_a_break_that_names_account_and_days_until_it_comes(bank, order):
    days = [
        statement(0, 500, "2026-11-23"), statement(500, 800, "2026-11-24"), statement(800, 900, "2026-11-25"),
        # Nothing was booked on the two days between.
        statement(900, 1_000, "2026-11-28"),
    ]  # fmt: skip
    for number in order:
        take_in(bank, days[number], source="bank", name="a.xml")
    subject = f"statement:bank:{IBAN}:EUR:2026-11-24:2026-11-28:S2026-11-28"
    assert found(bank) == {subject: ("statement_missing", 100)}
    take_in(bank, days[2], source="bank", name="b.xml")
    assert found(bank) == {}


def test_statements_of_one_day_go_on_from_one_another_and_an_empty_one_not_from_itself(bank):
    for name, opening, closing, on in (("A", 0, 500, 23), ("B", 500, 700, 24), ("C", 700, 800, 24)):
        content = statement(opening, closing, f"2026-11-{on}", name)
        take_in(bank, content, source="bank", name=name)
    assert found(bank) == {}
    take_in(bank, statement(850, 850, "2026-11-25"), source="bank", name="d.xml")
    assert list(found(bank).values()) == [("statement_missing", 50)]


def test_a_month_is_not_closed_over_what_its_files_lack_unless_two_people_accept_it(shop):
    shop.january()
    bad = tieout_row(99, "po_january", gross="a hundred", created_utc="2026-01-12 10:00:00")
    file = take_in(shop.desk, report(tieout_row(98, "", created_utc="2026-01-12 10:00:00"), bad))
    with pytest.raises(Rejected) as refused:
        shop.propose(JANUARY)
    assert refused.value.code == "period_files_in_doubt"
    assert refused.value.extra == {"breaks": [f"unreadable_lines file:{file.file_id}"]}
    shop.match()
    ((break_id,),) = shop.rows("SELECT break_id FROM breaks WHERE type = 'unreadable_lines'")
    shop.desk.run(lambda uow: propose_acceptance(break_id, "the row is a comment", ADA, uow))
    with pytest.raises(Rejected, match="period_files_in_doubt"):
        shop.propose(JANUARY)
    assert deciding.approve(shop, break_id).state == "RESOLVED"
    assert shop.close(JANUARY).state == "APPROVED"


def test_what_files_of_a_later_month_lack_holds_up_that_one(shop):
    shop.january()
    shop.february()
    shop.credited((300, "who knows", (2, 20)))
    shop.reported("po_cut", (2, 20), (50, 100, (2, 19)))
    days = {"created_utc": "2026-02-20 10:00:00", "available_on_utc": "2026-02-20 10:00:00"}
    take_in(shop.desk, report([writers.tieout_payout("po_cut_total", "po_cut", 400) | days]))
    shop.close(JANUARY)
    with pytest.raises(Rejected, match="payout_total_mismatch total:alpha:acct_1:po_cut:EUR"):
        shop.propose(FEBRUARY)


def test_what_stands_of_files_is_counted_by_source(bank):
    take_in(bank, report(payout("po_1", (1, {}), net=19_660), tieout_row(2, "po_1", gross="a hundred")))
    take_in(bank, statement(0, 500, "2026-11-26", minor=300), source="bank", name="a.xml")
    for fee_minor in (100, 90):
        take_in(bank, report(payout("po_2", (3, {"fee_minor": fee_minor}))))
        take_in(bank, statement(0, 500 + fee_minor, "2026-11-20"), source="bank", name="c.xml")
    found(bank)
    gauges = StandingGauges(bank.engine, SystemClock())
    assert dict(gauges.samples_of(metric_names.RECONCILIATION_FILES_IN_DOUBT)) == {
        ("alpha", "payout_total_mismatch"): 1,
        ("alpha", "unreadable_lines"): 1,
        ("alpha", "file_order_unknown"): 1,
        ("bank", "file_order_unknown"): 1,
        ("bank", "statement_total_mismatch"): 1,
    }
