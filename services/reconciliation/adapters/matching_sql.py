"""The statements of each pass of matching, made from the table of passes.

Members of a pass are what shares a key with anything that changed, or that left, and no earlier pass has claimed;
claims of this and later passes on them are released first. Within a partition the k-th line and the k-th item, by time
and then by key, belong together: two equal payments of one minute are two matches, in whichever order anything arrived.
Where nothing is named, only a line and an item that are each other's one candidate do.

Where everything is matched anew there are no groups to be told apart: the first pass takes both sides as they are, and
each later one what is left of the lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.reconciliation.domain.matching import PASSES, SEVERAL_RANKS, Key, Pass, Shape

_LINE_KEYS: Final = {
    Key.OBJECT: "l.object_id",
    Key.MONEY_ROW: "l.object_id",
    Key.OPERATION: "l.our_reference",
    Key.PAYMENT: "l.our_reference",
    Key.AMOUNT: "(l.gross_minor::text || l.currency)",
}
_ITEM_KEYS: Final = {
    Key.OBJECT: "i.object_id",
    Key.MONEY_ROW: "i.money_row_id",
    Key.OPERATION: "i.operation_id",
    Key.PAYMENT: "i.payment_id",
    Key.AMOUNT: "(i.amount_minor::text || i.currency)",
}
#: Claims of matches that have further rows: only those are in an index by match.
OF_SEVERAL: Final = f"rule_rank IN ({', '.join(map(str, SEVERAL_RANKS))})"
#: A line that names anything is never taken for something else.
_LINE_FILTERS: Final = {Key.AMOUNT: "l.object_id IS NULL AND l.our_reference IS NULL"}
_SAME_WAY: Final = ("processor", "account", "category")


@dataclass(frozen=True, slots=True)
class PassStatements:
    """What one pass runs, in this order."""

    passing: Pass
    gather_lines: str
    gather_items: str
    pair: str


def _gather_lines(one: Pass) -> str:
    return f"""
INSERT INTO group_lines (source, line_id)
SELECT l.source, l.line_id FROM ({_keys(one)}) AS shared
  JOIN matchable_lines AS l ON {_LINE_KEYS[one.key]} = shared.k
  LEFT JOIN claims AS c ON c.source = l.source AND c.line_id = l.line_id
 WHERE (c.match_id IS NULL OR c.rule_rank >= {one.rank}) AND {_line_filter(one)}
"""


def _gather_items(one: Pass) -> str:
    return f"""
INSERT INTO group_items (item_key)
SELECT i.item_key FROM ({_of_gathered_lines(one)}) AS shared
  JOIN matchable_items AS i ON {_ITEM_KEYS[one.key]} = shared.k{_nearby(one)}
  LEFT JOIN claims AS c ON c.item_key = i.item_key
 WHERE (c.match_id IS NULL OR c.rule_rank >= {one.rank}) AND i.standing = '{one.standing.value}'
"""


def _of_gathered_lines(one: Pass) -> str:
    """Keys, with the time of their lines: where there is no line of it, no item of it can be claimed."""
    return f"""
    SELECT {_LINE_KEYS[one.key]} AS k, min(l.occurred_at) AS first_at, max(l.occurred_at) AS last_at
      FROM group_lines JOIN matchable_lines AS l USING (source, line_id) WHERE {_line_filter(one)} GROUP BY 1"""


def _nearby(one: Pass) -> str:
    if one.shape is not Shape.ONLY_CANDIDATES:
        return ""
    far = f"interval '{int(one.within.total_seconds())} seconds'"
    return f" AND i.occurred_at BETWEEN shared.first_at - {far} AND shared.last_at + {far}"


def _line_filter(one: Pass) -> str:
    return _LINE_FILTERS.get(one.key, f"{_LINE_KEYS[one.key]} IS NOT NULL")


def _keys(one: Pass) -> str:
    line_key, item_key = _LINE_KEYS[one.key], _ITEM_KEYS[one.key]
    return f"""
    SELECT {line_key} AS k FROM dirty_lines JOIN matchable_lines AS l USING (source, line_id)
     WHERE {_line_filter(one)}
    UNION
    SELECT {item_key} FROM dirty_items JOIN matchable_items AS i USING (item_key)
     WHERE {item_key} IS NOT NULL AND i.standing = '{one.standing.value}'
    UNION
    SELECT k FROM dirty_keys WHERE kind = '{one.key.value}'"""


def _lines(one: Pass, among: str = "group_lines JOIN matchable_lines AS l USING (source, line_id)") -> str:
    return f"""
