"""Which file holds is asked for in a request and done by the worker, never beside two people who decide the same."""

from __future__ import annotations

import threading

import psycopg
import pytest

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.app.approve_break import approve_break
from services.reconciliation.app.bulk_breaks import BulkAction, Selection, Wanted, preview_bulk
from services.reconciliation.app.prefer_file import ask_to_prefer, let_hold
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.entrypoints.http_matching import break_view
from services.reconciliation.entrypoints.worker import prefer_one, take_turn
from services.reconciliation.tests.deciding import BOB
from services.reconciliation.tests.months import ADA
from services.reconciliation.tests.reports import declare, payout, prefer, receive, report, take_in
from services.reconciliation.tests.writers import tieout_row
from shared.kernel.errors import Rejected
from shared.testing.waiting import eventually

pytestmark = pytest.mark.db
FEE = "SELECT fee_minor FROM settlement_lines WHERE stands AND line_id = 'txn_1'"
BIGGEST_MINOR = 9_007_199_254_740_991


def of_fee(fee_minor):
    return report(payout("po_1", (1, {"fee_minor": fee_minor})))


@pytest.fixture
def two(desk):
    """Two files that say another fee of one line: the later one holds."""
    declare(desk)
    return tuple(take_in(desk, of_fee(fee_minor)) for fee_minor in (100, 90))


@pytest.fixture
def question(desk, two):
    """The break that asks which of them holds."""
    return asked(desk)[-1]


def asked(desk):
    desk.run(lambda uow: run_matching(RunKind.INCREMENTAL, "test", uow))
    found = desk.rows(
        "SELECT break_id FROM breaks WHERE type = 'file_order_unknown' ORDER BY opened_at, subject"
    )
    return [break_id for (break_id,) in found]


def ask(desk, file, reason="a correction"):
    return desk.run(lambda uow: ask_to_prefer(file.file_id, reason, ADA, uow))


def propose(desk, break_id):
    return desk.run(lambda uow: propose_acceptance(break_id, "the processor says so", ADA, uow))


def code_of(work):
    with pytest.raises(Rejected) as refused:
        work()
    return refused.value.code


def test_a_request_asks_for_it_and_the_worker_does_it_in_its_turn(office, desk, two):
    first, _ = two
    path = f"/files/{first.file_id}"
    reply = office.call("POST", f"{path}/prefer", {"reason": "a correction"}, key="once")
    (said,) = reply.document["preferences"]
    assert (reply.status, said["state"], said["asked_by"]) == (202, "WAITING", "ada")
    again = office.call("POST", f"{path}/prefer", {"reason": "a correction"}, key="once")
    assert (again.status, again.document["preferences"]) == (202, [said])
    assert desk.rows(FEE) == [(90,)]
    receive(desk, of_fee(80))
    assert take_turn(READERS, desk.transactions)
    assert desk.rows(FEE) == [(100,)], "what came behind it waits for it"
    (ended,) = office.call("GET", path).document["preferences"]
    assert (ended["state"], ended["reason"]) == ("DONE", "a correction")
    assert take_turn(READERS, desk.transactions)
    assert not take_turn(READERS, desk.transactions)
    assert desk.rows(FEE) == [(80,)]


def test_while_it_waits_two_people_decide_nothing_of_the_source_nor_does_another_person(desk, two, question):
    third = take_in(desk, of_fee(80))
    *_, later = asked(desk)
    proposed = propose(desk, later)
    ask(desk, third)
    assert desk.run(lambda uow: break_view(question, uow))["waits_for_file"] == third.file_id
    assert code_of(lambda: propose(desk, question)) == "file_order_waits"
    approve = lambda uow: approve_break(later, proposed.proposal, "yes", BOB, uow)  # noqa: E731
    assert code_of(lambda: desk.run(approve)) == "file_order_waits"
    many = Wanted(action=BulkAction.ACCEPT, selection=Selection(break_ids=(question,)))
    (row,) = desk.run(lambda uow: preview_bulk(many, ADA, uow)).rows
    assert row.refused == "file_order_waits"
    assert code_of(lambda: ask(desk, two[0])) == "file_order_waits"
    assert prefer_one(desk.transactions)
    desk.run(approve)


