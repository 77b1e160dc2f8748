"""Of two files that contradict each other and do not say when they were made nobody guesses which one holds: people say it."""

from __future__ import annotations

import itertools
import json

import psycopg
import pytest
from typer.testing import CliRunner

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.recomputing import recompute
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.domain.sources import Source, SourceKind
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.entrypoints.worker import prefer_one
from services.reconciliation.tests import deciding, writers
from services.reconciliation.tests.months import ADA, JANUARY, Shop
from services.reconciliation.tests.reports import declare, payout, prefer, receive, report, take_in
from services.reconciliation.tests.writers import tieout_row
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import OperatorRole

pytestmark = pytest.mark.db
ORIGINAL = report(payout("po_1", (1, {}), (2, {}), (3, {})))
CORRECTED = report(payout("po_1", (1, {"fee_minor": 200}), (2, {})))
STANDING = "SELECT line_id, fee_minor FROM settlement_lines WHERE stands AND NOT withdrawn AND category <> 'payout' ORDER BY 1"


@pytest.fixture
def office_desk(desk):
    declare(desk)
    return desk


def asked(desk, kind=RunKind.INCREMENTAL):
    """What a run asks about the order of files, and that one over everything asks the same."""
    desk.run(lambda uow: run_matching(kind, "test", uow))
    rows = _asked(desk)
    desk.run(lambda uow: run_matching(RunKind.FULL, "test", uow))
    assert _asked(desk) == rows
    return dict(rows)


def _asked(desk):
    return desk.rows(
        "SELECT subject, at_risk_minor FROM breaks WHERE state = 'OPEN' AND type = 'file_order_unknown' ORDER BY 1"
    )


def about(later, former, currency="EUR"):
    return f"order:{later.file_id}:{former.file_id}:{currency}"


@pytest.mark.parametrize("order", [(ORIGINAL, CORRECTED), (CORRECTED, ORIGINAL)])
def test_in_either_order_people_are_asked_which_of_two_reports_holds(office_desk, order):
    first, second = (take_in(office_desk, content) for content in order)
    # A fee of 30 cents more, and a line of 100 that only one of them has; its payout's own row is not counted again.
    assert asked(office_desk) == {about(second, first): 30 + 10_000}


FEWER = report(payout("po_1", (1, {}), (2, {})))
LINES = {ORIGINAL: ["txn_1", "txn_2", "txn_3"], FEWER: ["txn_1", "txn_2"]}


@pytest.mark.parametrize("holding", [ORIGINAL, FEWER])
@pytest.mark.parametrize("order", [(ORIGINAL, FEWER), (FEWER, ORIGINAL)])
def test_people_are_asked_about_a_report_that_only_says_more_as_about_one_that_only_says_less(
    office_desk, order, holding
):
    files = {content: take_in(office_desk, content) for content in order}
    first, second = files.values()
    assert asked(office_desk) == {about(second, first): 10_000}
    assert office_desk.rows("SELECT line_count FROM contradicted_files") == [(1,)]
    prefer(office_desk, files[holding], "the right one")
    assert asked(office_desk) == {}
    assert [line_id for line_id, _ in office_desk.rows(STANDING)] == LINES[holding]


def test_what_was_asked_about_a_line_is_not_asked_again_by_a_file_that_says_the_same(office_desk):
    first, second = take_in(office_desk, FEWER), take_in(office_desk, ORIGINAL)
    once = {about(second, first): 10_000}
    assert asked(office_desk) == once
    worded = report(payout("po_1", (1, {"description": "said otherwise"}), (2, {}), (3, {})))
    take_in(office_desk, worded)
    assert asked(office_desk) == once
    fourth = take_in(office_desk, report(payout("po_1", (1, {}), (2, {}), (3, {}), (4, {}))))
    assert len(asked(office_desk)) == 2
    assert set(office_desk.rows("SELECT file_id, line_count FROM contradicted_files")) == {
        (second.file_id, 1),
        (fourth.file_id, 1),
    }


def test_a_line_that_a_piece_told_before_both_is_asked_about_where_only_one_of_two_whole_ones_has_it(
    office_desk,
):
    take_in(office_desk, report(tieout_row(3, "")))
    first, second = take_in(office_desk, FEWER), take_in(office_desk, ORIGINAL)
    assert asked(office_desk) == {about(second, first): 10_000}