SELECT l.source, l.line_id, l.occurred_at, {_columns("l")}, {_LINE_KEYS[one.key]} AS k, sign(l.gross_minor) AS way,
       l.currency, l.gross_minor AS amount_minor
  FROM {among} WHERE {_line_filter(one)}"""


def _items(one: Pass, among: str = "group_items JOIN matchable_items AS i USING (item_key)") -> str:
    key = _ITEM_KEYS[one.key]
    return f"""
SELECT i.item_key, i.occurred_at, {_columns("i")}, {key} AS k, sign(i.amount_minor) AS way, i.currency, i.amount_minor
  FROM {among} WHERE {key} IS NOT NULL AND i.standing = '{one.standing.value}'"""


def _columns(side: str) -> str:
    return ", ".join(f"{side}.{column}" for column in _SAME_WAY)


def _one_to_one(one: Pass, lines: str, items: str) -> str:
    """Sorted by what differs first: most rows are told apart by their key."""
    money = ("amount_minor", "currency") if one.same_money else ("way",)
    by = ", ".join(("k", *money, *_SAME_WAY))
    numbered = "SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY occurred_at, {key}) AS n FROM ({side}) AS side"
    lines = numbered.format(by=by, key="source, line_id", side=lines)
    items = numbered.format(by=by, key="item_key", side=items)
    return f"""
INSERT INTO claims (match_id, rule, rule_rank, source, line_id, item_key, run_id)
SELECT l.source || ':' || l.line_id, '{one.rule.value}', {one.rank}, l.source, l.line_id, i.item_key, %(run_id)s
  FROM ({lines}) AS l JOIN ({items}) AS i USING ({by}, n)
"""


def _only_candidates(one: Pass) -> str:
    """Counted by a frame over both sides in the order of time: pairs would be the square of a group."""
    by = ", ".join((*_SAME_WAY, "k", "way", "currency", "amount_minor"))
    far = f"interval '{int(one.within.total_seconds())} seconds'"
    return f"""
WITH both_sides AS (
    SELECT source, line_id, NULL AS item_key, occurred_at, {by} FROM ({_lines(one)}) AS l
    UNION ALL SELECT NULL, NULL, item_key, occurred_at, {by} FROM ({_items(one)}) AS i),
counted AS (
    SELECT *, count(line_id) OVER near AS lines, count(item_key) OVER near AS items FROM both_sides
    WINDOW near AS (PARTITION BY {by} ORDER BY occurred_at RANGE BETWEEN {far} PRECEDING AND {far} FOLLOWING))
INSERT INTO claims (match_id, rule, rule_rank, source, line_id, item_key, run_id)
SELECT l.source || ':' || l.line_id, '{one.rule.value}', {one.rank}, l.source, l.line_id, i.item_key, %(run_id)s
  FROM (SELECT * FROM counted WHERE line_id IS NOT NULL AND items = 1) AS l
  JOIN (SELECT item_key, occurred_at, {by} FROM counted WHERE item_key IS NOT NULL AND lines = 1) AS i USING ({by})
 WHERE i.occurred_at BETWEEN l.occurred_at - {far} AND l.occurred_at + {far}
"""


_SEVERAL_LINES: Final = """
INSERT INTO claims (match_id, rule, rule_rank, source, line_id, item_key, run_id)
SELECT first_value(l.source || ':' || l.line_id) OVER several, '{rule}', {rank}, l.source, l.line_id,
       CASE WHEN row_number() OVER several = 1 THEN i.item_key END, %(run_id)s
  FROM (SELECT *, count(*) OVER parts AS lines, sum(amount_minor) OVER parts AS total FROM ({lines}) AS side
        WINDOW parts AS (PARTITION BY {by})) AS l
  JOIN (SELECT *, count(*) OVER (PARTITION BY {by}) AS items FROM ({items}) AS side) AS i USING ({by})
 WHERE lines > 1 AND items = 1 AND total = i.amount_minor
WINDOW several AS (PARTITION BY i.item_key ORDER BY l.occurred_at, l.source, l.line_id)
"""
_SEVERAL_ITEMS: Final = """
INSERT INTO claims (match_id, rule, rule_rank, source, line_id, item_key, run_id)
SELECT l.source || ':' || l.line_id, '{rule}', {rank},
       CASE WHEN row_number() OVER several = 1 THEN l.source END,
       CASE WHEN row_number() OVER several = 1 THEN l.line_id END, i.item_key, %(run_id)s
  FROM (SELECT *, count(*) OVER (PARTITION BY {by}) AS lines FROM ({lines}) AS side) AS l
  JOIN (SELECT *, count(*) OVER parts AS items, sum(amount_minor) OVER parts AS total FROM ({items}) AS side
        WINDOW parts AS (PARTITION BY {by})) AS i USING ({by})
 WHERE lines = 1 AND items > 1 AND total = l.amount_minor
