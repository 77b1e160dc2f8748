"""A month taken in at its end, in whichever order and pieces, by a process that may be killed or have a twin.

As a program: ``python -m tests.integration.months.whole URL SEED HOW KILL_AT`` takes everything in, ``whole`` or in
``pieces``, closes the months, and kills itself with SIGKILL before its statement of that number; 0 lets it live.
Whoever comes after starts again from the beginning.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from services.reconciliation.adapters.day_pictures import day_pictures
from services.reconciliation.app.close_month import approve_close, propose_close
from services.reconciliation.app.work_out_days import work_out_days
from shared.kernel.months import Month as PeriodMonth
from shared.kernel.operators import Actor
from tests.integration.months.desk import ADA, MonthDesk
from tests.integration.months.key import end_of
from tests.integration.months.month import Month, Plan
from tests.integration.months.trade import START, Told
from tests.integration.months.world import FORMAT_OF, LAST_DAY, Delivery

PAYMENTS = 120
SPAN = timedelta(days=14)
BOB = Actor(name="bob", role="approver")
_OUTCOME = {
    "lines": """
        SELECT source, line_id, revision, payout_id, category, object_id, our_reference, currency, gross_minor,
               fee_minor, net_currency, net_minor, withdrawn, announced FROM settlement_lines WHERE stands""",
    "bank lines": """
        SELECT source, line_id, revision, currency, amount_minor, booked_on, value_on, returned
          FROM bank_lines WHERE stands""",
    "payouts": """
        SELECT processor, account, payout_id, currency, stated_net_minor, lines_net_minor, line_count, closed_at,
               bank_reference, expected_on FROM payouts""",
    "items": "SELECT * FROM our_items",
    "given up": "SELECT * FROM given_up",
    "facts": "SELECT * FROM told_facts",
    "claims": "SELECT match_id, rule, source, line_id, item_key FROM claims",
    "breaks": """
        SELECT break_id, subject, type, state, currency, ours_minor, theirs_minor, at_risk_minor
          FROM breaks WHERE state <> 'SELF_CLOSED'""",
    "allocations": """
        SELECT source, line_id, processor, account, payout_id, currency, sum(amount_minor)
          FROM payout_allocations GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(amount_minor) <> 0""",
    "told lines": "SELECT source, line_id, revision FROM announced_lines",
    # The last word about each line's reading: that of its acceptance, or of a match that was told, or taken back, since.
    "told matches": """
        SELECT a.source, a.line_id, a.revision, CASE WHEN t.line_id IS NULL THEN a.payment_id ELSE t.payment_id END,
               CASE WHEN t.line_id IS NULL THEN a.object_id ELSE t.object_id END
          FROM announced_lines AS a LEFT JOIN (
               SELECT DISTINCT ON (source, line_id, revision) * FROM told_matches
                ORDER BY source, line_id, revision, match_number DESC) AS t USING (source, line_id, revision)""",
    "evidence": """
        SELECT processor, account, object_id, category, payment_id, source, line_id, revision FROM told_objects""",
    "history": """
        SELECT DISTINCT ON (break_id) break_id, to_state, h.type, h.currency, h.ours_minor, h.theirs_minor, h.at_risk_minor
          FROM break_history AS h JOIN breaks AS b USING (break_id) WHERE b.state <> 'SELF_CLOSED'
         ORDER BY break_id, nth DESC""",
    "days worked out": "SELECT day FROM daily_runs",
    "day figures": "SELECT * FROM day_figures",
    "closes": """
        SELECT p.period, p.state, p.proposed_by, p.decided_by, c.starts_at, c.ends_at
          FROM period_closes AS p LEFT JOIN closed_periods AS c USING (close_id)""",
    "closed rolls": "SELECT * FROM period_rolls",
    "closed positions": "SELECT * FROM period_positions",
    "closed breaks": "SELECT * FROM period_breaks",
    "closed late": "SELECT * FROM period_late",
    "closed items": "SELECT period, item_key, standing, amount_minor, currency, object_id FROM period_items",
    "parked": "SELECT key FROM parked_keys",
}
"""Everything that a month comes to. Ids of files, runs and events, and what came and went on the way, are left out."""


def month_of(seed: str) -> Month:
    """The same seed, the same month."""
    return Month(Plan(seed=seed, payments=PAYMENTS, each=1, stops=(LAST_DAY,)))


def at_its_end(url: str) -> MonthDesk:
    """The service when all is over."""
    return MonthDesk(url, end_of(LAST_DAY))


def take_in_whole(desk: MonthDesk, month: Month) -> None:
    """Everything at once, from the beginning, whatever of it was done before."""
    desk.declare()
    month.tell(desk)
    desk.take_in(month.world.files(START.date(), LAST_DAY))
    desk.announce()
    desk.match()


def finish(desk: MonthDesk) -> None:
    """Tell what proves something, work the last day out, and let two people close what is over, as far as they had not."""
    while desk.run(lambda uow: uow.reporting.tell(timedelta(0))):
        pass
    desk.run(work_out_days)
    month = PeriodMonth.read(f"{START:%Y-%m}")
    while month.ends_at <= desk.clock.now():
        _close(desk, month)
        month = month.next


def _close(desk: MonthDesk, month: PeriodMonth) -> None:
    query = f"SELECT close_id, state FROM period_closes WHERE period = '{month}' AND state <> 'REJECTED'"
    if not desk.rows(query):
        desk.run(lambda uow: propose_close(month, "it is over", ADA, uow))
    ((close_id, state),) = desk.rows(query)
    if state == "PROPOSED":
        desk.run(lambda uow: approve_close(close_id, "as I read it", BOB, uow))


def take_in_pieces(desk: MonthDesk, month: Month, dice: random.Random) -> None:
    """Payments and files in any order, reports cut anywhere, some twice, and a run whenever the dice say so."""
    desk.declare()
    streams = [made.told for made in month.stories]
    dice.shuffle(streams)
    steps = [
        _publishing(desk, [told for stream in streams[at : at + 30] for told in stream], month)
        for at in range(0, len(streams), 30)
    ]
    unexplained = month.key.unexplained
    steps.append(lambda: [desk.post_unexplained(*each) for each in unexplained] and None)
    pieces = [piece for file in _spans(month) for piece in _cut(file, dice)]
    pieces += dice.sample(pieces, len(pieces) // 5)
    steps += [lambda piece=piece: desk.take_in([piece]) for piece in pieces]
    dice.shuffle(steps)
    for step in steps:
        step()
        if dice.random() < 0.08:
            desk.consume()
            desk.announce()
            desk.match()
    desk.consume()
    desk.announce()
    desk.match()


def _publishing(desk: MonthDesk, told: Sequence[Told], month: Month) -> Callable[[], None]:
    return lambda: desk.publish(told, but=month.key.unposted)


def _spans(month: Month) -> list[Delivery]:
    files, first = [], START.date()
    while first <= LAST_DAY:
        files += list(month.world.files(first, min(first + SPAN - timedelta(days=1), LAST_DAY)))
        first += SPAN
    return files


def _cut(file: Delivery, dice: random.Random) -> list[Delivery]:
    """A report in up to three files, between any two rows; statements have balances, and come whole."""
    head, *rows = file.content.splitlines(keepends=True)
    if file.source not in FORMAT_OF or len(rows) < 2:
        return [file]
    cuts = sorted({0, len(rows), *(dice.randrange(1, len(rows)) for _ in range(2))})
    return [
        Delivery(file.source, f"{n}-{file.name}", b"".join([head, *rows[start:end]]))
        for n, (start, end) in enumerate(pairwise(cuts))
    ]


def outcome(desk: MonthDesk) -> dict[str, Any]:
    """What it all came to, comparable."""
    found: dict[str, Any] = {name: sorted(desk.rows(query), key=repr) for name, query in _OUTCOME.items()}
    last = LAST_DAY + timedelta(days=1)
    pictures = desk.run(lambda uow: day_pictures(uow.connection, START.date(), last))
    return found | {"explained": desk.explained(), "days": desk.days(), "pictures": pictures}


def _dies_at(desk: MonthDesk, number: int) -> None:
    count = 0

    def before(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(desk.engine, "before_cursor_execute", before)


def main(url: str, seed: str, how: str, kill_at: str) -> None:
    """Take it all in, unless it is killed; in pieces each time in another order."""
    desk = at_its_end(url)
    _dies_at(desk, int(kill_at))
    if how == "whole":
        take_in_whole(desk, month_of(seed))
    else:
        take_in_pieces(desk, month_of(seed), random.Random(f"{seed} {kill_at}"))  # noqa: S311 - a seed must replay
    finish(desk)
    desk.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
