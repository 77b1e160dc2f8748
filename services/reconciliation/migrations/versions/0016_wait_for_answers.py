"""Lets a break wait for what another service was asked to do: it is resolved only as that is answered to have happened.

Whoever writes it: a return or an adjustment is resolved from APPLYING only, and only with an answer that says so; an
answer is about a proposal that was told, and is kept once. What was refused may be asked for again.

A break that was resolved by a return or an adjustment before stays resolved. Until it is replaced, the release before
can approve neither: the database refuses the step, and nothing is told.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATES = """
ALTER TABLE breaks
    DROP CONSTRAINT breaks_state_check,
    ADD CONSTRAINT breaks_state_check CHECK (
        state IN ('OPEN', 'DEFERRED', 'PROPOSED', 'APPLYING', 'RESOLVED', 'SELF_CLOSED')),
    ADD CONSTRAINT breaks_applying CHECK ((state = 'APPLYING') <= (
        proposed_by IS NOT NULL AND approved_by IS NOT NULL AND resolution IS NOT NULL
        AND resolution IN ('stray_return', 'adjustment')));
DROP INDEX breaks_in_queue;
CREATE INDEX breaks_in_queue ON breaks (at_risk_minor DESC, break_id)
    WHERE state IN ('OPEN', 'DEFERRED', 'PROPOSED', 'APPLYING');
CREATE INDEX break_history_asked ON break_history (break_id, nth) WHERE trigger = 'ask';
"""

ANSWERS = """
CREATE TABLE resolution_answers (
    event_id text COLLATE "C" PRIMARY KEY,
    nth bigint GENERATED ALWAYS AS IDENTITY,
    asked_event_id text COLLATE "C" NOT NULL,
    break_id text COLLATE "C" NOT NULL REFERENCES breaks,
    outcome text COLLATE "C" NOT NULL CHECK (outcome IN ('accepted', 'applied', 'refused')),
    named text COLLATE "C",
    reason text,
    answered_at timestamptz NOT NULL
);
CREATE INDEX resolution_answers_of_ask ON resolution_answers (asked_event_id, nth);
CREATE INDEX resolution_answers_of_return ON resolution_answers (named) WHERE outcome = 'accepted';

CREATE VIEW asked_resolutions AS
SELECT a.event_id, a.break_id, a.told_at, r.outcome, r.named, r.reason, r.answered_at
  FROM (SELECT event_id, break_id, told_at FROM told_returns
        UNION ALL SELECT event_id, break_id, told_at FROM told_adjustments) AS a
  LEFT JOIN LATERAL (SELECT * FROM resolution_answers AS last WHERE last.asked_event_id = a.event_id
                      ORDER BY last.nth DESC LIMIT 1) AS r ON true;

CREATE FUNCTION check_resolution_answer() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM asked_resolutions AS a WHERE (a.event_id, a.break_id) = (NEW.asked_event_id, NEW.break_id)) THEN
        RAISE EXCEPTION 'nothing was asked by % about %', NEW.asked_event_id, NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'resolution_answer_as_asked';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER resolution_answers_step BEFORE INSERT ON resolution_answers
    FOR EACH ROW EXECUTE FUNCTION check_resolution_answer();

-- Breaks whose answers the next run looks at. Not unique: whoever adds waits for no run.
CREATE TABLE touched_breaks (break_id text COLLATE "C" NOT NULL);
CREATE FUNCTION touch_answered() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_breaks SELECT break_id FROM answered;
    RETURN NULL;
END
$$;
CREATE TRIGGER resolution_answers_touch AFTER INSERT ON resolution_answers REFERENCING NEW TABLE AS answered
    FOR EACH STATEMENT EXECUTE FUNCTION touch_answered();
