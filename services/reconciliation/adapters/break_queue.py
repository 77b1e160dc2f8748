"""The queue of breaks, the most money at risk first: filtered, and a page at a time.

Over currencies money counts in major units: 100 EUR before 99 KWD before 98 JPY, whatever decimals each has. There are
no exchange rates here; whoever wants one currency's order filters by it. What nobody can count has two decimals.

A page goes on behind a place, whatever moved meanwhile: of what stood with the same money at risk all the time nothing
is left out, or shown twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.breaks import BREAK, shown, stored_break
from services.reconciliation.adapters.preferences import waits_for_file
from services.reconciliation.adapters.scale_sql import FINEST_SCALE, scale_of
from services.reconciliation.domain.break_life import UNSETTLED, BreakState
from shared.kernel.errors import Rejected

#: What a break ``b`` is ordered by: its money in the finest decimals that any currency has, integers of one size.
RANK: Final = f"(b.at_risk_minor::numeric * ('1e' || {FINEST_SCALE} - {scale_of('b.currency')})::numeric)"
# In hexadecimal: sixteen digits in an address are refused as a card's.
_PLACE: Final = re.compile("([0-9a-f]{1,20})_(brk_[0-9a-f]{26})")
_RANK_END: Final = 2**63 * 10**FINEST_SCALE
_LINE: Final = """split_part(b.subject, ':', 2),
       substr(b.subject, length(split_part(b.subject, ':', 1) || split_part(b.subject, ':', 2)) + 3)"""
_OF_A_LINE: Final = "(starts_with(b.subject, 'line:') OR starts_with(b.subject, 'residue:'))"
#: What each filter asks of a break.
_CONDITIONS: Final[Mapping[str, str]] = {
    "kind": "b.type = %(kind)s",
    "currency": "b.currency = %(currency)s",
    "owner": "b.owner = %(owner)s",
    "unowned": "b.owner IS NULL",
    "age_min_days": "b.since <= %(now)s - make_interval(days => %(age_min_days)s)",
    "at_risk_min_minor": "b.at_risk_minor >= %(at_risk_min_minor)s",
    "payout_id": f"""(
       b.subject IN (
           'payout:' || b.processor || ':' || b.account || ':' || %(payout_id)s || ':' || b.currency,
           'total:' || b.processor || ':' || b.account || ':' || %(payout_id)s || ':' || b.currency)
       OR {_OF_A_LINE} AND EXISTS (
           SELECT FROM settlement_lines AS l
            WHERE (l.source, l.line_id) = ({_LINE}) AND l.stands AND l.payout_id = %(payout_id)s))""",
    "file_id": f"""(
       b.subject = 'file:' || %(file_id)s OR {_OF_A_LINE} AND EXISTS (
           SELECT FROM settlement_lines AS l
            WHERE (l.source, l.line_id) = ({_LINE}) AND l.stands AND l.file_id = %(file_id)s)
       OR starts_with(b.subject, 'bank:') AND EXISTS (
           SELECT FROM bank_lines AS l
            WHERE (l.source, l.line_id) = ({_LINE}) AND l.stands AND l.file_id = %(file_id)s))""",
    "after_risk": f"""{RANK} <= %(after_risk)s
   AND ({RANK} < %(after_risk)s OR b.break_id > %(after_id)s)""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which breaks: all that fit everything that is said."""

    states: Sequence[BreakState] = UNSETTLED
    kind: str | None = None
    currency: str | None = None
    owner: str | None = None
    unowned: bool | None = None
    """True: only what is nobody's."""
    age_min_days: int | None = None
    at_risk_min_minor: int | None = None
    payout_id: str | None = None
    """The payout itself, its total, and lines of it."""
    file_id: str | None = None
    """The file itself, and lines whose standing reading is the file's."""
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of them, and where the next page begins; None behind the last."""

    breaks: Sequence[Mapping[str, Any]]
    next_cursor: str | None


def queue(connection: sa.Connection, now: datetime, wanted: Wanted, *, limit: int) -> Page:
    """Breaks that fit, the most money at risk first. Raises ``Rejected`` for a cursor that no page said."""
    values = asdict(wanted) | _place(wanted.cursor)
    conditions = [text for name, text in _CONDITIONS.items() if _is_said(values[name])]
    # The states as text, so that the partial indexes of what is unsettled are used.
    states = ", ".join(f"'{BreakState(state).value}'" for state in wanted.states)
    query = f"""
SELECT {", ".join(f"b.{name}" for name in BREAK)}, {waits_for_file("b")}, {RANK} AS rank FROM breaks AS b
 WHERE {" AND ".join([f"b.state IN ({states})", *conditions])}
 ORDER BY rank DESC, b.break_id LIMIT %(limit)s"""
    rows = connection.exec_driver_sql(query, values | {"now": now, "limit": limit + 1}).mappings().all()
    found = [
        shown(stored_break({name: row[name] for name in (*BREAK, "waits_for_file")}), now)
        for row in rows[:limit]
    ]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        breaks=found, next_cursor=None if last is None else f"{int(last['rank']):x}_{last['break_id']}"
    )


def _is_said(value: object) -> bool:
    return value is not None and value is not False


def _place(cursor: str | None) -> dict[str, Any]:
    if cursor is None:
        return {"after_risk": None, "after_id": None}
    parts = _PLACE.fullmatch(cursor)
    if parts is None or int(parts[1], 16) >= _RANK_END:
        raise Rejected(
            "cursor_invalid",
            "cursor: expected one that a page said as next_cursor",
            status=400,
            param="cursor",
            stored=False,
        )
    return {"after_risk": int(parts[1], 16), "after_id": parts[2]}
