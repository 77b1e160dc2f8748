"""A month of any size: ``make month PAYMENTS=10000``. Prints what was found of each type; fails on any miss."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from services.reconciliation.domain.breaks import BreakType
from shared.kernel.ids import UlidIds
from shared.messaging.kafka import KafkaBroker
from shared.persistence.migrate import migrate
from shared.persistence.provision import provision
from shared.testing.infra import KAFKA_VARIABLE, POSTGRES_VARIABLE
from shared.testing.passwords import TEST_PASSWORD
from tests.integration.months.desk import MonthDesk
from tests.integration.months.key import end_of
from tests.integration.months.month import Month, Plan, Score, stops
from tests.integration.months.residue import unexplained
from tests.integration.months.trade import START


def main() -> int:
    """Make a month, live it, print the score."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.months", description=__doc__)
    parser.add_argument(
        "--payments", type=int, default=10_000, help="how many payments the month has (default 10000)"
    )
    parser.add_argument("--seed", default="1", help="the same seed makes the same month (default 1)")
    parser.add_argument(
        "--each", type=int, help="errors of each kind (default: one for every 1000 payments, 3 to 30)"
    )
    parser.add_argument(
        "--every", type=int, default=7, help="days between two runs that are held to the key (default 7)"
    )
    parser.add_argument("--kafka", action="store_true", help="events through a real Kafka, not one in memory")
    asked = parser.parse_args()
    each = asked.each or min(max(asked.payments // 1_000, 3), 30)
    plan = Plan(seed=asked.seed, payments=asked.payments, each=each, stops=stops(asked.every))
    with _desk(kafka=asked.kafka) as desk:
        month = _timed(f"month of {plan.payments} payments made", lambda: Month(plan))
        score = month.live(desk, report=_say)
        left = unexplained(desk, month.world, month.key.answers(plan.stops[-1]))
        parked = desk.rows("SELECT key FROM parked_keys")
    _print(score, month)
    unplanted = {kind.value for kind in BreakType} - {kind for _, kind in month.key.planted_breaks()}
    for kind in sorted(unplanted):
        _say(f"no {kind} is planted: the month says nothing of it")
    for wrong in left[:20]:
        _say(f"not explained to zero: {wrong}")
    verdict = "all" if not left else "NOT ALL"
    _say(f"payouts explained to zero but for named breaks: {verdict}; parked keys {len(parked)}")
    return 0 if not (score.missed or score.invented or left or parked or unplanted) else 1


def _print(score: Score, month: Month) -> None:
    planted: dict[str, int] = {}
    for _, kind in month.key.planted_breaks():
        planted[kind] = planted.get(kind, 0) + 1
    _say(
        f"{'type':38}{'planted':>8}{'due':>8}{'found':>8}{'missed':>8}{'false':>7}{'precision':>11}{'recall':>8}"
    )
    for kind in sorted({*score.types(), *planted}):
        counts = [len(sets[kind]) for sets in (score.expected, score.found, score.missed, score.invented)]
        _say(
            f"{kind:38}{planted.get(kind, 0):8}" + "".join(f"{count:8}" for count in counts[:3])
            + f"{counts[3]:7}{score.precision(kind):11.3f}{score.recall(kind):8.3f}"
        )  # fmt: skip
        for answer in [*sorted(score.missed[kind])[:3], *sorted(score.invented[kind])[:3]]:
            _say(f"    {answer}")
    for sets in (score.missed, score.invented):
        for kind in [kind for kind, answers in sets.items() if not answers]:
            del sets[kind]


def _say(what: str) -> None:
    print(what, flush=True)  # noqa: T201 - a command's output


def _timed(what: str, work: Callable[[], Month]) -> Month:
    started = time.monotonic()
    made = work()
    _say(f"{what} in {time.monotonic() - started:.1f} s")
    return made


@contextmanager
def _desk(*, kafka: bool) -> Iterator[MonthDesk]:
    """A database of its own, gone afterwards."""
    if POSTGRES_VARIABLE not in os.environ:
        raise SystemExit(
            f"{POSTGRES_VARIABLE} is not set: run it under `tieout infra --`, or by `make month`"
        )
    admin_url, name = os.environ[POSTGRES_VARIABLE], f"month_{UlidIds().new('')[-12:]}"
    urls = provision(admin_url, "reconciliation", name, password=TEST_PASSWORD)
    migrate(urls.owner, "reconciliation")
    broker = KafkaBroker(os.environ[KAFKA_VARIABLE], topic_prefix=f"{name}.") if kafka else None
    desk = MonthDesk(urls.app, end_of(START.date()), broker)
    desk.declare()
    try:
        yield desk
    finally:
        desk.close()
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


if __name__ == "__main__":
    sys.exit(main())
