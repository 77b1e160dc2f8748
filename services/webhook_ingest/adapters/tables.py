"""The service's own tables, as migration 0001 makes them; imported by adapters only."""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()
_TIME: Final = sa.DateTime(timezone=True)

DELIVERIES: Final = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("processor", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("processor_event_id", sa.Text, nullable=False),
    sa.Column("processor_event_type", sa.Text),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("fact_key", sa.Text),
    sa.Column("object_id", sa.Text),
    sa.Column("payment_id", sa.Text),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("secret_fingerprint", sa.Text, nullable=False),
    sa.Column("body_sha256", sa.LargeBinary, nullable=False),
    sa.Column("occurred_at", _TIME),
    sa.Column("received_at", _TIME, nullable=False),
)

DELIVERY_BODIES: Final = sa.Table(
    "delivery_bodies",
    METADATA,
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("received_at", _TIME, nullable=False),
)

DELIVERY_CLAIMS: Final = sa.Table(
    "delivery_claims",
    METADATA,
    sa.Column("processor", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("processor_event_id", sa.Text, primary_key=True),
    sa.Column("body_sha256", sa.LargeBinary, nullable=False),
    sa.Column("times_seen", sa.BigInteger, nullable=False),
    sa.Column("last_seen_at", _TIME, nullable=False),
)
