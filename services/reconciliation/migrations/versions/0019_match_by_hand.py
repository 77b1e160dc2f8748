"""Keeps what two people agreed to match by hand: these readings of lines with these words about items.

- proposed by one person and approved by another; taken back by one and approved by another; the steps are a table;
- a line and an item are in one hand match at a time, from its proposal until it is rejected, taken back or outdated;
- what is approved is whole, of one account, category, way and currency, and differs by no more than is agreed;
- runs claim by it first, and find out where a line was amended or an item has another word since: it is outdated then.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE hand_matches (
    hand_match_id text COLLATE "C" PRIMARY KEY CHECK (hand_match_id ~ '^hnd_[0-9a-z]{26}$'),
    source text COLLATE "C" NOT NULL REFERENCES sources,
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    ours_minor bigint NOT NULL,
    theirs_minor bigint NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (
        state IN ('PROPOSED', 'APPROVED', 'BACK_PROPOSED', 'REJECTED', 'TAKEN_BACK', 'OUTDATED')),
    reason text NOT NULL CHECK (reason <> ''),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    approved_by text CHECK (approved_by <> ''),
    back_proposed_by text CHECK (back_proposed_by <> ''),
    back_approved_by text CHECK (back_approved_by <> ''),
    CONSTRAINT hand_matches_four_eyes CHECK (approved_by <> proposed_by),
    CONSTRAINT hand_matches_back_four_eyes CHECK (back_approved_by <> back_proposed_by),
    CONSTRAINT hand_matches_decided CHECK (CASE state
        WHEN 'PROPOSED' THEN num_nonnulls(approved_by, back_proposed_by, back_approved_by) = 0
        WHEN 'APPROVED' THEN approved_by IS NOT NULL AND num_nonnulls(back_proposed_by, back_approved_by) = 0
        WHEN 'BACK_PROPOSED' THEN num_nulls(approved_by, back_proposed_by) = 0 AND back_approved_by IS NULL
        WHEN 'TAKEN_BACK' THEN num_nulls(approved_by, back_proposed_by, back_approved_by) = 0
        ELSE true END)
);
CREATE INDEX hand_matches_by_state ON hand_matches (state, proposed_at);

-- The readings that were paired: a revision that was told never changes. ``holds``: until the match is over.
CREATE TABLE hand_match_lines (
    hand_match_id text COLLATE "C" NOT NULL REFERENCES hand_matches,
    source text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    holds boolean NOT NULL DEFAULT true,
    PRIMARY KEY (hand_match_id, line_id)
);
CREATE UNIQUE INDEX hand_match_lines_once ON hand_match_lines (source, line_id) WHERE holds;
-- The words that were paired: a stronger word about an item is another event.
CREATE TABLE hand_match_items (
    hand_match_id text COLLATE "C" NOT NULL REFERENCES hand_matches,
    item_key text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    holds boolean NOT NULL DEFAULT true,
    PRIMARY KEY (hand_match_id, item_key)
);
CREATE UNIQUE INDEX hand_match_items_once ON hand_match_items (item_key) WHERE holds;

CREATE TABLE hand_match_history (
    hand_match_id text COLLATE "C" NOT NULL REFERENCES hand_matches,
    nth bigint GENERATED ALWAYS AS IDENTITY,
    from_state text COLLATE "C",
    to_state text COLLATE "C" NOT NULL,
    actor text,
    run_id text COLLATE "C",
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL,
    PRIMARY KEY (hand_match_id, nth),
    CONSTRAINT hand_match_history_by CHECK (num_nonnulls(actor, run_id) = 1)
);
"""

# In force; what runs match by.
VIEWS = """
CREATE VIEW agreed_lines AS
SELECT l.hand_match_id, l.source, l.line_id, l.revision
  FROM hand_match_lines AS l JOIN hand_matches AS m USING (hand_match_id)
 WHERE l.holds AND m.state IN ('APPROVED', 'BACK_PROPOSED');
CREATE VIEW agreed_items AS
SELECT i.hand_match_id, i.item_key, i.event_id
  FROM hand_match_items AS i JOIN hand_matches AS m USING (hand_match_id)
 WHERE i.holds AND m.state IN ('APPROVED', 'BACK_PROPOSED');
"""