PIECES = report(payout("po_1", (1, {}), (2, {}))[:-1]), report(tieout_row(2, "po_1"), tieout_row(3, "po_1"))


@pytest.mark.parametrize("order", list(itertools.permutations((FEWER, *PIECES))))
def test_nobody_is_asked_about_pieces_of_a_payout_that_do_not_state_it_in_whole(office_desk, order):
    for content in order:
        take_in(office_desk, content)
    assert asked(office_desk) == {}


def test_of_several_payouts_of_a_file_only_the_lines_that_another_whole_one_lacks_are_in_doubt(office_desk):
    former = [
        take_in(office_desk, report(payout(f"po_{name}", (name, {}), (f"{name}_b", {})))) for name in "abc"
    ]
    later = take_in(
        office_desk,
        report(
            payout("po_a", ("a", {}), ("a_b", {}), ("a_c", {})),
            payout("po_b", ("b", {}), ("b_b", {})),
            payout("po_c", ("c", {}), ("c_b", {}), ("c_c", {}), ("c_d", {})),
            payout("po_d", ("d", {})),
        ),
    )
    assert asked(office_desk) == {about(later, former[0]): 10_000, about(later, former[2]): 20_000}


@pytest.mark.parametrize("order", [(ORIGINAL, CORRECTED), (CORRECTED, ORIGINAL)])
def test_the_one_that_a_person_prefers_holds_whichever_came_first_and_nobody_is_asked_any_more(
    office_desk, order
):
    files = {content: take_in(office_desk, content) for content in order}
    assert len(asked(office_desk)) == 1
    prefer(office_desk, files[CORRECTED], "a correction")
    assert office_desk.rows(STANDING) == [("txn_1", 200), ("txn_2", 170)]
    assert office_desk.rows("SELECT lines_net_minor, stated_net_minor FROM payouts") == [(19_630, 19_630)]
    assert asked(office_desk) == {}
    ((told,),) = office_desk.rows("SELECT preferred_by || ': ' || reason FROM preferred_files")
    assert told == "ada: a correction"


def test_a_file_that_comes_behind_the_decision_is_asked_about_anew(office_desk):
    first, second = take_in(office_desk, CORRECTED), take_in(office_desk, ORIGINAL)
    prefer(office_desk, first, "a correction")
    third = take_in(office_desk, report(payout("po_1", (1, {"fee_minor": 250}), (2, {}))))
    assert asked(office_desk) == {about(third, first): 50}
    assert second.file_id != third.file_id


def test_of_three_files_the_preferred_one_decides_also_between_the_two_others_where_it_says_all_that_they_say(
    office_desk,
):
    first, second, third = (
        take_in(office_desk, report(payout("po_1", (1, {"fee_minor": fee_minor}))))
        for fee_minor in (100, 90, 80)
    )
    assert asked(office_desk) == {about(second, first): 10, about(third, second): 10}
    prefer(office_desk, first, "the right one")
    assert asked(office_desk) == {}


def test_of_three_files_the_preferred_one_decides_nothing_of_what_it_does_not_say(office_desk):
    first, second, third = (
        take_in(
            office_desk, report(*(payout(f"po_{n}", (n, {"fee_minor": fee_minor})) for n, fee_minor in said))
        )
        for said in ([(1, 100)], [(1, 90), (2, 90)], [(1, 80), (2, 80)])
    )
    assert asked(office_desk) == {about(second, first): 10, about(third, second): 20}
    prefer(office_desk, first, "the right one")
    assert asked(office_desk) == {about(third, second): 20}


def test_of_three_readings_of_a_statement_the_preferred_one_decides_also_between_the_two_others(desk):
    declare(
        desk, Source(source="bank", kind=SourceKind.BANK, format="mt940", bank_account="main", options={})
    )
    first, second, third = (
        take_in(desk, writers.mt940_statement(118, [entry], 0, minor).encode(), source="bank")
        for minor in (100, 90, 80)
        for entry in [writers.mt940_entry(minor, reference="A")]
    )
    assert asked(desk) == {about(second, first): 10, about(third, second): 10}
    prefer(desk, first, "the right one")
    assert asked(desk) == {}


def test_two_people_may_accept_that_the_one_that_came_later_holds(office_desk):
    first, second = take_in(office_desk, ORIGINAL), take_in(office_desk, CORRECTED)
    assert len(asked(office_desk)) == 1
    break_id = propose(office_desk, second, first)
    assert refusal(office_desk, first) == "file_order_decided"
    deciding.approve(type("World", (), {"desk": office_desk}), break_id)
    assert asked(office_desk) == {}
    assert refusal(office_desk, first) == "file_order_decided"
    assert office_desk.rows(STANDING) == [("txn_1", 200), ("txn_2", 170)]


