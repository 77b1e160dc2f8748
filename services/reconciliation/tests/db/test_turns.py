"""Runs at the same time, killed midway, or by a worker that is told of nothing: nothing twice, nothing lost."""

from __future__ import annotations

import threading

import pytest

from services.reconciliation.adapters.matching import Matcher
from services.reconciliation.app.keep_matched import keep_matched
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.bootstrap import build
from services.reconciliation.settings import ReconciliationSettings
from services.reconciliation.tests.three_legs import LATER, World
from shared.runtime.settings import load_settings


@pytest.fixture
def world(desk):
    made = World(desk)
    for number in range(1, 30):
        made.captured(number, 1_000 + number % 3)
        made.line(f"l{number:02d}", 1_000 + number % 2, object_id=f"cap_{number}")
    made.payout("po_1", 5_000)
    made.bank_line("b1", 5_000, "ref_po_1")
    return made


def told(world):
    matched = [(e["line_id"], e["match_number"]) for e in world.events("SettlementLineMatched.v1")]
    return sorted(matched), len(world.events("BankCreditAllocated.v1"))


def state(world):
    return world.matches(), world.breaks(), told(world)


def test_two_runs_at_once_come_to_what_one_comes_to(world):
    failures = []

    def work():
        try:
            world.match()
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(world.matches()) == 29
    lines, credits_told = told(world)
    assert (len(lines), len({line_id for line_id, _ in lines}), credits_told) == (29, 29, 1)
    after = state(world)
    world.match(RunKind.FULL)
    assert state(world) == after


@pytest.mark.parametrize("step", ["match", "allocate", "find", "add"])
def test_killed_at_any_step_it_leaves_nothing_and_the_next_run_does_it_all(world, step):
    class KilledError(Exception):
        pass

    def work(uow):
        parts = {"match": uow.matching, "allocate": uow.allocating, "find": uow.finding, "add": uow.runs}
        done = getattr(parts[step], step)

        def die(*args, **kwargs):
            done(*args, **kwargs)
            raise KilledError

        setattr(parts[step], step, die)
        run_matching(RunKind.INCREMENTAL, "test", uow, LATER)

    with pytest.raises(KilledError):
        world.desk.run(work)
    assert (world.matches(), told(world)) == (set(), ([], 0))
    assert world.rows("SELECT count(*) FROM runs") == [(0,)]
    world.match()
    matches, _, (lines, credits_told) = state(world)
    assert (len(matches), len(lines), credits_told) == (29, 29, 1)


def test_without_the_turn_the_unique_keys_still_refuse_a_second_claim(world, monkeypatch):
    monkeypatch.setattr(Matcher, "take_turn", lambda _: None)
    world.match()
    with pytest.raises(Exception, match="claims_of_line"):
        world.desk.run(
            lambda uow: uow.connection.exec_driver_sql(
                "INSERT INTO claims SELECT 'm', rule, rule_rank, source, line_id, 'x', 'run_x' FROM claims LIMIT 1"
            )
        )


def test_the_worker_runs_when_anything_changed_and_rests_otherwise(world):
    def turn():
        return world.desk.run(keep_matched)

    assert turn() is True
    assert turn() is False
    world.line("l99", 1, object_id="cap_99")
    assert turn() is True
    assert turn() is False
    assert world.rows("SELECT count(*) FROM runs") == [(2,)]


def test_every_loop_of_the_worker_is_there_and_turns(reconciliation_urls):
    environment = {"RECONCILIATION_DATABASE_URL": reconciliation_urls.app}
    runtime = build(load_settings(ReconciliationSettings, environment))
    try:
        assert {"work.match", "work.tell"} <= set(runtime.roles)
        for name in ("work.match", "work.tell"):
            assert runtime.roles[name]().turn() is False
    finally:
        runtime.close()


def test_a_line_that_is_announced_while_its_match_is_told_is_told_of(world, app_sql):
    """Whoever tells of matches does not wait for whoever announces one of the lines, and comes back for it."""
    world.captured(98, 1_001)
    world.line("l98", 1_001, object_id="cap_98", announced=False)
    world.match(tell=False)
    named = {"line_id": "l98", "revision": 1, "event_id": "evt_l98"}
    app_sql.execute(
        "INSERT INTO announced_lines (source, line_id, revision, event_key, event_id, announced_at)"
        " VALUES ('alpha_report', %(line_id)s, %(revision)s, 'alpha_report:l98', %(event_id)s, now())",
        named,
    )

    def tell():
        while world.desk.run(lambda uow: uow.telling.tell()):
            pass
        return [line_id for line_id, _ in told(world)[0]].count("l98")

    assert tell() == 0
    app_sql.commit()
    assert tell() == 1