STEPS = """
CREATE FUNCTION check_hand_match(wanted hand_matches) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = public, pg_catalog AS $$
DECLARE
    kinds bigint; currencies bigint; theirs bigint; ours bigint; missing bigint; may_differ bigint;
BEGIN
    SELECT count(DISTINCT (processor, account, category, way)), count(DISTINCT currency),
           coalesce(sum(theirs_minor), 0), coalesce(sum(ours_minor), 0), count(*) FILTER (WHERE NOT stands)
      INTO kinds, currencies, theirs, ours, missing
      FROM (SELECT l.processor, l.account, l.category, sign(l.gross_minor) AS way, l.currency, l.gross_minor AS theirs_minor,
                   0 AS ours_minor, l.line_id IS NOT NULL AND h.source = wanted.source AS stands
              FROM hand_match_lines AS h LEFT JOIN matchable_lines AS l USING (source, line_id, revision)
             WHERE h.hand_match_id = wanted.hand_match_id
            UNION ALL
            SELECT i.processor, i.account, i.category, sign(i.amount_minor), i.currency, 0, i.amount_minor,
                   coalesce(i.standing = 'expected', false)
              FROM hand_match_items AS h LEFT JOIN our_items AS i USING (item_key, event_id)
             WHERE h.hand_match_id = wanted.hand_match_id) AS members;
    SELECT coalesce(max(tolerance_minor), 0) INTO may_differ FROM tolerances
     WHERE source = wanted.source AND currency = wanted.currency AND field = 'gross';
    IF missing > 0 OR kinds <> 1 OR currencies <> 1 OR theirs = 0 OR ours = 0
        OR (theirs, ours) <> (wanted.theirs_minor, wanted.ours_minor) OR abs(theirs - ours) > may_differ THEN
        RAISE EXCEPTION 'a match by hand is of what stands, of one kind, and differs by no more than % of %', may_differ,
            wanted.currency USING ERRCODE = 'check_violation', CONSTRAINT = 'hand_match_comes_out';
    END IF;
END
$$;

CREATE FUNCTION check_hand_match_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'PROPOSED' THEN
            RAISE EXCEPTION 'a match by hand is proposed first'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'hand_match_step_legal';
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN
        (('PROPOSED', 'APPROVED'), ('PROPOSED', 'REJECTED'), ('PROPOSED', 'OUTDATED'),
         ('APPROVED', 'BACK_PROPOSED'), ('APPROVED', 'OUTDATED'),
         ('BACK_PROPOSED', 'APPROVED'), ('BACK_PROPOSED', 'TAKEN_BACK'), ('BACK_PROPOSED', 'OUTDATED')) THEN
        RAISE EXCEPTION 'a match by hand may not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'hand_match_step_legal';
    ELSIF OLD.state <> 'PROPOSED' AND NEW.approved_by IS DISTINCT FROM OLD.approved_by
        OR NEW.state = 'TAKEN_BACK' AND NEW.back_proposed_by IS DISTINCT FROM OLD.back_proposed_by THEN
        RAISE EXCEPTION 'who proposed or approved it does not change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'hand_match_people_stay';
    END IF;
    IF OLD.state = 'PROPOSED' AND NEW.state = 'APPROVED' THEN
        PERFORM check_hand_match(NEW);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER hand_matches_step BEFORE INSERT OR UPDATE ON hand_matches
    FOR EACH ROW EXECUTE FUNCTION check_hand_match_step();

-- What was agreed, or no longer is, the next run looks at; what is over lets its lines and items go. As its owner: nobody
-- else may say that a line or an item is free.
CREATE FUNCTION follow_hand_match() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public AS $$
BEGIN
    IF NEW.state IN ('REJECTED', 'TAKEN_BACK', 'OUTDATED') THEN
        UPDATE hand_match_lines SET holds = false WHERE hand_match_id = NEW.hand_match_id;
        UPDATE hand_match_items SET holds = false WHERE hand_match_id = NEW.hand_match_id;
    END IF;
    IF NEW.state IN ('TAKEN_BACK', 'OUTDATED') OR (OLD.state, NEW.state) = ('PROPOSED', 'APPROVED') THEN
        INSERT INTO touched_lines (source, line_id, fresh)
        SELECT source, line_id, false FROM hand_match_lines WHERE hand_match_id = NEW.hand_match_id ORDER BY line_id;
        INSERT INTO touched_items (item_key, fresh)
        SELECT item_key, false FROM hand_match_items WHERE hand_match_id = NEW.hand_match_id ORDER BY item_key;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER hand_matches_followed AFTER UPDATE ON hand_matches
    FOR EACH ROW EXECUTE FUNCTION follow_hand_match();

-- What was decided is of what was proposed. A member more comes to another sum: whoever approves is refused.
CREATE FUNCTION check_hand_match_member() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    PERFORM 1 FROM hand_matches WHERE hand_match_id = NEW.hand_match_id AND state = 'PROPOSED' FOR SHARE;
    IF NOT FOUND OR NOT NEW.holds THEN
        RAISE EXCEPTION 'what was decided of a match by hand has no further members'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'hand_match_as_proposed';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER hand_match_lines_step BEFORE INSERT ON hand_match_lines
    FOR EACH ROW EXECUTE FUNCTION check_hand_match_member();
CREATE TRIGGER hand_match_items_step BEFORE INSERT ON hand_match_items
    FOR EACH ROW EXECUTE FUNCTION check_hand_match_member();
"""

