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
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from services.reconciliation.adapters.day_pictures import day_pictures
from services.reconciliation.adapters.file_breaks_sql import HOLDING_UP
from services.reconciliation.app.close_month import approve_close, propose_close, reject_close
from services.reconciliation.app.prefer_file import ask_to_prefer
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.app.work_out_days import work_out_days
from services.reconciliation.entrypoints.worker import prefer_one
from shared.kernel.months import Month as PeriodMonth
from tests.integration.months.corrections import corrections
from tests.integration.months.desk import ADA, MonthDesk
from tests.integration.months.key import end_of
from tests.integration.months.month import Month, Plan
from tests.integration.months.people import BOB, approved
from tests.integration.months.trade import START, Told
from tests.integration.months.world import FORMAT_OF, LAST_DAY, Delivery

PAYMENTS = 120
SPAN = timedelta(days=14)
CORRECTED = "corrected"
_DAY = timedelta(days=1)
_OUTCOME = {
    "lines": """
        SELECT source, line_id, payout_id, category, object_id, our_reference, currency, gross_minor,
               fee_minor, net_currency, net_minor, announced FROM settlement_lines WHERE stands AND NOT withdrawn""",
    "bank lines": """
        SELECT source, line_id, currency, amount_minor, booked_on, value_on, returned
          FROM bank_lines WHERE stands AND NOT withdrawn""",
    "payouts": """
        SELECT processor, account, payout_id, currency, stated_net_minor, lines_net_minor, line_count, closed_at,
               bank_reference, expected_on FROM payouts""",
    "items": "SELECT * FROM our_items",
    "given up": "SELECT * FROM given_up",
    "facts": "SELECT * FROM told_facts",
    "claims": "SELECT match_id, rule, source, line_id, item_key FROM claims",
    "breaks": """
        SELECT subject, type, state, CASE WHEN type <> 'unreadable_lines' THEN currency END, ours_minor, theirs_minor,
               at_risk_minor FROM breaks WHERE state <> 'SELF_CLOSED'""",
    "allocations": """
        SELECT source, line_id, processor, account, payout_id, currency, sum(amount_minor)
          FROM payout_allocations GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(amount_minor) <> 0""",
    "told lines": """
        SELECT source, line_id FROM announced_lines JOIN settlement_lines USING (source, line_id, revision)
         WHERE stands AND NOT withdrawn""",
    # The last word about each line's reading: that of its acceptance, or of a match that was told, or taken back, since.
    "told matches": """
        SELECT a.source, a.line_id, CASE WHEN t.line_id IS NULL THEN a.payment_id ELSE t.payment_id END,
               CASE WHEN t.line_id IS NULL THEN a.object_id ELSE t.object_id END
          FROM announced_lines AS a JOIN (SELECT source, line_id, revision FROM settlement_lines
                                           WHERE stands AND NOT withdrawn) AS l USING (source, line_id, revision)
          LEFT JOIN (
               SELECT DISTINCT ON (source, line_id, revision) * FROM told_matches
                ORDER BY source, line_id, revision, match_number DESC) AS t USING (source, line_id, revision)""",
    "evidence": """
        SELECT processor, account, object_id, category, payment_id, source, line_id FROM told_objects""",
    "history": """
        SELECT DISTINCT ON (break_id) b.subject, to_state, h.type,
               CASE WHEN h.type <> 'unreadable_lines' THEN h.currency END, h.ours_minor, h.theirs_minor, h.at_risk_minor
          FROM break_history AS h JOIN breaks AS b USING (break_id) WHERE b.state <> 'SELF_CLOSED'
         ORDER BY break_id, nth DESC""",
    "days worked out": "SELECT day FROM daily_runs",
    "day figures": "SELECT * FROM day_figures",
    "closes": """
        SELECT p.period, p.state, p.proposed_by, p.decided_by, c.starts_at, c.ends_at
          FROM period_closes AS p LEFT JOIN closed_periods AS c USING (close_id) WHERE p.state <> 'REJECTED'""",
    "closed rolls": "SELECT * FROM period_rolls",
    "closed positions": "SELECT * FROM period_positions",
    "closed breaks": "SELECT period, subject, type, state, currency, at_risk_minor FROM period_breaks",
    "closed late": "SELECT * FROM period_late",
    "closed items": "SELECT period, item_key, standing, amount_minor, currency, object_id FROM period_items",
    "parked": "SELECT key FROM parked_keys",
}
"""Everything that a month comes to. Ids of files, runs and events, and what came and went on the way, are left out: of a line
that was corrected how often it was read, too, and whether a line was ever there that no file has which holds."""
_IN_ORDER = """
SELECT b.subject, f.file_id, f.name, e.file_id, e.name
  FROM breaks AS b JOIN report_files AS f ON f.file_id = split_part(b.subject, ':', 2)
  JOIN report_files AS e ON e.file_id = split_part(b.subject, ':', 3)
 WHERE b.type = 'file_order_unknown' AND b.state = 'OPEN'"""
