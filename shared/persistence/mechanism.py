"""The tables of the mechanism, the same in every service's database; created by its first migration.

A later change is a ``create_v2`` and so on, called from a new migration of each service: never an edit.
"""

from __future__ import annotations

from typing import Final

from shared.persistence import partition_functions
from shared.persistence.append_only import Executes, protect
from shared.persistence.provision import role_names

_OUTBOX: Final = (
    """
    CREATE TABLE outbox_streams (
      topic text NOT NULL,
      key text NOT NULL,
      last_version bigint NOT NULL CHECK (last_version > 0),
      PRIMARY KEY (topic, key)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE outbox (
      position bigint GENERATED ALWAYS AS IDENTITY,
      created_on date NOT NULL DEFAULT current_date,
      shard smallint NOT NULL,
      topic text NOT NULL,
      key text NOT NULL,
      stream_version bigint NOT NULL CHECK (stream_version > 0),
      event_id text NOT NULL,
      event_type text NOT NULL,
      data_schema text NOT NULL,
      source text NOT NULL,
      subject text NOT NULL,
      event_time timestamptz NOT NULL,
      cause_id text NOT NULL,
      traceparent text,
      payload bytea NOT NULL CHECK (octet_length(payload) <= 262144),
      payload_sha256 bytea NOT NULL CHECK (octet_length(payload_sha256) = 32),
      sent_at timestamptz,
      sent_epoch bigint,
      PRIMARY KEY (created_on, position),
      CHECK ((sent_at IS NULL) = (sent_epoch IS NULL))
    ) PARTITION BY RANGE (created_on)
    """,
    "CREATE INDEX outbox_unsent ON outbox (shard, position) WHERE sent_at IS NULL",
    "CREATE UNIQUE INDEX outbox_stream_version ON outbox (created_on, topic, key, stream_version)",
    "CREATE UNIQUE INDEX outbox_event_id ON outbox (created_on, event_id)",
    """
    CREATE TABLE outbox_archives (
      partition_name text PRIMARY KEY,
      file_name text NOT NULL UNIQUE,
      sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
      rows bigint NOT NULL CHECK (rows >= 0),
      first_position bigint,
      last_position bigint,
      archived_at timestamptz NOT NULL DEFAULT now(),
      dropped_at timestamptz,
      CHECK ((rows = 0) = (first_position IS NULL)),
      CHECK ((rows = 0) = (last_position IS NULL))
    )
    """,
    """
    CREATE TABLE relay_leases (
      shard smallint PRIMARY KEY,
      owner text NOT NULL,
      epoch bigint NOT NULL CHECK (epoch > 0),
      expires_at timestamptz NOT NULL
    )
    """,
)

_INBOX: Final = (
    """
    CREATE TABLE inbox (
      consumer text NOT NULL,
      event_id text NOT NULL,
      payload_sha256 bytea NOT NULL,
      topic text NOT NULL,
      key text NOT NULL,
      stream_version bigint,
      event_time timestamptz NOT NULL,
      outcome text NOT NULL CHECK (outcome IN ('applied', 'ignored', 'skipped')),
      received_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (consumer, event_id)
    )
    """,
    """
    CREATE TABLE inbox_versions (
      consumer text NOT NULL,
      topic text NOT NULL,
      key text NOT NULL,
      last_version bigint NOT NULL CHECK (last_version >= 0),
      PRIMARY KEY (consumer, topic, key)
    ) WITH (fillfactor = 70)
    """,
    "CREATE TABLE inbox_horizons (consumer text PRIMARY KEY, horizon timestamptz NOT NULL)",
    """
    CREATE TABLE parked_keys (
      consumer text NOT NULL,
      topic text NOT NULL,
      key text NOT NULL,
      reason text NOT NULL CHECK (reason IN ('gap', 'poison')),
      since timestamptz NOT NULL DEFAULT now(),
      next_version bigint,
      detail text NOT NULL DEFAULT '',
      redrive_requested_at timestamptz,
      PRIMARY KEY (consumer, topic, key)
    )
    """,
    """
    CREATE TABLE parked_records (
      consumer text NOT NULL,
      event_id text NOT NULL,
      topic text NOT NULL,
      key text NOT NULL,
      stream_version bigint,
      partition integer NOT NULL,
      "offset" bigint NOT NULL,
      headers jsonb NOT NULL,
      payload bytea,
      payload_sha256 bytea NOT NULL,
      parked_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (consumer, event_id)
    )
    """,
    """
    CREATE INDEX parked_records_queue
        ON parked_records (consumer, topic, key, stream_version, partition, "offset")
    """,
    """
    CREATE TABLE quarantined_records (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      consumer text NOT NULL,
      topic text NOT NULL,
      key text NOT NULL,
      event_id text NOT NULL,
      reason text NOT NULL CHECK (reason IN ('payload_mismatch', 'version_conflict')),
      headers jsonb NOT NULL,
      payload bytea,
      payload_sha256 bytea NOT NULL,
      seen_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (consumer, event_id, payload_sha256)
    )
    """,
    """
    CREATE TABLE skipped_versions (
      consumer text NOT NULL,
      topic text NOT NULL,
      key text NOT NULL,
      stream_version bigint NOT NULL,
      event_id text,
      reason text NOT NULL CHECK (reason <> ''),
      proposed_by text NOT NULL,
      proposed_at timestamptz NOT NULL DEFAULT now(),
      approved_by text,
      approved_at timestamptz,
      applied_at timestamptz,
      PRIMARY KEY (consumer, topic, key, stream_version),
      CHECK (approved_by <> proposed_by),
      CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
      CHECK (applied_at IS NULL OR approved_by IS NOT NULL)
    )
    """,
)