# A wish to give money back or to book it, and a match by hand, would clear the same difference twice.
BREAKS = """
-- The match by hand that was agreed for a break's subject and that no run has made yet.
CREATE FUNCTION awaited_hand_match(of_subject text) RETURNS text LANGUAGE sql STABLE
    SET search_path = public, pg_catalog AS $$
    WITH awaited_lines AS (
        SELECT * FROM agreed_lines AS a WHERE NOT EXISTS (
            SELECT FROM claims AS c
             WHERE c.source = a.source AND c.line_id = a.line_id AND c.rule = 'by_hand')),
    awaited_items AS (
        SELECT * FROM agreed_items AS a WHERE NOT EXISTS (
            SELECT FROM claims AS c WHERE c.item_key = a.item_key AND c.rule = 'by_hand')),
    claimed AS (
        SELECT source, line_id, item_key FROM claims
         WHERE starts_with(of_subject, 'line:') AND match_id = substr(of_subject, length('line:') + 1))
    SELECT min(hand_match_id) FROM (
        SELECT hand_match_id FROM awaited_lines WHERE 'line:' || source || ':' || line_id = of_subject
        UNION ALL SELECT hand_match_id FROM awaited_items WHERE 'item:' || item_key = of_subject
        UNION ALL SELECT hand_match_id FROM awaited_lines JOIN claimed USING (source, line_id)
        UNION ALL SELECT hand_match_id FROM awaited_items JOIN claimed USING (item_key)) AS found
$$;
CREATE FUNCTION check_nothing_matched_by_hand() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    IF awaited_hand_match(NEW.subject) IS NOT NULL THEN
        RAISE EXCEPTION 'the next run matches it by hand'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_not_matched_by_hand';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER breaks_not_matched_by_hand BEFORE UPDATE OF state ON breaks FOR EACH ROW
    WHEN (NEW.state = 'APPLYING' AND OLD.state <> 'APPLYING') EXECUTE FUNCTION check_nothing_matched_by_hand();
"""


def upgrade() -> None:
    """Create everything of version 19."""
    for part in (TABLES, VIEWS, STEPS, BREAKS):
        op.execute(part)
    protect(
        op,
        "hand_matches",
        mutable_columns=("state", "approved_by", "back_proposed_by", "back_approved_by"),
    )
    for table in ("hand_match_lines", "hand_match_items"):
        protect(op, table, mutable_columns=("holds",))
        op.execute(f"REVOKE UPDATE ON {table} FROM reconciliation_app")
        op.execute(f"REVOKE UPDATE (holds) ON {table} FROM reconciliation_app")
    protect(op, "hand_match_history")