WINDOW several AS (PARTITION BY l.source, l.line_id ORDER BY i.item_key)
"""


def _several(one: Pass, statement: str) -> str:
    by = (*_SAME_WAY, "k", "way", "currency")
    return statement.format(
        rule=one.rule.value, rank=one.rank, by=", ".join(by), lines=_lines(one), items=_items(one)
    )


def _pair(one: Pass) -> str:
    """What is claimed, and how many matches it is: each has one row that names both sides."""
    made = f"made AS ({_claim(one)} RETURNING line_id, item_key)"
    return f"WITH {made} SELECT count(*) FROM made WHERE line_id IS NOT NULL AND item_key IS NOT NULL"


def _claim(one: Pass) -> str:
    if one.shape is Shape.ONE_TO_ONE:
        return _one_to_one(one, _lines(one), _items(one))
    if one.shape is Shape.ONLY_CANDIDATES:
        return _only_candidates(one)
    several = _SEVERAL_LINES if one.shape is Shape.ONE_ITEM_SEVERAL_LINES else _SEVERAL_ITEMS
    return _several(one, several)


STATEMENTS: Final[tuple[PassStatements, ...]] = tuple(
    PassStatements(one, _gather_lines(one), _gather_items(one), _pair(one)) for one in PASSES
)
#: The first pass over both sides whole, where nothing is claimed yet.
PAIR_ALL: Final = _one_to_one(
    PASSES[0], _lines(PASSES[0], "matchable_lines AS l"), _items(PASSES[0], "matchable_items AS i")
)
_LINE_IS_FREE: Final = (
    " AND NOT EXISTS (SELECT FROM claims AS c WHERE c.source = l.source AND c.line_id = l.line_id)"
)
_ITEM_IS_FREE: Final = " AND NOT EXISTS (SELECT FROM claims AS c WHERE c.item_key = i.item_key)"
#: The same beside what is matched by hand.
PAIR_THE_REST: Final = _one_to_one(
    PASSES[0],
    _lines(PASSES[0], "matchable_lines AS l") + _LINE_IS_FREE,
    _items(PASSES[0], "matchable_items AS i") + _ITEM_IS_FREE,
)
#: Of everything, what the first pass left; then what each later one did.
GATHER_LEFT: Final = """
INSERT INTO group_lines (source, line_id)
SELECT l.source, l.line_id FROM matchable_lines AS l
 WHERE NOT EXISTS (SELECT FROM claims AS c WHERE c.source = l.source AND c.line_id = l.line_id)
"""
LEAVE_CLAIMED: Final = (
    "DELETE FROM group_lines AS g USING claims AS c WHERE c.source = g.source AND c.line_id = g.line_id"
)
#: Lines that everything left, and that may have been told of.
LEFT_IS_DIRTY: Final = (
    "INSERT INTO dirty_lines SELECT source, line_id, false FROM group_lines ON CONFLICT DO NOTHING"
)

_KEYS_LEFT: Final = """
       INSERT INTO dirty_keys SELECT DISTINCT kind, k FROM taken CROSS JOIN LATERAL (VALUES {former}) AS v(kind, k)
        WHERE k IS NOT NULL ON CONFLICT DO NOTHING"""
_LINE_KEYS_LEFT: Final = _KEYS_LEFT.format(
    former="('object', former_object_id), ('money_row', former_object_id), ('operation', former_reference),"
    " ('payment', former_reference), ('amount', former_amount)"
)
_ITEM_KEYS_LEFT: Final = _KEYS_LEFT.format(
    former="('object', former_object_id), ('money_row', former_money_row_id), ('operation', former_operation_id),"
    " ('payment', former_payment_id), ('amount', former_amount)"
)
#: What changed since the last run, and the groups that it left; later changes wait for the next one. What any touch
#: says is fresh no run has seen, whatever happened to it since.
TAKE_TOUCHED: Final = (
    f"""WITH taken AS (DELETE FROM touched_lines RETURNING *), keys AS ({_LINE_KEYS_LEFT})
       INSERT INTO dirty_lines SELECT source, line_id, bool_or(fresh) FROM taken GROUP BY source, line_id""",
    f"""WITH taken AS (DELETE FROM touched_items RETURNING *), keys AS ({_ITEM_KEYS_LEFT})
       INSERT INTO dirty_items SELECT item_key, bool_or(fresh) FROM taken GROUP BY item_key""",
    """WITH taken AS (DELETE FROM touched_names RETURNING name)
       INSERT INTO dirty_keys SELECT DISTINCT 'named', name FROM taken""",
)
TAKE_EVERYTHING: Final = (
    # Also what cannot be matched any more: its match is to be taken back.
    """WITH taken AS (DELETE FROM touched_lines RETURNING source, line_id, fresh)
       INSERT INTO dirty_lines SELECT DISTINCT source, line_id, false FROM taken WHERE NOT fresh""",
    "DELETE FROM touched_items",
    "DELETE FROM touched_names",
    "DELETE FROM claims",
)
#: Whatever was looked at: fresh lines that were claimed are dirty no more by then, hence once before and once after.
SUSPECT_DIRTY: Final = (
    "INSERT INTO suspect_lines SELECT source, line_id FROM dirty_lines ON CONFLICT DO NOTHING",
    "INSERT INTO suspect_items SELECT item_key FROM dirty_items ON CONFLICT DO NOTHING",
)
#: What came while this run was at work it may have seen: its touches stay, but nobody takes it for unseen.
LEAVE_SEEN: Final = (
    "UPDATE touched_lines SET fresh = false WHERE fresh",
    "UPDATE touched_items SET fresh = false WHERE fresh",
)
# Each claim by itself, and what else its match claims, where it claims more. Nobody else writes claims meanwhile.
_RELEASED: Final = """
WITH named AS (
    SELECT c.ctid AS place, match_id, rule_rank FROM claims AS c JOIN {lines} USING (source, line_id) {not_fresh}
    UNION SELECT c.ctid, match_id, rule_rank FROM claims AS c JOIN {items} USING (item_key) {not_fresh}),