@pytest.mark.parametrize("step", ["proposed", "approved"])
def test_whoever_asks_waits_for_those_who_decide_at_the_same_time(desk, two, question, step):
    proposal = propose(desk, question).proposal if step == "approved" else None
    answers = []

    def ask_too():
        try:
            answers.append(ask(desk, two[0]).state)
        except Rejected as refused:
            answers.append(refused.code)

    other = threading.Thread(target=ask_too)

    def decide(uow):
        if proposal is None:
            propose_acceptance(question, "the processor says so", ADA, uow)
        else:
            approve_break(question, proposal, "yes", BOB, uow)
        other.start()
        eventually(lambda: desk.rows("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    desk.run(decide)
    other.join(30)
    assert answers == ["file_order_decided"]


def test_those_who_decide_wait_for_whoever_asks_at_the_same_time(desk, two, question):
    answers = []
    other = threading.Thread(target=lambda: answers.append(code_of(lambda: propose(desk, question))))

    def ask_first(uow):
        ask_to_prefer(two[0].file_id, "a correction", ADA, uow)
        other.start()
        eventually(lambda: desk.rows("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    desk.run(ask_first)
    other.join(30)
    assert answers == ["file_order_waits"]


def test_plain_sql_lets_nobody_decide_it_both_ways(desk, app_sql, two, question):
    ask_in_sql = f"""INSERT INTO asked_preferences (source, file_id, after_file_id, asked_by, reason, asked_at, state)
        VALUES ('alpha', '{two[0].file_id}', '{two[1].file_id}', 'eve', 'no reason', now(), 'WAITING')"""
    accept_in_sql = f"""UPDATE breaks SET state = 'PROPOSED', resolution = 'accepted', proposed_by = 'eve'
        WHERE break_id = '{question}'"""
    for first, then, name in (
        (ask_in_sql, accept_in_sql, "break_no_preference_waits"),
        (accept_in_sql, ask_in_sql, "preference_undecided"),
    ):
        app_sql.execute(first)
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            app_sql.execute(then)
        assert refused.value.diag.constraint_name == name
        app_sql.rollback()


def test_plain_sql_says_what_became_of_it_once(desk, app_sql, two):
    prefer(desk, two[0])
    with pytest.raises(psycopg.errors.CheckViolation):
        app_sql.execute("UPDATE asked_preferences SET state = 'WAITING', ended_at = NULL")


def test_what_a_file_said_that_came_in_between_nobody_decided(desk, two):
    """A worker was at it when it was asked for: whoever asked had not seen it."""
    ask(desk, two[0])
    take_in(desk, of_fee(80))
    assert prefer_one(desk.transactions)
    assert desk.rows("SELECT state, refused_code FROM asked_preferences") == [
        ("REFUSED", "file_order_changed")
    ]
    assert desk.rows(FEE) == [(80,)]
    assert prefer(desk, two[0]).state == "DONE"
    assert desk.rows(FEE) == [(100,)]


def test_what_came_in_between_and_says_nothing_of_it_is_no_obstacle(desk, two):
    ask(desk, two[0])
    take_in(desk, report(tieout_row(9, "po_9")))
    assert prefer_one(desk.transactions)
    assert desk.rows("SELECT state FROM asked_preferences") == [("DONE",)]


def test_killed_in_its_midst_it_is_done_anew_and_once(desk, two):
    ask(desk, two[0])

    def killed(uow):
        let_hold(uow.preferences.next_waiting(), uow)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.run(killed)
    assert (desk.rows(FEE), desk.rows("SELECT state FROM asked_preferences")) == ([(90,)], [("WAITING",)])
    assert [prefer_one(desk.transactions) for _ in range(2)] == [True, False]
    assert (desk.rows(FEE), len(desk.rows("SELECT FROM preferred_files"))) == ([(100,)], 1)


def test_while_it_is_done_files_come_in_and_no_other_worker_is_held_up(desk, two):
    ask(desk, two[0])

    def beside(uow):
        assert let_hold(uow.preferences.next_waiting(), uow).state == "DONE"
        assert receive(desk, of_fee(80)).is_new
        assert not take_turn(READERS, desk.transactions), "the source is held: what came is staged behind it"

    desk.run(beside)
    assert take_turn(READERS, desk.transactions)
    assert desk.rows(FEE) == [(80,)]


def test_what_cannot_be_held_is_refused_and_holds_up_nothing(desk):
    """Its own sum can be held, and not together with lines of the payout that only came since."""
    declare(desk)
    large = [tieout_row(n, "po_1", minor=BIGGEST_MINOR, fee_minor=0) for n in range(1, 1_000)]
    first = take_in(desk, report(large))
    small = [tieout_row(n, "po_1", minor=1, fee_minor=0) for n in range(1, 1_000)]
    take_in(desk, report(small))
    take_in(
        desk, report([tieout_row(n, "po_1", minor=BIGGEST_MINOR, fee_minor=0) for n in range(1_000, 1_100)])
    )
    ended = prefer(desk, first)
    assert (ended.state, ended.refused_code) == ("REFUSED", "value_not_storable")
    assert not take_turn(READERS, desk.transactions)
