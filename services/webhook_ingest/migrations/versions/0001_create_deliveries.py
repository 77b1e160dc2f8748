"""Creates deliveries, their bytes (apart, because those are erased after 180 days), claims and refusals."""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect
from shared.persistence.mechanism import create_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DELIVERIES = """
-- Kept for ever: a replay of any age is a copy. The digest decides whether it is the same event.
CREATE TABLE delivery_claims (
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    processor_event_id text COLLATE "C" NOT NULL,
    body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    times_seen bigint NOT NULL CHECK (times_seen > 0),
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (processor, account, processor_event_id)
) WITH (fillfactor = 80);

CREATE TABLE deliveries (
    delivery_id text COLLATE "C" PRIMARY KEY,
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    processor_event_id text COLLATE "C" NOT NULL,
    processor_event_type text,
    verdict text NOT NULL CHECK (verdict IN ('accepted', 'unrecognised', 'quarantined')),
    reason text,
    fact_key text COLLATE "C",
    object_id text COLLATE "C",
    payment_id text COLLATE "C",
    signature text NOT NULL,
    secret_fingerprint text NOT NULL,
    body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    UNIQUE (processor, account, processor_event_id, body_sha256),
    CHECK ((verdict = 'accepted') = (reason IS NULL)),
    CHECK (verdict <> 'accepted' OR fact_key IS NOT NULL)
);
CREATE UNIQUE INDEX deliveries_one_counts ON deliveries (processor, account, processor_event_id)
    WHERE verdict <> 'quarantined';
CREATE INDEX deliveries_by_payment ON deliveries (payment_id) WHERE payment_id IS NOT NULL;

CREATE TABLE delivery_bodies (
    delivery_id text COLLATE "C" PRIMARY KEY,
    body bytea NOT NULL CHECK (octet_length(body) <= 262144),
    received_at timestamptz NOT NULL
);
CREATE INDEX delivery_bodies_by_age ON delivery_bodies (received_at);

CREATE TABLE refused_deliveries (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    body_sha256 bytea NOT NULL,
    body_bytes integer NOT NULL,
    first_bytes bytea NOT NULL CHECK (octet_length(first_bytes) <= 1024),
    received_at timestamptz NOT NULL
);
CREATE INDEX refused_deliveries_by_age ON refused_deliveries (received_at);
"""


def upgrade() -> None:
    create_v1(op, service="webhook_ingest")
    op.execute(DELIVERIES)
    op.execute("REVOKE DELETE, TRUNCATE ON delivery_claims FROM webhook_ingest_app")
    op.execute("REVOKE UPDATE, TRUNCATE ON delivery_bodies, refused_deliveries FROM webhook_ingest_app")
    protect(op, "deliveries")
