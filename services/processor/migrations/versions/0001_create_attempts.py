"""Creates attempts, their append-only log, and the cursors of event feeds.

What the table itself refuses: an open attempt that is held without an owner or due without one, a closed attempt
without a reason, an attempt that is closed as withdrawn or given up while one of its sends is still in doubt, and any
way back from closed to open.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect
from shared.persistence.mechanism import create_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ATTEMPTS = """
CREATE TABLE attempts (
    operation_id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('authorize', 'capture', 'cancel', 'refund')),
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    amount_minor bigint CHECK (amount_minor > 0),
    currency text COLLATE "C" CHECK (currency ~ '^[A-Z]{3}$'),
    asked jsonb NOT NULL,
    cause_id text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    phase text NOT NULL CHECK (phase IN ('due', 'sending', 'waiting', 'looking_up')),
    next_at timestamptz NOT NULL,
    lease_owner text,
    lease_epoch bigint NOT NULL CHECK (lease_epoch >= 0),
    attempt_id text COLLATE "C",
    attempt_number integer NOT NULL CHECK (attempt_number >= 0),
    not_sent_count integer NOT NULL CHECK (not_sent_count BETWEEN 0 AND attempt_number),
    doubtful boolean NOT NULL,
    withdrawal_requested boolean NOT NULL,
    first_sent_at timestamptz,
    last_sent_at timestamptz,
    looked_up_at timestamptz,
    rung integer NOT NULL CHECK (rung >= 0),
    not_found_count integer NOT NULL CHECK (not_found_count >= 0),
    result text CHECK (result IN ('done', 'declined', 'accepted', 'not_sent', 'unknown')),
    exhausted_at timestamptz,
    closed_at timestamptz,
    closing text CHECK (closing IN ('answered', 'withdrawn', 'not_sent_limit', 'decided')),
    opened_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'cancel') = (amount_minor IS NULL) AND (amount_minor IS NULL) = (currency IS NULL)),
    CONSTRAINT attempts_held_has_owner
        CHECK (state = 'closed' OR (phase IN ('sending', 'looking_up')) = (lease_owner IS NOT NULL)),
    CONSTRAINT attempts_closed_has_reason
        CHECK ((state = 'closed') = (closing IS NOT NULL) AND (closing IS NULL) = (closed_at IS NULL)),
    CONSTRAINT attempts_given_up_is_unsent
        CHECK (closing IS NULL OR closing NOT IN ('withdrawn', 'not_sent_limit') OR NOT doubtful),
    CHECK ((attempt_number = 0) = (first_sent_at IS NULL) AND (attempt_number = 0) = (attempt_id IS NULL))
) WITH (fillfactor = 60);

CREATE INDEX attempts_due ON attempts (processor, next_at) WHERE state = 'open';
CREATE INDEX attempts_by_payment ON attempts (payment_id);

CREATE FUNCTION attempts_move() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.state = 'closed' AND NEW.state <> 'closed' THEN
        RAISE EXCEPTION 'attempt % is closed: nothing may send it again', OLD.operation_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.lease_epoch < OLD.lease_epoch OR NEW.asked <> OLD.asked OR NEW.cause_id <> OLD.cause_id
       OR (OLD.lease_epoch = NEW.lease_epoch AND NEW.attempt_number <> OLD.attempt_number) THEN
        RAISE EXCEPTION 'attempt %: lease epochs only grow, and what was asked never changes', OLD.operation_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER attempts_move BEFORE UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION attempts_move();

CREATE TABLE attempt_log (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id text COLLATE "C" NOT NULL,
    attempt_id text COLLATE "C",
    lease_epoch bigint NOT NULL,
    what text NOT NULL,
    detail jsonb NOT NULL,
    logged_at timestamptz NOT NULL
);
CREATE INDEX attempt_log_by_operation ON attempt_log (operation_id, position);
"""

FEEDS = """
CREATE TABLE feeds (
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    cursor text,
    next_at timestamptz NOT NULL,
    lease_owner text,
    lease_epoch bigint NOT NULL CHECK (lease_epoch >= 0),
    overlapped_at timestamptz,
    read_to_end_at timestamptz,
    PRIMARY KEY (processor, account)
);
CREATE TABLE feed_checkpoints (
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    reached_at timestamptz NOT NULL,
    cursor text NOT NULL,
    PRIMARY KEY (processor, account, reached_at)
);
-- Kept for ever: the overlap and every replay of a feed rest on it.
CREATE TABLE feed_facts (
    fact_key text COLLATE "C" PRIMARY KEY,
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    observed_at timestamptz NOT NULL
);
CREATE TABLE feed_rejects (
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    processor_event_id text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (processor, account, processor_event_id)
);
"""


def upgrade() -> None:
    create_v1(op, service="processor")
    op.execute(ATTEMPTS)
    op.execute(FEEDS)
    op.execute("REVOKE DELETE, TRUNCATE ON attempts FROM processor_app")
    for table in ("attempt_log", "feed_facts", "feed_rejects"):
        protect(op, table)