_IN_DOUBT = (
    "SELECT break_id, state FROM breaks WHERE type = ANY (ARRAY[{types}]) AND state IN ('OPEN', 'PROPOSED')"
)


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
    desk.take_in(files_of(month))
    desk.announce()
    desk.match()


def finish(desk: MonthDesk) -> None:
    """Let people say which files hold and what they lack, tell what proves something, work the last day out, and let two
    people close what is over, as far as they had not.
    """
    _prefer(desk)
    _accept(desk)
    desk.tell_what_is_proved()
    desk.run(work_out_days)
    month = PeriodMonth.read(f"{START:%Y-%m}")
    while month.ends_at <= desk.clock.now():
        _close(desk, month)
        month = month.next


def _prefer(desk: MonthDesk) -> None:
    """Of two files the one holds that corrects, or else the one that is no first edition; what corrects says so last."""
    _hold(desk)
    while open_orders := desk.rows(_IN_ORDER):
        pairs = [
            max((_rank(name), file_id), (_rank(former), former_id))
            for _, file_id, name, former_id, former in open_orders
        ]
        _, file_id = min(pairs)
        desk.run(lambda uow, file_id=file_id: ask_to_prefer(file_id, "it is the right one", ADA, uow))
        _hold(desk)


def _hold(desk: MonthDesk) -> None:
    """Have what was asked for done, by whoever was killed before it too."""
    while prefer_one(desk.transactions):
        pass
    desk.announce()
    desk.match()


def _rank(name: str) -> int:
    if name.startswith(CORRECTED):
        return 2
    return 0 if name.startswith("original") or "first" in name else 1


def _accept(desk: MonthDesk) -> None:
    types = ", ".join(f"'{kind.value}'" for kind in HOLDING_UP)
    for break_id, state in desk.rows(_IN_DOUBT.format(types=types)):
        if state == "OPEN":
            desk.run(
                lambda uow, break_id=break_id: propose_acceptance(break_id, "as it was planted", ADA, uow)
            )
        approved(desk, break_id)


def _close(desk: MonthDesk, month: PeriodMonth) -> None:
    query = f"SELECT close_id, state FROM period_closes WHERE period = '{month}' AND state <> 'REJECTED'"
    # Whoever was killed behind a proposal began again with other pieces: what was proposed has other files.
    for close_id, state in desk.rows(query):
        if state == "PROPOSED":
            desk.run(lambda uow, close_id=close_id: reject_close(close_id, "files came since", ADA, uow))
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
    pieces = [piece for file in files_of(month) for piece in _cut(file, dice)]
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


def files_of(month: Month) -> list[Delivery]:
    """All files, and before those that were corrected their originals."""
    corrected = {(each.source, each.day): each.original for each in corrections(month.world)}
    files = list(corrected.values())
    for first, last in _spans({day for _, day in corrected}):
        for file in month.world.files(first, last):
            of_its_own = (file.source, first) in corrected and "first" not in file.name
            name = f"{CORRECTED}-{file.name}" if of_its_own else file.name
            files.append(Delivery(file.source, name, file.content))
    return files


def _spans(alone: Collection[date]) -> Iterator[tuple[date, date]]:
    """Weeks by twos, but that some days are by themselves."""
    first = START.date()
    while first <= LAST_DAY:
        last = min(first + SPAN, LAST_DAY + _DAY) - _DAY
        days = [day for day in alone if first < day <= last]
        if first in alone:
            last = first
        elif days:
            last = min(days) - _DAY
        yield first, last
        first = last + _DAY


def _cut(file: Delivery, dice: random.Random) -> list[Delivery]:
    """A report in up to three files, between any two rows; statements have balances and come whole, as what is corrected."""
    head, *rows = file.content.splitlines(keepends=True)
    if file.source not in FORMAT_OF or len(rows) < 2 or _rank(file.name) == 2 or "original" in file.name:
        return [file]
    cuts = sorted({0, len(rows), *(dice.randrange(1, len(rows)) for _ in range(2))})
    return [
        Delivery(file.source, f"{n}-{file.name}", b"".join([head, *rows[start:end]]))
        for n, (start, end) in enumerate(pairwise(cuts))
    ]


def outcome(desk: MonthDesk) -> dict[str, Any]:
    """What it all came to, comparable."""
    sources = dict(desk.rows("SELECT 'file:' || file_id, source FROM report_files"))
    found: dict[str, Any] = {
        name: sorted(_by_source(desk.rows(query), sources), key=repr) for name, query in _OUTCOME.items()
    }
    pictures = desk.run(lambda uow: day_pictures(uow.connection, START.date(), LAST_DAY + _DAY))
    explained = [{**row, "unread_lines": len(row["unread_lines"])} for row in desk.explained()]
    return found | {"explained": explained, "days": desk.days(), "pictures": pictures}


def _by_source(rows: list[tuple[Any, ...]], sources: dict[str, str]) -> list[tuple[Any, ...]]:
    """In which piece of a source's files a row is that nobody could read does not count, nor of which money it tells else."""
    named = [
        tuple(sources.get(value, value) if isinstance(value, str) else value for value in row) for row in rows
    ]
    return [row for nth, row in enumerate(named) if row == rows[nth] or row not in named[:nth]]


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