def propose(desk, later, former):
    """One person proposes that the later file holds."""
    ((break_id,),) = desk.rows("SELECT break_id FROM breaks WHERE subject = :s", s=about(later, former))
    desk.run(lambda uow: propose_acceptance(break_id, "the processor says so", ADA, uow))
    return break_id


def refusal(desk, file):
    """Why it is not to hold, as the request says or, of other files than those that it contradicts, the worker."""
    try:
        code = prefer(desk, file, "the right one").refused_code
    except Rejected as refused:
        code = refused.code
    assert desk.rows("SELECT FROM preferred_files") == []
    return code


def test_what_contradicts_nothing_is_preferred_to_nothing(office_desk):
    first = take_in(office_desk, ORIGINAL)
    take_in(office_desk, report(tieout_row(4, "po_2")))
    assert refusal(office_desk, first) == "file_not_contradicted"


def test_what_two_people_let_hold_is_not_overturned_by_a_file_before_both(office_desk):
    files = [
        take_in(office_desk, report(payout("po_1", (1, {"fee_minor": fee_minor}))))
        for fee_minor in (100, 90, 80)
    ]
    assert len(asked(office_desk)) == 2
    propose(office_desk, files[2], files[1])
    assert [refusal(office_desk, file) for file in files[:2]] == ["file_order_decided"] * 2


def test_what_two_people_let_hold_may_be_preferred_to_what_came_behind_it(office_desk):
    first, second, third = (
        take_in(office_desk, report(payout("po_1", (1, {"fee_minor": fee_minor}))))
        for fee_minor in (100, 90, 80)
    )
    assert len(asked(office_desk)) == 2
    break_id = propose(office_desk, second, first)
    deciding.approve(type("World", (), {"desk": office_desk}), break_id)
    prefer(office_desk, second, "the right one")
    assert asked(office_desk) == {}
    assert office_desk.rows(STANDING) == [("txn_1", 90)]
    assert third.file_id != second.file_id


def test_a_statement_that_is_older_by_the_banks_own_times_is_preferred_to_nothing(desk):
    declare(
        desk, Source(source="bank", kind=SourceKind.BANK, format="mt940", bank_account="main", options={})
    )
    _, older = (take_in(desk, statement(number, **MADE[number]), source="bank") for number in (1, 0))
    assert refusal(desk, older) == "file_overtaken"


@pytest.mark.parametrize(
    "later",
    [
        report(payout("po_1", (1, {}), (2, {}), (3, {}))[:-1]),
        report(tieout_row(4, "po_2")),
        report(payout("po_1", (1, {"description": "said otherwise"}), (2, {}), (3, {}))),
    ],
)
def test_what_says_the_same_money_or_other_money_contradicts_nothing(office_desk, later):
    take_in(office_desk, ORIGINAL)
    take_in(office_desk, later)
    assert asked(office_desk) == {}


def test_a_line_that_is_paid_out_later_contradicts_nothing(office_desk):
    take_in(office_desk, report(tieout_row(1, "")))
    take_in(office_desk, report(payout("po_1", (1, {}))))
    assert asked(office_desk) == {}


ENTRIES = [("A", 500), ("B", 700)], [("A", 450)]
MADE = ({"made": "2611272100+0100"}, {"made": "2611272200+0100"})
SENT = ({"sent": "2100261127"}, {"sent": "2200261127"})
TIMES = {"none": ({}, {}), "made": MADE, "sent": SENT, "made and sent": (MADE[0], SENT[1])}


def statement(number, readings=ENTRIES, **more):
    made = [writers.mt940_entry(minor, reference=name) for name, minor in readings[number]]
    return writers.mt940_statement(118, made, 0, sum(minor for _, minor in readings[number]), **more).encode()