gone AS (
    DELETE FROM claims WHERE ctid IN (
        SELECT place FROM named
        UNION SELECT c.ctid FROM named JOIN claims AS c USING (match_id) WHERE c.{several})
    RETURNING rule, source, line_id, item_key),
lines AS (
    INSERT INTO dirty_lines SELECT source, line_id, false FROM gone WHERE line_id IS NOT NULL
    ON CONFLICT (source, line_id) DO UPDATE SET fresh = false),
items AS (
    INSERT INTO dirty_items SELECT item_key, false FROM gone WHERE item_key IS NOT NULL
    ON CONFLICT (item_key) DO UPDATE SET fresh = false)
SELECT rule, count(*) FILTER (WHERE line_id IS NOT NULL AND item_key IS NOT NULL) FROM gone GROUP BY rule
"""
#: What changed is claimed anew: by what it was claimed with, too.
RELEASE_CHANGED: Final = _RELEASED.format(
    lines="dirty_lines", items="dirty_items", not_fresh="WHERE NOT fresh", several=OF_SEVERAL
)
RELEASE_GROUPS: Final = _RELEASED.format(
    lines="group_lines", items="group_items", not_fresh="", several=OF_SEVERAL
)
#: What was claimed leaves the groups of later passes, which have to be done over; unless no run has seen it there.
MARK_CLAIMED: Final = (
    """INSERT INTO dirty_lines SELECT g.source, g.line_id, false
         FROM group_lines AS g JOIN claims USING (source, line_id) ON CONFLICT DO NOTHING""",
    """INSERT INTO dirty_items SELECT g.item_key, false
         FROM group_items AS g JOIN claims USING (item_key) ON CONFLICT DO NOTHING""",
    "DELETE FROM dirty_lines AS d USING claims AS c WHERE d.fresh AND c.source = d.source AND c.line_id = d.line_id",
    "DELETE FROM dirty_items AS d USING claims AS c WHERE d.fresh AND c.item_key = d.item_key",
)
#: Lines that this run looked at and left without a claim: what was told of them is to be taken back.
HAVE_LEFT_TOLD: Final = """
INSERT INTO untold_lines (source, line_id)
SELECT d.source, d.line_id FROM dirty_lines AS d
 WHERE NOT EXISTS (SELECT FROM claims AS c WHERE c.source = d.source AND c.line_id = d.line_id)
   AND EXISTS (SELECT FROM announced_lines AS a WHERE a.source = d.source AND a.line_id = d.line_id)
 ORDER BY d.source, d.line_id
"""
EMPTY_GROUPS: Final = "TRUNCATE group_lines, group_items"
EMPTY_ITEMS: Final = "TRUNCATE group_items"
EMPTY_ALL: Final = (
    "TRUNCATE dirty_lines, dirty_items, dirty_keys, dirty_bank, group_lines, group_items, suspect_lines,"
    " suspect_items, suspect_events, wanted_allocations, wanted_breaks"
)
