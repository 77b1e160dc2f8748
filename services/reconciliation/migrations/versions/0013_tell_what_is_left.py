"""Holds what is told of decided breaks to the break itself: the line's own charge, and no more than is at risk.

Whoever writes it: a told return is the charge of the resolved break's line as it stands, under the payment that knows
it; adjustments told of one break never come to more than it has at risk, however often it opened again.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

RETURNS = """
CREATE OR REPLACE FUNCTION check_told_return() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM breaks AS b
         WHERE b.break_id = NEW.break_id AND b.state = 'RESOLVED' AND b.resolution = 'stray_return'
           AND (b.proposed_by, b.approved_by, b.theirs_minor, b.currency)
             = (NEW.proposed_by, NEW.approved_by, NEW.amount_minor, NEW.currency)
           AND b.changed_at = NEW.told_at) THEN
        RAISE EXCEPTION 'no two people resolved % so', NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'told_return_as_resolved';
    END IF;
    IF NOT EXISTS (
        SELECT FROM breaks AS b
          JOIN settlement_lines AS l ON l.source = split_part(b.subject, ':', 2)
           AND l.line_id = substr(b.subject, length('line:' || split_part(b.subject, ':', 2)) + 2) AND l.stands
          JOIN sources AS s USING (source)
         WHERE b.break_id = NEW.break_id AND b.subject LIKE 'line:%' AND l.category = 'charge' AND NOT l.withdrawn
           AND (l.object_id, l.gross_minor, l.currency) = (NEW.object_id, NEW.amount_minor, NEW.currency)
           AND (EXISTS (SELECT FROM told_objects AS t
                         WHERE (t.processor, t.account, t.object_id, t.category, t.payment_id)
                             = (s.processor, s.account, l.object_id, 'charge', NEW.payment_id))
                OR EXISTS (SELECT FROM claims AS c JOIN our_items AS i USING (item_key)
                            WHERE (c.source, c.line_id) = (l.source, l.line_id) AND i.kind = 'stray'
                              AND (i.object_id, i.payment_id) = (l.object_id, NEW.payment_id)))) THEN
        RAISE EXCEPTION '% % of % is not the charge of the line of %', NEW.amount_minor, NEW.currency, NEW.object_id,
            NEW.break_id USING ERRCODE = 'check_violation', CONSTRAINT = 'told_return_of_line';
    END IF;
    RETURN NEW;
END
$$;
"""

ADJUSTMENTS = """
CREATE FUNCTION check_told_adjustment_left() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF EXISTS (
        SELECT FROM breaks AS b
         WHERE b.break_id = NEW.break_id AND b.at_risk_minor < (
            SELECT sum(a.amount_minor) FROM break_adjustments AS a
             WHERE a.break_id = b.break_id AND a.currency = b.currency
               AND (a.proposed_at = NEW.proposed_at
                    OR EXISTS (SELECT FROM told_adjustments AS t
                                WHERE (t.break_id, t.proposed_at) = (a.break_id, a.proposed_at))))) THEN
        RAISE EXCEPTION 'more is asked for about % than is at risk', NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'told_adjustments_within_risk';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER told_adjustments_left BEFORE INSERT ON told_adjustments
    FOR EACH ROW EXECUTE FUNCTION check_told_adjustment_left();
"""


def upgrade() -> None:
    """Replace the check of returns, and add that of what is left."""
    op.execute(RETURNS)
    op.execute(ADJUSTMENTS)