@pytest.mark.parametrize("times", list(TIMES))
@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_of_two_readings_of_a_statement_people_are_asked_only_where_the_bank_does_not_say(desk, order, times):
    """An envelope's time is in a zone that it does not say: the bank says nothing by it."""
    timed = times == "made"
    declare(
        desk, Source(source="bank", kind=SourceKind.BANK, format="mt940", bank_account="main", options={})
    )
    first, second = (
        take_in(desk, statement(number, **TIMES[times][number]), source="bank") for number in order
    )
    assert asked(desk) == ({} if timed else {about(second, first): 750})
    if not timed:
        corrected = (first, second)[order.index(1)]
        prefer(desk, corrected, "a correction")
        assert asked(desk) == {}
    assert desk.rows("SELECT amount_minor FROM bank_lines WHERE stands AND NOT withdrawn") == [(450,)]


READ = [("A", 500), ("B", 700)], [("A", 500)]


@pytest.mark.parametrize("times", [({}, {}), *itertools.permutations(MADE)], ids=str)
@pytest.mark.parametrize("holding", [0, 1])
@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_people_are_asked_about_a_statement_that_only_says_more_unless_the_bank_says_which_was_made_later(
    desk, order, holding, times
):
    declare(
        desk, Source(source="bank", kind=SourceKind.BANK, format="mt940", bank_account="main", options={})
    )
    files = {
        number: take_in(desk, statement(number, READ, **times[number]), source="bank") for number in order
    }
    first, second = files.values()
    newest = times.index(MADE[1]) if MADE[1] in times else None
    assert asked(desk) == ({} if newest is not None else {about(second, first): 700})
    if newest is None:
        prefer(desk, files[holding], "the right one")
        assert asked(desk) == {}
        newest = holding
    standing = "SELECT amount_minor FROM bank_lines WHERE stands AND NOT withdrawn ORDER BY 1"
    assert desk.rows(standing) == [(minor,) for _, minor in READ[newest]]


def test_the_next_statement_is_held_to_the_reading_that_was_preferred(desk):
    declare(
        desk, Source(source="bank", kind=SourceKind.BANK, format="mt940", bank_account="main", options={})
    )
    corrected, *_ = (take_in(desk, statement(number), source="bank") for number in (1, 0))
    take_in(desk, writers.mt940_statement(119, [], 450, 450, on="261128").encode(), source="bank")
    missing = "SELECT ours_minor FROM breaks WHERE state = 'OPEN' AND type = 'statement_missing'"
    assert (len(asked(desk)), desk.rows(missing)) == (1, [(1_200,)])
    prefer(desk, corrected, "a correction")
    assert (asked(desk), desk.rows(missing)) == ({}, [])


def test_a_month_with_a_preferred_file_comes_to_the_same_when_it_is_computed_once_more(desk):
    shop = Shop(desk)
    shop.january()
    shop.sold(8, 400, 1, 12)
    corrected = shop.reported("po_twice", (1, 20), (8, 400, (1, 12)))
    shop.reported("po_twice", (1, 20), (8, 300, (1, 12)))
    prefer(desk, corrected, "a correction")
    shop.reported("po_other", (2, 20), (9, 77, (2, 12)))
    shop.reported("po_other", (2, 20), (9, 78, (2, 12)))
    shop.reported("po_other", (2, 20), (9, 78, (2, 12)), (7, 55, (2, 12)))
    shop.match()
    shop.close(JANUARY)
    assert (
        shop.rows("SELECT type FROM period_breaks WHERE type = 'file_order_unknown'")
        == [("file_order_unknown",)] * 2
    )
    done = desk.run(lambda uow: recompute(READERS, JANUARY, uow.connection, uow.now, uow.ids))
    assert done.differences == []


@pytest.mark.parametrize("more", [[(8, 300, (1, 12))], [(8, 400, (1, 12)), (9, 77, (1, 13))]])
def test_a_month_is_not_closed_over_files_of_which_nobody_said_which_holds(desk, more):
    """Whenever they came: what they say happened in the month."""
    shop = Shop(desk)
    shop.january()
    corrected = shop.reported("po_twice", (1, 20), (8, 400, (1, 12)))
    later = shop.reported("po_twice", (1, 20), *more)
    with pytest.raises(Rejected) as refused:
        shop.propose(JANUARY)
    assert refused.value.code == "period_files_in_doubt"
    assert refused.value.extra == {"breaks": [f"file_order_unknown {about(later, corrected)}"]}
    prefer(desk, corrected, "a correction")
    assert shop.close(JANUARY).state == "APPROVED"


