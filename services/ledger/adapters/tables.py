"""The ledger's tables as SQLAlchemy Core sees them; private to the adapters, defined by the migrations."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

METADATA: Final = sa.MetaData()
ENTRY_SIDE: Final = pg.ENUM("debit", "credit", name="entry_side", create_type=False)

ACCOUNTS: Final = sa.Table(
    "accounts",
    METADATA,
    sa.Column("account_id", sa.BigInteger, primary_key=True),
    sa.Column("family", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("normal_side", ENTRY_SIDE),
    sa.Column("transitional", sa.Boolean),
)

JOURNALS: Final = sa.Table(
    "journals",
    METADATA,
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("journal_id", sa.Text),
    sa.Column("rule", sa.Text),
    sa.Column("cause_event_id", sa.Text),
    sa.Column("cause_event_type", sa.Text),
    sa.Column("fact_key", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("payment_id", sa.Text),
    sa.Column("merchant_id", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("from_party", sa.Text),
    sa.Column("to_party", sa.Text),
    sa.Column("reverses_position", sa.BigInteger),
    sa.Column("entry_count", sa.SmallInteger),
    sa.Column("effective_at", sa.DateTime(timezone=True)),
    sa.Column("booked_at", sa.DateTime(timezone=True)),
)

LATE_JOURNALS: Final = sa.Table(
    "late_journals",
    METADATA,
    sa.Column("journal_position", sa.BigInteger, primary_key=True),
    sa.Column("told_effective_at", sa.DateTime(timezone=True)),
)

EXCHANGE_RATES: Final = sa.Table(
    "exchange_rates",
    METADATA,
    sa.Column("journal_position", sa.BigInteger, primary_key=True),
    sa.Column("rate", sa.Text),
    sa.Column("from_currency", sa.Text),
    sa.Column("to_currency", sa.Text),
)

SEALS: Final = sa.Table(
    "seals",
    METADATA,
    sa.Column("shard", sa.SmallInteger, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("journal_position", sa.BigInteger),
)

ENTRIES: Final = sa.Table(
    "entries",
    METADATA,
    sa.Column("journal_position", sa.BigInteger, primary_key=True),
    sa.Column("line", sa.SmallInteger, primary_key=True),
    sa.Column("account_id", sa.BigInteger),
    sa.Column("side", ENTRY_SIDE),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("clearing_key", sa.Text),
)
