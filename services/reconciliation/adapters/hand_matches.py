"""Repository of matches by hand: both sides as they stand, what was paired of them, and who decided what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.domain.hand_matches import HandMatch, HandState, Member, Pair

_COLUMNS: Final = tuple(field.name for field in fields(HandMatch))
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM hand_matches"
#: Whoever decides one of them at the same time waits, or is waited for.
_LOCK_BREAKS: Final = (
    "SELECT break_id FROM breaks WHERE subject = ANY(%(subjects)s) ORDER BY subject FOR UPDATE"
)
_LINES: Final = """
SELECT named.name, coalesce(l.revision, 0)::text AS said_by,
       m.line_id IS NOT NULL AND coalesce(l.announced, false) AS can_be_matched, s.processor, s.account, l.category,
       sign(l.gross_minor)::int AS way, l.currency, l.gross_minor AS amount_minor, c.rule, c.rule_rank,
       'line:' || coalesce(c.match_id, %(source)s::text || ':' || named.name) AS subject, b.state AS break_state,
       b.resolution, h.hand_match_id AS held_by
  FROM unnest(%(names)s::text[]) AS named(name)
  LEFT JOIN settlement_lines AS l ON l.source = %(source)s AND l.line_id = named.name AND l.stands
  LEFT JOIN matchable_lines AS m ON m.source = l.source AND m.line_id = l.line_id
  LEFT JOIN sources AS s ON s.source = l.source
  LEFT JOIN claims AS c ON c.source = l.source AND c.line_id = l.line_id
  LEFT JOIN breaks AS b ON b.subject = 'line:' || coalesce(c.match_id, l.source || ':' || l.line_id)
  LEFT JOIN hand_match_lines AS h ON h.source = l.source AND h.line_id = l.line_id AND h.holds
   AND h.hand_match_id <> %(own)s
 ORDER BY named.name COLLATE "C"
"""
_ITEMS: Final = """
SELECT named.name, coalesce(i.event_id, '') AS said_by, coalesce(i.standing = 'expected', false) AS can_be_matched,
       i.processor, i.account, i.category, sign(i.amount_minor)::int AS way, i.currency, i.amount_minor, c.rule,
       c.rule_rank, coalesce('line:' || c.match_id, 'item:' || named.name) AS subject, b.state AS break_state,
       b.resolution, h.hand_match_id AS held_by
  FROM unnest(%(names)s::text[]) AS named(name)
  LEFT JOIN our_items AS i ON i.item_key = named.name
  LEFT JOIN claims AS c ON c.item_key = i.item_key
  LEFT JOIN breaks AS b ON b.subject = coalesce('line:' || c.match_id, 'item:' || i.item_key)
  LEFT JOIN hand_match_items AS h ON h.item_key = i.item_key AND h.holds AND h.hand_match_id <> %(own)s
 ORDER BY named.name COLLATE "C"
"""
_TOLERANCE: Final = """
SELECT coalesce(max(tolerance_minor), 0) FROM tolerances
 WHERE source = %(source)s AND currency = %(currency)s AND field = 'gross'
"""
_ADD: Final = f"""
INSERT INTO hand_matches ({", ".join(_COLUMNS)}) VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
"""
_ADD_LINES: Final = """
INSERT INTO hand_match_lines (hand_match_id, source, line_id, revision)
SELECT %(hand_match_id)s, %(source)s, name, said_by::int
  FROM unnest(%(names)s::text[], %(said_by)s::text[]) AS r(name, said_by) ON CONFLICT DO NOTHING
"""
_ADD_ITEMS: Final = """
INSERT INTO hand_match_items (hand_match_id, item_key, event_id)
SELECT %(hand_match_id)s, name, said_by
  FROM unnest(%(names)s::text[], %(said_by)s::text[]) AS r(name, said_by) ON CONFLICT DO NOTHING
"""
_DECIDE: Final = """
UPDATE hand_matches SET state = %(state)s, approved_by = %(approved_by)s, back_proposed_by = %(back_proposed_by)s,
       back_approved_by = %(back_approved_by)s WHERE hand_match_id = %(hand_match_id)s
"""
_REMEMBER: Final = """
INSERT INTO hand_match_history (hand_match_id, from_state, to_state, actor, reason, at)
VALUES (%(hand_match_id)s, %(from_state)s, %(to_state)s, %(actor)s, %(reason)s, %(now)s)
"""
_NAMES: Final = """
SELECT 'line_ids', line_id, revision::text FROM hand_match_lines WHERE hand_match_id = %(hand_match_id)s
UNION ALL SELECT 'item_keys', item_key, event_id FROM hand_match_items WHERE hand_match_id = %(hand_match_id)s
 ORDER BY 1, 2
"""
_LIST: Final = f"""
{_SELECT} WHERE (%(state)s::text IS NULL OR state = %(state)s) AND (%(source)s::text IS NULL OR source = %(source)s)
 ORDER BY proposed_at DESC, hand_match_id DESC LIMIT %(limit)s
"""
_HISTORY: Final = """
SELECT from_state, to_state, actor, run_id, reason, at FROM hand_match_history
 WHERE hand_match_id = %(hand_match_id)s ORDER BY nth
