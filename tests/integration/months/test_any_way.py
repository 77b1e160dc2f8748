"""The same inputs come to the same: in any order of files and pieces, killed at random points, and twice at once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa

from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.domain.breaks import BreakType
from tests.integration.months.corrections import CURRENCIES
from tests.integration.months.trade import PROCESSORS
from tests.integration.months.whole import (
    CORRECTED,
    at_its_end,
    files_of,
    finish,
    month_of,
    outcome,
    take_in_pieces,
    take_in_whole,
)
from tests.integration.months.world import bank_source

pytestmark = pytest.mark.timeout(600)
"""A month is much work, and the machine may be shared."""

KILLS = 3
AMENDED = """
SELECT DISTINCT source, line_id FROM settlement_lines AS l JOIN announced_lines USING (source, line_id, revision)
 WHERE revision > 1 AND stands"""
DEADLINE_S = 300


@pytest.fixture
def desks(service_database):
    made = []

    def desk(urls=None):
        urls = urls or service_database("reconciliation")
        made.append(at_its_end(urls.app))
        return made[-1]

    yield desk
    for each in made:
        each.close()


def whole(desks, seed):
    """What the month comes to by one process that nobody disturbs, and by how many statements."""
    desk, statements = desks(), []
    sa.event.listen(desk.engine, "before_cursor_execute", lambda *_: statements.append(1))
    month = month_of(seed)
    take_in_whole(desk, month)
    finish(desk)
    # Which files hold has been said by now.
    assert {answer.type for answer in desk.breaks()} == {
        answer.type for answer in month.key.answers(month.plan.stops[-1])
    } - {BreakType.FILE_ORDER_UNKNOWN.value}
    return month, outcome(desk), len(statements)


def assert_same(found, wanted):
    for name in ("told matches", "evidence", "history", "closes", "closed rolls", "closed positions"):
        assert wanted[name], f"nothing to compare of {name}"
    differ = {name: (rows, found[name]) for name, rows in wanted.items() if found[name] != rows}
    assert differ == {}, {
        name: [each for each in one if each not in other]
        + ["but"]
        + [each for each in other if each not in one]
        for name, (one, other) in differ.items()
    }


def test_in_any_order_and_pieces_with_runs_in_between(desks):
    seed = "4"
    month, wanted, _ = whole(desks, seed)
    desk = desks()
    take_in_pieces(desk, month, random.Random(seed))  # noqa: S311 - a seed must replay
    finish(desk)
    assert_same(outcome(desk), wanted)
    desk.match(RunKind.FULL)
    assert_same(outcome(desk), wanted)


def test_a_correction_before_what_it_corrects_and_behind_it_comes_to_the_same_with_history(desks):
    month = month_of("5")
    files = files_of(month)
    corrected = [file for file in files if file.name.startswith(CORRECTED)]
    others = [file for file in files if file not in corrected]
    assert {file.source for file in corrected} == {*PROCESSORS, *map(bank_source, CURRENCIES)}
    outcomes, amended = [], []
    for groups in ((others, corrected), (corrected, others)):
        desk = desks()
        desk.declare()
        month.tell(desk)
        for group in groups:
            desk.take_in(group)
            desk.announce()
            desk.match()
        finish(desk)
        outcomes.append(outcome(desk))
        amended.append(desk.rows(AMENDED))
    assert_same(*outcomes)
    # Of each report a fee and a line too many were told; a line that it lacked as well, where the original came later.
    assert [len(rows) for rows in amended] == [6, 9]


@pytest.mark.parametrize("how", ["whole", "pieces"])
def test_killed_at_random_points_and_begun_again(desks, service_database, how):
    seed = "6"
    _, wanted, statements = whole(desks, seed)
    urls, dice = service_database("reconciliation"), random.Random(f"{seed} {how}")  # noqa: S311 - a seed must replay
    codes = []
    # In pieces there are many passes, and each of them may be the one that dies.
    longest = statements * (1 if how == "whole" else 2)
    for nth in range(KILLS + 1):
        at = (
            0
            if nth == KILLS
            else dice.randrange(statements // 10, (longest if nth else statements) * 9 // 10)
        )
        words = [sys.executable, "-m", "tests.integration.months.whole", urls.app, seed, how, str(at)]
        done = subprocess.run(words, check=False, timeout=DEADLINE_S, capture_output=True)
        codes.append(done.returncode)
    assert codes[0] == -signal.SIGKILL
    assert codes[-1] == 0, done.stderr.decode()[-4_000:]
    assert set(codes) <= {0, -signal.SIGKILL}
    assert_same(outcome(desks(urls)), wanted)


def test_two_at_once_do_everything_once(desks, service_database):
    month, wanted, _ = whole(desks, "7")
    urls, failures = service_database("reconciliation"), []

    def take_in(desk):
        try:
            take_in_whole(desk, month)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=take_in, args=(desks(urls),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert failures == []
    desk = desks(urls)
    finish(desk)
    assert_same(outcome(desk), wanted)
    desk.match(RunKind.FULL)
    assert_same(outcome(desk), wanted)
