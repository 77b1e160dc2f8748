"""Which object of ours a line is about, as far as it is certain when the line is told.

That is what a match found so far, where all of it is about one object and the line still names what it named then; else
what the line names itself, where no other line that stands names it as well. Everything else is told unmatched: a match
that comes later is told by itself.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.adapters.matching_sql import OF_SEVERAL

#: Beside the claim ``c``: what its match claims of ours, as ``m``; an item may be there twice.
ITEMS_OF_MATCH: Final = f"""CROSS JOIN LATERAL (
           SELECT c.item_key UNION ALL
           SELECT item_key FROM claims WHERE match_id = c.match_id AND {OF_SEVERAL}) AS m"""
EXACT_MATCH: Final = f"""
SELECT payment_id, merchant_id, object_id FROM (
    SELECT 1 AS choice, min(o.payment_id) AS payment_id, min(o.merchant_id) AS merchant_id,
           min(o.object_id) AS object_id
      FROM claims AS c {ITEMS_OF_MATCH} JOIN our_items AS o ON o.item_key = m.item_key
     WHERE c.source = n.source AND c.line_id = n.line_id AND NOT n.renamed
    HAVING count(DISTINCT (o.payment_id, o.object_id)) = 1 AND min(o.object_id) IS NOT NULL
    UNION ALL
    SELECT 2, min(i.payment_id), min(i.merchant_id), min(i.object_id) FROM our_items AS i
     WHERE i.object_id = n.object_id AND i.processor = s.processor AND i.account = s.account
       AND i.category = n.category AND i.standing = 'expected'
       AND NOT EXISTS (SELECT FROM settlement_lines AS other
                        WHERE other.source = n.source AND other.object_id = n.object_id AND other.stands
                          AND other.category = n.category AND other.line_id <> n.line_id AND NOT other.withdrawn)
    HAVING count(DISTINCT i.payment_id) = 1) AS found
 ORDER BY choice LIMIT 1"""
"""A lateral query about the line ``n`` of the source ``s``; ``n.renamed`` says that no run saw what it names."""
