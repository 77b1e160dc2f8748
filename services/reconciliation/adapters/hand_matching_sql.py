"""The pass by hand: what two people agreed is claimed before any rule, as whole as they agreed it or not at all.

A line is claimed in the revision that was read, and an item with the word that was read about it. So what is claimed is
a function of what is agreed and of what stands, whenever a run looks; that one is outdated is only said beside it.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.adapters.matching_sql import PassStatements
from services.reconciliation.domain.matching import BY_HAND

# Locked, so that whoever decides about one just now has decided.
OUTDATE: Final = """
WITH outdated AS (
    SELECT hand_match_id, state FROM hand_matches AS m
     WHERE state IN ('PROPOSED', 'APPROVED', 'BACK_PROPOSED') AND (
           EXISTS (SELECT FROM hand_match_lines AS h
                     JOIN settlement_lines AS l ON (l.source, l.line_id, l.revision) = (h.source, h.line_id, h.revision)
                    WHERE h.hand_match_id = m.hand_match_id AND (NOT l.stands OR l.withdrawn))
        OR EXISTS (SELECT FROM hand_match_items AS h JOIN our_items AS i USING (item_key)
                    WHERE h.hand_match_id = m.hand_match_id
                      AND (i.event_id <> h.event_id OR i.standing <> 'expected')))
     ORDER BY hand_match_id FOR UPDATE),
ended AS (
    UPDATE hand_matches AS m SET state = 'OUTDATED' FROM outdated AS o WHERE m.hand_match_id = o.hand_match_id)
INSERT INTO hand_match_history (hand_match_id, from_state, to_state, run_id, reason, at)
SELECT hand_match_id, state, 'OUTDATED', %(run_id)s, 'a line was amended, or an item has another word', now()
  FROM outdated ORDER BY hand_match_id
"""
# Of whatever changed, all that was agreed to belong to it.
_GATHER_LINES: Final = """
INSERT INTO group_lines (source, line_id)
SELECT source, line_id FROM agreed_lines
 WHERE hand_match_id IN (
    SELECT hand_match_id FROM dirty_lines JOIN agreed_lines USING (source, line_id)
    UNION SELECT hand_match_id FROM dirty_items JOIN agreed_items USING (item_key))
"""
_GATHER_ITEMS: Final = """
INSERT INTO group_items (item_key)
SELECT item_key FROM agreed_items
 WHERE hand_match_id IN (SELECT hand_match_id FROM group_lines JOIN agreed_lines USING (source, line_id))
"""
# The first row names both sides, each further one a line or an item.
_PAIR: Final = f"""
WITH lines AS (
    SELECT a.hand_match_id, source, line_id, row_number() OVER one_match AS n
      FROM agreed_lines AS a {{among}} JOIN matchable_lines AS l USING (source, line_id, revision)
    WINDOW one_match AS (PARTITION BY a.hand_match_id ORDER BY line_id)),
items AS (
    SELECT a.hand_match_id, item_key, row_number() OVER one_match AS n
      FROM agreed_items AS a JOIN matchable_items AS i USING (item_key, event_id)
     WHERE i.standing = '{BY_HAND.standing.value}'
    WINDOW one_match AS (PARTITION BY a.hand_match_id ORDER BY item_key)),
whole AS (
    SELECT hand_match_id, min(source || ':' || line_id) AS match_id FROM lines GROUP BY hand_match_id
    HAVING count(*) = (SELECT count(*) FROM agreed_lines AS a WHERE a.hand_match_id = lines.hand_match_id)
       AND (SELECT count(*) FROM items AS i WHERE i.hand_match_id = lines.hand_match_id)
         = (SELECT count(*) FROM agreed_items AS a WHERE a.hand_match_id = lines.hand_match_id)),
made AS (
    INSERT INTO claims (match_id, rule, rule_rank, source, line_id, item_key, run_id)
    SELECT w.match_id, '{BY_HAND.rule.value}', {BY_HAND.rank}, l.source, l.line_id, i.item_key, %(run_id)s
      FROM whole AS w JOIN lines AS l USING (hand_match_id)
      LEFT JOIN items AS i ON i.hand_match_id = w.hand_match_id AND i.n = 1 AND l.n = 1
    UNION ALL
    SELECT w.match_id, '{BY_HAND.rule.value}', {BY_HAND.rank}, NULL, NULL, i.item_key, %(run_id)s
      FROM whole AS w JOIN items AS i USING (hand_match_id) WHERE i.n > 1
    RETURNING line_id, item_key)
SELECT count(*) FROM made WHERE line_id IS NOT NULL AND item_key IS NOT NULL
"""

BY_HAND_STATEMENTS: Final = PassStatements(
    BY_HAND, _GATHER_LINES, _GATHER_ITEMS, _PAIR.format(among="JOIN group_lines USING (source, line_id)")
)
#: Over everything, where nothing is claimed yet.
PAIR_ALL: Final = _PAIR.format(among="")