def test_a_month_is_closed_where_two_people_let_the_later_file_hold(desk):
    shop = Shop(desk)
    shop.january()
    former = shop.reported("po_twice", (1, 20), (8, 400, (1, 12)))
    later = shop.reported("po_twice", (1, 20), (8, 300, (1, 12)))
    shop.match()
    break_id = propose(desk, later, former)
    with pytest.raises(Rejected, match="period_files_in_doubt"):
        shop.propose(JANUARY)
    deciding.approve(shop, break_id)
    assert shop.close(JANUARY).state == "APPROVED"


def came_before_the_question(urls):
    """What was staged by now is as a version left it that asked nobody and did not read when statements were made."""
    with psycopg.connect(urls.owner) as owner:
        for table in ("contradicted_files", "statement_heads"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("DELETE FROM contradicted_files")
        owner.execute("UPDATE statement_heads SET created_at = NULL")
        owner.execute(
            "INSERT INTO files_before_orders SELECT file_id FROM report_files WHERE state = 'STAGED'"
            " ON CONFLICT DO NOTHING"
        )


def test_a_month_is_computed_once_more_without_asking_about_files_that_came_before_anybody_was_asked(
    desk, reconciliation_urls
):
    shop = Shop(desk)
    shop.january()
    shop.sold(8, 400, 1, 12)
    shop.reported("po_twice", (1, 20), (8, 400, (1, 12)))
    shop.reported("po_twice", (1, 20), (8, 300, (1, 12)))
    shop.reported("po_twice", (1, 20), (8, 300, (1, 12)), (7, 55, (1, 12)))
    came_before_the_question(reconciliation_urls)
    shop.reported("po_other", (2, 20), (9, 77, (2, 12)))
    shop.reported("po_other", (2, 20), (9, 78, (2, 12)))
    shop.match()
    shop.close(JANUARY)
    assert shop.rows("SELECT at_risk_minor FROM period_breaks WHERE type = 'file_order_unknown'") == [(1,)]
    done = desk.run(lambda uow: recompute(READERS, JANUARY, uow.connection, uow.now, uow.ids))
    assert done.differences == []


def test_a_month_is_computed_once_more_with_the_times_that_were_read_of_its_statements(
    desk, reconciliation_urls
):
    shop = Shop(desk)
    shop.january()
    for hour, minor in ((22, 100), (21, 90)):
        entry = writers.camt_entry(minor, reference="twice", booked="2026-01-20")
        made = f"2026-01-20T{hour}:00:00+01:00"
        said = writers.camt_statement("S9", [entry], 0, minor, created=made, on="2026-01-20")
        take_in(desk, writers.camt_file(said), source="bank", name="camt.xml")
        came_before_the_question(reconciliation_urls)
    assert shop.rows("SELECT amount_minor FROM bank_lines WHERE stands AND amount_minor <= 100") == [(90,)]
    shop.match()
    shop.close(JANUARY)
    done = desk.run(lambda uow: recompute(READERS, JANUARY, uow.connection, uow.now, uow.ids))
    assert done.differences == []


def test_only_what_was_read_can_be_preferred_by_an_operator_in_a_terminal(office_desk, terminal, operators):
    first = take_in(office_desk, CORRECTED)
    take_in(office_desk, ORIGINAL)
    token = operators("ada", OperatorRole.OPERATOR)
    said = ["files", "prefer", first.file_id, "--reason", "a correction", "--token-file", token, "--json"]
    done = CliRunner().invoke(cli, said, env=terminal)
    assert done.exit_code == 0, done.output
    said = json.loads(done.output.splitlines()[-1])
    assert (said["id"], [one["state"] for one in said["preferences"]]) == (first.file_id, ["WAITING"])
    assert prefer_one(office_desk.transactions)
    shown = CliRunner().invoke(cli, ["files", "show", first.file_id, "--json"], env=terminal)
    (ended,) = json.loads(shown.output.splitlines()[-1])["preferences"]
    assert (ended["state"], ended["asked_by"], ended["reason"]) == ("DONE", "ada", "a correction")
    assert office_desk.rows(STANDING) == [("txn_1", 200), ("txn_2", 170)]
    waiting = receive(office_desk, report(tieout_row(9, "po_9"))).file
    with pytest.raises(Rejected) as refused:
        prefer(office_desk, waiting, "not read")
    assert refused.value.code == "file_not_staged"


@pytest.mark.parametrize(
    "table", ["contradicted_files", "preferred_files", "files_before_orders", "asked_preferences"]
)
def test_what_was_said_of_files_is_never_changed(office_desk, app_sql, table):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute(f"DELETE FROM {table}")
