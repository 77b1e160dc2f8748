"""What is known of a payment, an object of a processor, or a line: both sides, what matched them and by which rule.

From what is asked for it goes to everything that is matched with it, that names the same, and to the payouts, the
bank's credits and the breaks of all that. Each step is looked up by a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters import tables
from services.reconciliation.domain.matching import BY_HAND, PASSES, SEVERAL_RANKS
from shared.kernel.errors import Rejected

ROWS_MAX: Final = 1_000
"""Of each side, looked up by what is asked for; what has more is no trace any more, and says so (`truncated`)."""
_WHY: Final = {one.rule.value: one.why for one in (BY_HAND, *PASSES)}
_ITEMS: Final = """
SELECT item_key FROM our_items WHERE payment_id = %(payment_id)s
UNION SELECT item_key FROM our_items WHERE object_id = %(object_id)s
 ORDER BY item_key LIMIT %(rows_max)s
"""
_NAMED: Final = """
WITH names AS (SELECT object_id, operation_id, payment_id FROM our_items WHERE item_key = ANY(%(item_keys)s))
SELECT source, line_id FROM settlement_lines
 WHERE stands AND object_id IN (SELECT object_id FROM names UNION ALL SELECT %(object_id)s)
UNION
SELECT source, line_id FROM settlement_lines
 WHERE stands AND our_reference IN (
       SELECT operation_id FROM names UNION ALL SELECT payment_id FROM names UNION ALL SELECT %(payment_id)s)
 ORDER BY source, line_id LIMIT %(rows_max)s
"""
# The one row of most matches names both sides; of the others a row names one, and only they are looked up by match.
_MATCHED: Final = f"""
WITH found AS MATERIALIZED (
    SELECT * FROM claims WHERE item_key = ANY(%(item_keys)s)
    UNION
    SELECT c.* FROM unnest(%(sources)s::text[], %(line_ids)s::text[]) AS l(source, line_id)
      JOIN claims AS c ON c.source = l.source AND c.line_id = l.line_id)
SELECT * FROM found
UNION
SELECT c.* FROM claims AS c
 WHERE c.rule_rank IN ({", ".join(map(str, SEVERAL_RANKS))}) AND c.match_id IN (SELECT match_id FROM found)
"""
_OUR_SIDE: Final = """
SELECT item_key, kind, category, standing, payment_id, operation_id, processor, account, object_id, amount_minor,
       currency, occurred_at, expected_by
  FROM our_items WHERE item_key = ANY(%(item_keys)s) ORDER BY occurred_at, item_key
"""
_REVISIONS: Final = f"""
SELECT n.source, n.line_id, n.revision, n.stands, n.withdrawn, n.announced, n.file_id, n.line_number,
       {", ".join(f"n.{name}" for name in tables.SETTLEMENT_LINE)}, a.event_id AS told_as, a.announced_at AS told_at
  FROM unnest(%(sources)s::text[], %(line_ids)s::text[]) AS l(source, line_id)
  JOIN settlement_lines AS n ON n.source = l.source AND n.line_id = l.line_id
  LEFT JOIN announced_lines AS a ON (a.source, a.line_id, a.revision) = (n.source, n.line_id, n.revision)
 ORDER BY n.source, n.line_id, n.revision
"""
_PAYOUTS: Final = """
SELECT DISTINCT p.processor, p.account, p.payout_id, p.currency, p.stated_net_minor, p.lines_net_minor, p.closed_at,
       p.expected_on, p.bank_reference
  FROM unnest(%(sources)s::text[], %(payout_ids)s::text[]) AS l(source, payout_id)
  JOIN payouts AS p ON p.source = l.source AND p.payout_id = l.payout_id
 ORDER BY p.processor, p.account, p.payout_id, p.currency
"""
_CREDITS: Final = """
SELECT a.processor, a.account, a.payout_id, a.currency, a.source, a.line_id, a.allocation_number, a.amount_minor,
       a.returned, a.rule, a.allocated_at
  FROM unnest(%(processors)s::text[], %(accounts)s::text[], %(payout_ids)s::text[], %(currencies)s::text[])
       AS p(processor, account, payout_id, currency)
  JOIN payout_allocations AS a USING (processor, account, payout_id, currency)
 ORDER BY a.allocated_at, a.source, a.line_id, a.allocation_number
