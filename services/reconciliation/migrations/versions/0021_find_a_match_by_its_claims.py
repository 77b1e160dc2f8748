"""Has only claims of matches that have further rows in an index by match: every other match is its one row.

That index was the third that a claim was put into, and the one that nearly no match needs. What the statements rely on
holds whoever writes: a claim of a rule that makes no further rows names a line and an item.

Waits for a run that is at work. The release before finds the same without the index, only slower.
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# By hand, lines of an object, items of a payment.
CLAIMS = """
ALTER TABLE claims ADD CONSTRAINT claims_of_two CHECK (
    rule_rank IN (5, 50, 60) OR (line_id IS NOT NULL AND item_key IS NOT NULL));
CREATE INDEX claims_of_several ON claims (match_id) WHERE rule_rank IN (5, 50, 60);
DROP INDEX claims_of_match;
"""

# As before, but that a match is named by its first line, which its own key finds.
AWAITED = """
CREATE OR REPLACE FUNCTION awaited_hand_match(of_subject text) RETURNS text LANGUAGE sql STABLE
    SET search_path = public, pg_catalog AS $$
    WITH awaited_lines AS (
        SELECT * FROM agreed_lines AS a WHERE NOT EXISTS (
            SELECT FROM claims AS c
             WHERE c.source = a.source AND c.line_id = a.line_id AND c.rule = 'by_hand')),
    awaited_items AS (
        SELECT * FROM agreed_items AS a WHERE NOT EXISTS (
            SELECT FROM claims AS c WHERE c.item_key = a.item_key AND c.rule = 'by_hand')),
    named AS (
        SELECT split_part(of_subject, ':', 2) AS source, substr(of_subject, length('line:') + 1) AS match_id
         WHERE starts_with(of_subject, 'line:')),
    claimed AS (
        SELECT c.source, c.line_id, c.item_key FROM named AS n JOIN claims AS c
            ON c.source = n.source AND c.line_id = substr(n.match_id, length(n.source) + 2) AND c.match_id = n.match_id
        UNION
        SELECT c.source, c.line_id, c.item_key FROM named JOIN claims AS c USING (match_id)
         WHERE c.rule_rank IN (5, 50, 60))
    SELECT min(hand_match_id) FROM (
        SELECT hand_match_id FROM awaited_lines WHERE 'line:' || source || ':' || line_id = of_subject
        UNION ALL SELECT hand_match_id FROM awaited_items WHERE 'item:' || item_key = of_subject
        UNION ALL SELECT hand_match_id FROM awaited_lines JOIN claimed USING (source, line_id)
        UNION ALL SELECT hand_match_id FROM awaited_items JOIN claimed USING (item_key)) AS found
$$;
"""


def upgrade() -> None:
    """Replace the index and what looks a match up by it."""
    op.execute(CLAIMS)
    op.execute(AWAITED)
