"""Create the processor's objects, its book, its event feed and its queue of webhooks.

Revision ID: 0001
Revises:
"""

from alembic import op

from shared.persistence.append_only import protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
-- One row per authorization, capture or refund; revision orders writers, version is what callers see.
CREATE TABLE alpha_objects (
    id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('authorization', 'capture', 'refund')),
    account text NOT NULL,
    payment_method text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    metadata jsonb NOT NULL,
    payment_id text,
    parent_id text,
    reference text NOT NULL CHECK (length(reference) <= 255),
    void_reference text CHECK (length(void_reference) <= 255),
    status text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    captured_minor bigint,
    released_minor bigint,
    refunded_minor bigint,
    decline_code text,
    capture_before timestamptz,
    version integer NOT NULL CHECK (version > 0),
    revision integer NOT NULL CHECK (revision >= version),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (CASE kind
        WHEN 'authorization' THEN status IN ('authorized', 'declined', 'voided', 'expired')
        ELSE status IN ('pending', 'succeeded', 'failed') END),
    CHECK ((kind = 'authorization') = (parent_id IS NULL)),
    CHECK (kind <> 'authorization' OR (
        captured_minor >= 0 AND released_minor >= 0 AND captured_minor + released_minor <= amount_minor)),
    CHECK (kind <> 'capture' OR (refunded_minor >= 0 AND refunded_minor <= amount_minor))
) WITH (fillfactor = 80);
CREATE INDEX alpha_objects_reference ON alpha_objects (reference);
CREATE INDEX alpha_objects_void_reference ON alpha_objects (void_reference) WHERE void_reference IS NOT NULL;

-- The book: signed changes of what is held, captured and refunded. A subject's revision is used once, so two
-- writers can never use the same room.
CREATE TABLE alpha_book (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    object_id text NOT NULL,
    subject_id text NOT NULL,
    subject_revision integer NOT NULL,
    account text NOT NULL,
    reference text NOT NULL,
    payment_id text,
    currency text NOT NULL,
    held_minor bigint NOT NULL,
    captured_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    booked_at timestamptz NOT NULL,
    UNIQUE (subject_id, subject_revision)
);
CREATE INDEX alpha_book_payment ON alpha_book (payment_id);

CREATE TABLE alpha_events (
    id text PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    type text NOT NULL,
    object_id text NOT NULL,
    created_at timestamptz NOT NULL,
    body text NOT NULL
);
CREATE INDEX alpha_events_feed ON alpha_events (written_by, position);

CREATE TABLE alpha_webhooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text NOT NULL,
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'given_up')),
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    finished_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX alpha_webhooks_due ON alpha_webhooks (due_at, id) WHERE state = 'due';
CREATE INDEX alpha_webhooks_event ON alpha_webhooks (event_id);

CREATE TABLE alpha_keys (
    key text PRIMARY KEY,
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    status smallint NOT NULL,
    body bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX alpha_keys_expiry ON alpha_keys (expires_at);

CREATE TABLE alpha_strikes (key text PRIMARY KEY, struck_at timestamptz NOT NULL);

CREATE TABLE alpha_timers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action text NOT NULL,
    object_id text NOT NULL,
    due_at timestamptz NOT NULL
);
CREATE INDEX alpha_timers_due ON alpha_timers (due_at, id);
"""

# What the auditor compares: sums per payment, and how often each of the caller's references took effect.
VIEWS = """
CREATE VIEW alpha_book_by_payment AS
SELECT account, payment_id, currency,
       sum(held_minor)::bigint AS held_minor,
       sum(captured_minor)::bigint AS captured_minor,
       sum(refunded_minor)::bigint AS refunded_minor,
       count(*) FILTER (WHERE captured_minor > 0) AS charges,
       count(*) FILTER (WHERE refunded_minor > 0) - count(*) FILTER (WHERE refunded_minor < 0) AS refunds
FROM alpha_book GROUP BY account, payment_id, currency;

CREATE VIEW alpha_book_by_reference AS
SELECT account, reference, payment_id, currency,
       count(*) FILTER (WHERE kind = 'authorized') AS authorizations,
       count(*) FILTER (WHERE captured_minor > 0) AS effective_charges,
       count(*) FILTER (WHERE refunded_minor > 0) AS effective_refunds,
       sum(captured_minor)::bigint AS captured_minor,
       sum(refunded_minor)::bigint AS refunded_minor
FROM alpha_book GROUP BY account, reference, payment_id, currency;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(VIEWS)
    protect(op, "alpha_book")
    protect(op, "alpha_events")