"""

STEP = """
CREATE OR REPLACE FUNCTION check_break_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'OPEN' THEN
            RAISE EXCEPTION 'a break is not born %', NEW.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'break_step_legal';
        END IF;
    ELSIF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN
        (('OPEN', 'SELF_CLOSED'), ('OPEN', 'DEFERRED'), ('OPEN', 'PROPOSED'), ('DEFERRED', 'OPEN'),
         ('DEFERRED', 'SELF_CLOSED'), ('DEFERRED', 'PROPOSED'), ('PROPOSED', 'OPEN'), ('PROPOSED', 'SELF_CLOSED'),
         ('PROPOSED', 'APPLYING'), ('PROPOSED', 'RESOLVED'), ('APPLYING', 'OPEN'), ('APPLYING', 'SELF_CLOSED'),
         ('APPLYING', 'RESOLVED'), ('SELF_CLOSED', 'OPEN'), ('RESOLVED', 'OPEN'), ('RESOLVED', 'SELF_CLOSED')) THEN
        RAISE EXCEPTION 'a break may not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_step_legal';
    ELSIF OLD.state IN ('PROPOSED', 'APPLYING') AND NEW.state IN ('PROPOSED', 'APPLYING', 'RESOLVED')
        AND (NEW.proposed_by IS DISTINCT FROM OLD.proposed_by
             OR (OLD.state = 'APPLYING' AND NEW.approved_by IS DISTINCT FROM OLD.approved_by)) THEN
        RAISE EXCEPTION 'who proposed it does not change, nor who approved it'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_proposer_stays';
    ELSIF NEW.state IN ('APPLYING', 'RESOLVED') AND OLD.state <> NEW.state
        AND (NEW.type, NEW.currency, NEW.ours_minor, NEW.theirs_minor, NEW.at_risk_minor, NEW.resolution)
            IS DISTINCT FROM
            (OLD.type, OLD.currency, OLD.ours_minor, OLD.theirs_minor, OLD.at_risk_minor, OLD.resolution) THEN
        RAISE EXCEPTION 'approved is what was proposed'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_as_proposed';
    ELSIF NEW.state = 'RESOLVED' AND OLD.state <> 'RESOLVED' AND NEW.resolution IN ('stray_return', 'adjustment')
        AND (OLD.state <> 'APPLYING' OR 'applied' IS DISTINCT FROM (
            SELECT a.outcome FROM asked_resolutions AS a WHERE a.break_id = NEW.break_id
             ORDER BY a.told_at DESC LIMIT 1)) THEN
        RAISE EXCEPTION 'what % was to be resolved by is not answered to have happened', NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_resolved_as_applied';
    END IF;
    RETURN NEW;
END
$$;
"""

# As before, but for the state in which the break is told of.
TOLD = """
CREATE OR REPLACE FUNCTION check_told_return() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM breaks AS b
         WHERE b.break_id = NEW.break_id AND b.state = 'APPLYING' AND b.resolution = 'stray_return'
           AND (b.proposed_by, b.approved_by, b.theirs_minor, b.currency)
             = (NEW.proposed_by, NEW.approved_by, NEW.amount_minor, NEW.currency)
           AND b.changed_at = NEW.told_at) THEN
        RAISE EXCEPTION 'no two people decided % so', NEW.break_id
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

CREATE OR REPLACE FUNCTION check_told_adjustment() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM breaks AS b JOIN break_adjustments AS a USING (break_id)
         WHERE b.break_id = NEW.break_id AND b.state = 'APPLYING' AND b.resolution = 'adjustment'
           AND a.proposed_at = NEW.proposed_at AND a.proposed_by = b.proposed_by
           AND a.proposed_at = (SELECT max(last.proposed_at) FROM break_adjustments AS last
                                 WHERE last.break_id = NEW.break_id)
           AND (b.approved_by, b.changed_at) = (NEW.approved_by, NEW.told_at)
           AND b.approved_by <> b.proposed_by) THEN
        RAISE EXCEPTION 'no two people decided % so', NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'told_adjustment_as_resolved';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION check_told_adjustment_left() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    IF EXISTS (
        SELECT FROM breaks AS b
         WHERE b.break_id = NEW.break_id AND b.at_risk_minor < (
            SELECT sum(a.amount_minor) FROM break_adjustments AS a
             WHERE a.break_id = b.break_id AND a.currency = b.currency
               AND (a.proposed_at = NEW.proposed_at
                    OR EXISTS (SELECT FROM told_adjustments AS t JOIN asked_resolutions AS said USING (event_id)
                                WHERE (t.break_id, t.proposed_at) = (a.break_id, a.proposed_at)
                                  AND said.outcome IS DISTINCT FROM 'refused')))) THEN
        RAISE EXCEPTION 'more is asked for about % than is at risk', NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'told_adjustments_within_risk';
    END IF;
    RETURN NEW;
END
$$;
"""


def upgrade() -> None:
    """Add the state, the answers and what holds them."""
    for part in (STATES, ANSWERS, STEP, TOLD):
        op.execute(part)
    protect(op, "resolution_answers")
