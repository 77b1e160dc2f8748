"""The service's own tables, as the migrations make them; imported by adapters only."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

METADATA: Final = sa.MetaData()
_TIME: Final = sa.DateTime(timezone=True)

ATTEMPTS: Final = sa.Table(
    "attempts",
    METADATA,
    sa.Column("operation_id", sa.Text, primary_key=True),
    sa.Column("payment_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("processor", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("asked", JSONB, nullable=False),
    sa.Column("cause_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("next_at", _TIME, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_epoch", sa.BigInteger, nullable=False),
    sa.Column("attempt_id", sa.Text),
    sa.Column("attempt_number", sa.Integer, nullable=False),
    sa.Column("not_sent_count", sa.Integer, nullable=False),
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.Column("looks_again", sa.Boolean, nullable=False),
    sa.Column("withdrawal_requested", sa.Boolean, nullable=False),
    sa.Column("first_sent_at", _TIME),
    sa.Column("last_sent_at", _TIME),
    sa.Column("looked_up_at", _TIME),
    sa.Column("rung", sa.Integer, nullable=False),
    sa.Column("not_found_count", sa.Integer, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("exhausted_at", _TIME),
    sa.Column("closed_at", _TIME),
    sa.Column("closing", sa.Text),
    sa.Column("send_before", _TIME),
    sa.Column("resend_before", _TIME),
    sa.Column("rung_at", _TIME),
    sa.Column("accepted_at", _TIME),
)

ATTEMPT_LOG: Final = sa.Table(
    "attempt_log",
    METADATA,
    sa.Column("position", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("operation_id", sa.Text, nullable=False),
    sa.Column("attempt_id", sa.Text),
    sa.Column("lease_epoch", sa.BigInteger, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("detail", JSONB, nullable=False),
    sa.Column("logged_at", _TIME, nullable=False),
)

TO_SEND: Final = "(state = 'open' AND phase = 'due')"
TO_LOOK_UP: Final = "(looks_again OR (state = 'open' AND phase <> 'due'))"
"""What is to be sent and what is to be looked up, to the letter as their two indexes say it."""
OPEN: Final = f"({TO_SEND} OR (state = 'open' AND phase <> 'due'))"
"""All open attempts, by those two: asked for by their state alone they are looked for among all that ever were."""

FEEDS: Final = sa.Table(
    "feeds",
    METADATA,
    sa.Column("processor", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("cursor", sa.Text),
    sa.Column("next_at", _TIME, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_epoch", sa.BigInteger, nullable=False),
    sa.Column("overlapped_at", _TIME),
    sa.Column("read_to_end_at", _TIME),
)