"""
_BREAKS: Final = """
SELECT break_id, subject, type, state, currency, at_risk_minor, opened_at FROM breaks
 WHERE subject = ANY(%(subjects)s) OR payment_id = ANY(%(payment_ids)s) ORDER BY opened_at, break_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One of these: a payment, an object of a processor, or a line of a source."""

    payment_id: str | None = None
    object_id: str | None = None
    source: str | None = None
    line_id: str | None = None


def trace(connection: sa.Connection, asked: Asked) -> dict[str, Any]:
    """Both sides with the rule that matched them, payouts with their credits, and breaks; whether a side has more.

    Raises ``Rejected`` where it is not said what is asked for, or nothing of it is known.
    """
    _check_one(asked)
    return _Trace(connection, asked).followed()


def _check_one(asked: Asked) -> None:
    said = [asked.payment_id, asked.object_id, asked.line_id]
    if sum(one is not None for one in said) != 1 or (asked.source is None) != (asked.line_id is None):
        raise Rejected(
            "trace_of_one",
            "a trace is of one payment_id, of one object_id, or of one line_id with its source",
            status=400,
            param="payment_id",
            stored=False,
        )


class _Trace:
    def __init__(self, connection: sa.Connection, asked: Asked) -> None:
        self._connection = connection
        self._asked = asked

    def followed(self) -> dict[str, Any]:
        asked = self._asked
        # One more than is shown: it says that there are more.
        names = {"payment_id": asked.payment_id, "object_id": asked.object_id, "rows_max": ROWS_MAX + 1}
        ours_named = self._rows(_ITEMS, names)
        items = {row["item_key"] for row in ours_named[:ROWS_MAX]}
        lines: set[tuple[str | None, str | None]] = set()
        if asked.line_id is not None:
            lines.add((asked.source, asked.line_id))
        named = self._rows(_NAMED, names | {"item_keys": sorted(items)}) if asked.line_id is None else []
        lines |= {(row["source"], row["line_id"]) for row in named[:ROWS_MAX]}
        matched = self._rows(_MATCHED, {"item_keys": sorted(items), **_of(lines)})
        items |= {row["item_key"] for row in matched if row["item_key"] is not None}
        lines |= {(row["source"], row["line_id"]) for row in matched if row["line_id"] is not None}
        ours = self._rows(_OUR_SIDE, {"item_keys": sorted(items)})
        revisions = self._rows(_REVISIONS, _of(lines))
        if not ours and not revisions:
            raise Rejected("nothing_known", "neither side has said anything of it", status=404, stored=False)
        by_item = {row["item_key"]: _match(row) for row in matched if row["item_key"] is not None}
        by_line = {
            (row["source"], row["line_id"]): _match(row) for row in matched if row["line_id"] is not None
        }
        return {
            "items": [row | {"match": by_item.get(row["item_key"])} for row in ours],
            "lines": [
                row | {"match": by_line.get((row["source"], row["line_id"])) if row["stands"] else None}
                for row in revisions
            ],
            "payouts": self._payouts(revisions),
            "breaks": self._breaks(items, lines, matched, ours),
            "truncated": max(len(ours_named), len(named)) > ROWS_MAX,
        }

    def _payouts(self, revisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        named = sorted(
            {(row["source"], row["payout_id"]) for row in revisions if row["stands"] and row["payout_id"]}
        )
        payouts = self._rows(
            _PAYOUTS, {"sources": [one for one, _ in named], "payout_ids": [one for _, one in named]}
        )
        credited = self._rows(
            _CREDITS,
            {
                "processors": [row["processor"] for row in payouts],
                "accounts": [row["account"] for row in payouts],
                "payout_ids": [row["payout_id"] for row in payouts],
                "currencies": [row["currency"] for row in payouts],
            },
        )
        key = ("processor", "account", "payout_id", "currency")
        return [
            payout
            | {
                "credits": [
                    {name: value for name, value in credit.items() if name not in key}
                    for credit in credited
                    if all(credit[name] == payout[name] for name in key)
                ]
            }
            for payout in payouts
        ]

    def _breaks(
        self,
        items: set[str],
        lines: set[tuple[str | None, str | None]],
        matched: list[dict[str, Any]],
        ours: list[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        subjects = {f"item:{key}" for key in items} | {f"line:{row['match_id']}" for row in matched}
        subjects |= {f"{what}:{source}:{line}" for source, line in lines for what in ("line", "residue")}
        payments = sorted({row["payment_id"] for row in ours})
        return self._rows(_BREAKS, {"subjects": sorted(subjects), "payment_ids": payments})

    def _rows(self, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.exec_driver_sql(query, values).mappings()]


def _of(lines: set[tuple[str | None, str | None]]) -> dict[str, list[str | None]]:
    ordered = sorted(lines, key=str)
    return {"sources": [source for source, _ in ordered], "line_ids": [line for _, line in ordered]}


def _match(row: Mapping[str, Any]) -> dict[str, Any]:
    """Which match, by which rule and why, as the last run left it."""
    return {
        "match_id": row["match_id"],
        "rule": row["rule"],
        "why": _WHY.get(row["rule"]),
        "run_id": row["run_id"],
    }