"""


class StoredHandMatches:
    """Matches by hand of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def pair(self, source: str, line_ids: Sequence[str], item_keys: Sequence[str], own: str = "") -> Pair:
        """Both sides as they stand; breaks of theirs are this transaction's until it ends."""
        values: dict[str, Any] = {"source": source, "own": own}
        of_lines = values | {"names": list(line_ids)}
        of_items = values | {"names": list(item_keys)}
        lines, items = self._members(_LINES, of_lines), self._members(_ITEMS, of_items)
        subjects = [member.subject for member in (*lines, *items)]
        if self._connection.exec_driver_sql(_LOCK_BREAKS, {"subjects": subjects}).all():
            # Whoever held one of them until now may have decided it.
            lines, items = self._members(_LINES, of_lines), self._members(_ITEMS, of_items)
        tolerance = self._connection.exec_driver_sql(
            _TOLERANCE, {"source": source, "currency": lines[0].currency if lines else ""}
        ).scalar_one()
        return Pair(lines=lines, items=items, tolerance_minor=int(tolerance))

    def names(self, hand_match_id: str) -> dict[str, dict[str, str]]:
        """Of each side what was paired: its names, and by which revision or event it was said."""
        return _names(self._connection, hand_match_id)

    def awaited(self, subject: str) -> str | None:
        """The one agreed for a break's subject that the next run makes; asked once the break is locked."""
        found: str | None = self._connection.exec_driver_sql(
            "SELECT awaited_hand_match(%(subject)s)", {"subject": subject}
        ).scalar_one()
        return found

    def add(self, made: HandMatch, pair: Pair) -> bool:
        """Keep a proposal; false where somebody else holds one of its lines or items by now."""
        values = asdict(made) | {"state": made.state.value}
        self._connection.exec_driver_sql(_ADD, values)
        for statement, members in ((_ADD_LINES, pair.lines), (_ADD_ITEMS, pair.items)):
            said = {
                "names": [one.name for one in members],
                "said_by": [one.said_by for one in members],
                "hand_match_id": made.hand_match_id,
                "source": made.source,
            }
            if self._connection.exec_driver_sql(statement, said).rowcount != len(members):
                return False
        self._remember(made, None, made.proposed_by, made.reason)
        return True

    def locked(self, hand_match_id: str) -> HandMatch | None:
        """The match, which nobody else decides until this transaction ends."""
        rows = self._connection.exec_driver_sql(
            f"{_SELECT} WHERE hand_match_id = %(id)s FOR UPDATE", {"id": hand_match_id}
        ).mappings()
        return next((_made(row) for row in rows), None)

    def decide(self, decided: HandMatch, former: HandState, *, by: str, reason: str) -> None:
        """Store how it was decided, and add it to the history."""
        self._connection.exec_driver_sql(_DECIDE, asdict(decided) | {"state": decided.state.value})
        self._remember(decided, former, by, reason)

    def _members(self, statement: str, values: Mapping[str, Any]) -> list[Member]:
        return [_member(row) for row in self._connection.exec_driver_sql(statement, values).mappings()]

    def _remember(self, match: HandMatch, former: HandState | None, by: str, reason: str) -> None:
        values = {
            "hand_match_id": match.hand_match_id,
            "from_state": None if former is None else former.value,
            "to_state": match.state.value,
            "actor": by,
            "reason": reason,
            "now": self._now,
        }
        self._connection.exec_driver_sql(_REMEMBER, values)


def list_hand_matches(
    connection: sa.Connection, *, state: str | None, source: str | None, limit: int
) -> list[dict[str, Any]]:
    """Matches by hand, the newest proposal first."""
    values = {"state": state, "source": source, "limit": limit}
    return [dict(row) for row in connection.exec_driver_sql(_LIST, values).mappings()]


def one_hand_match(connection: sa.Connection, hand_match_id: str) -> dict[str, Any] | None:
    """One of them with what was paired and its history."""
    values = {"hand_match_id": hand_match_id}
    found = (
        connection.exec_driver_sql(f"{_SELECT} WHERE hand_match_id = %(hand_match_id)s", values)
        .mappings()
        .first()
    )
    if found is None:
        return None
    history = [dict(row) for row in connection.exec_driver_sql(_HISTORY, values).mappings()]
    named = _names(connection, hand_match_id)
    return dict(found) | {side: list(names) for side, names in named.items()} | {"history": history}


def _names(connection: sa.Connection, hand_match_id: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {"line_ids": {}, "item_keys": {}}
    for side, name, said_by in connection.exec_driver_sql(_NAMES, {"hand_match_id": hand_match_id}):
        found[side][name] = said_by
    return found


def _made(row: Mapping[Any, Any]) -> HandMatch:
    return HandMatch(**{**row, "state": HandState(row["state"])})


def _member(row: Mapping[Any, Any]) -> Member:
    said = {
        name: row[name]
        for name in (
            "name",
            "said_by",
            "can_be_matched",
            "rule",
            "rule_rank",
            "subject",
            "break_state",
            "resolution",
            "held_by",
        )
    }
    return Member(
        **said,
        kind=(row["processor"] or "", row["account"] or "", row["category"] or "", row["way"] or 0),
        currency=row["currency"] or "",
        amount_minor=row["amount_minor"] or 0,
    )