_IDEMPOTENCY: Final = (
    """
    CREATE TABLE idempotency_keys (
      scope text PRIMARY KEY,
      owner_id text NOT NULL,
      mode text NOT NULL,
      key_digest text NOT NULL,
      fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
      field_digests jsonb,
      endpoint text NOT NULL,
      state text NOT NULL CHECK (state IN ('in_flight', 'finished', 'tombstone')),
      lease_owner text,
      lease_until timestamptz,
      resource_id text,
      status integer,
      headers jsonb,
      body bytea,
      created_at timestamptz NOT NULL,
      finished_at timestamptz,
      expires_at timestamptz NOT NULL,
      CHECK (state <> 'finished' OR (status IS NOT NULL AND body IS NOT NULL AND finished_at IS NOT NULL)),
      CHECK (state <> 'tombstone' OR body IS NULL)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at) WHERE state <> 'tombstone'",
    "CREATE INDEX idempotency_keys_open ON idempotency_keys (lease_until) WHERE state = 'in_flight'",
)

# A row of its own, not columns of the key's: counting must neither lock nor rewrite what replies are read from, and
# most keys are never seen again. No foreign key either, whose check would wait for a retry that holds the key's row.
_KEY_REPEATS: Final = (
    """
    CREATE TABLE idempotency_key_repeats (
      scope text PRIMARY KEY,
      replays bigint NOT NULL CHECK (replays >= 0),
      attaches bigint NOT NULL CHECK (attaches >= 0),
      in_use bigint NOT NULL CHECK (in_use >= 0),
      mismatches bigint NOT NULL CHECK (mismatches >= 0),
      after_expiry bigint NOT NULL CHECK (after_expiry >= 0),
      last_repeat_at timestamptz NOT NULL,
      last_mismatch_at timestamptz,
      last_mismatch_endpoint text,
      last_mismatch_param text,
      CHECK (replays + attaches + in_use + mismatches + after_expiry > 0),
      CHECK ((mismatches = 0) = (last_mismatch_at IS NULL)),
      CHECK ((last_mismatch_at IS NULL) = (last_mismatch_endpoint IS NULL))
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE INDEX idempotency_key_repeats_mismatched ON idempotency_key_repeats (last_mismatch_at)
     WHERE mismatches > 0
    """,
    "REVOKE DELETE ON idempotency_key_repeats FROM {app}",
)

# Which request a key was first used by. Request ids grow with time as the table does, so an index of ranges finds one,
# is built by reading the table once, and costs a POST next to nothing.
_KEY_REQUESTS: Final = (
    "ALTER TABLE idempotency_keys ADD COLUMN request_id text",
    """
    CREATE INDEX idempotency_keys_request ON idempotency_keys USING brin (request_id)
      WITH (pages_per_range = 16, autosummarize = on)
    """,
)

# The default privileges of the database gave the application everything; the mechanism takes back what it may
# not do, and gives the relay the little that it needs.
_GRANTS: Final = (
    "REVOKE UPDATE, DELETE ON outbox FROM {app}",
    "REVOKE DELETE ON outbox_streams, inbox_versions, inbox_horizons FROM {app}",
    "REVOKE INSERT, UPDATE, DELETE ON outbox_archives, relay_leases FROM {app}",
    "GRANT SELECT, UPDATE (sent_at, sent_epoch) ON outbox TO {relay}",
    "GRANT SELECT, INSERT, UPDATE ON relay_leases TO {relay}",
    "GRANT SELECT ON outbox_archives TO {relay}",
    "GRANT EXECUTE ON FUNCTION outbox_create_partitions(date, integer) TO {app}, {relay}",
    "REVOKE EXECUTE ON FUNCTION outbox_create_partition(date), outbox_drop_partition(text) FROM PUBLIC, {app}",
)


def create_v1(op: Executes, *, service: str) -> None:
    """Create everything as of version 1; runs as the service's owner, after ``provision`` made the roles."""
    for statement in _OUTBOX:
        op.execute(statement)
    for statement in partition_functions.CREATE_V1:
        op.execute(statement)
    for statement in (*_INBOX, *_IDEMPOTENCY):
        op.execute(statement)
    roles = role_names(service)
    for statement in _GRANTS:
        op.execute(statement.format(**roles))
    protect(op, "quarantined_records")


def create_v2(op: Executes, *, service: str) -> None:
    """Add what is counted of idempotency keys that came again."""
    roles = role_names(service)
    for statement in _KEY_REPEATS:
        op.execute(statement.format(**roles))


def create_v3(op: Executes) -> None:
    """Let a key name the request that first used it: for people, who know requests by their ids."""
    for statement in _KEY_REQUESTS:
        op.execute(statement)
