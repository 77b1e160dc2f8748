"""Create the processors' own money movements, their payouts, the bank's entries, and the key of planted errors.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

from shared.persistence.append_only import protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
-- One movement on the merchant's balance; what comes from the book comes from one row of it, once.
CREATE TABLE balance_transactions (
    processor text NOT NULL CHECK (processor IN ('alpha', 'beta')),
    id text NOT NULL,
    account text NOT NULL,
    kind text NOT NULL CHECK (kind IN (
        'charge', 'charge_failure', 'refund', 'refund_failure', 'dispute', 'dispute_reversal', 'reversal',
        'reversal_return', 'reserve_held', 'reserve_released')),
    book_position bigint,
    object_id text,
    charge_id text,
    authorization_id text,
    payment_id text,
    reference text,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    gross_minor bigint NOT NULL CHECK (gross_minor <> 0),
    net_currency text NOT NULL CHECK (net_currency ~ '^[A-Z]{3}$'),
    exchange_rate numeric CHECK (exchange_rate > 0),
    fee_minor bigint NOT NULL,
    net_minor bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    available_on date NOT NULL,
    PRIMARY KEY (processor, id),
    UNIQUE (processor, book_position),
    CHECK ((exchange_rate IS NULL) = (currency = net_currency)),
    CHECK (exchange_rate IS NOT NULL OR net_minor = gross_minor - fee_minor),
    CHECK ((book_position IS NULL) = (kind IN ('reserve_held', 'reserve_released')))
);

CREATE TABLE payouts (
    processor text NOT NULL CHECK (processor IN ('alpha', 'beta')),
    id text NOT NULL,
    account text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    batch_number integer NOT NULL CHECK (batch_number > 0),
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    made_on date NOT NULL,
    made_at timestamptz NOT NULL,
    arrives_on date NOT NULL CHECK (arrives_on >= made_on),
    trace text NOT NULL UNIQUE CHECK (length(trace) <= 16),
    fate text NOT NULL CHECK (fate IN ('arrives', 'split', 'combined', 'fails', 'returned')),
    PRIMARY KEY (processor, id),
    UNIQUE (processor, batch_number)
);
CREATE INDEX payouts_made_on ON payouts (processor, made_on, batch_number);

-- A movement is paid out once.
CREATE TABLE payout_lines (
    processor text NOT NULL,
    transaction_id text NOT NULL,
    payout_id text NOT NULL,
    PRIMARY KEY (processor, transaction_id),
    FOREIGN KEY (processor, transaction_id) REFERENCES balance_transactions (processor, id),
    FOREIGN KEY (processor, payout_id) REFERENCES payouts (processor, id)
);
CREATE INDEX payout_lines_payout ON payout_lines (processor, payout_id);

-- A day is closed once, whether anything was paid out or not.
CREATE TABLE settled_days (
    processor text NOT NULL CHECK (processor IN ('alpha', 'beta')),
    day date NOT NULL,
    PRIMARY KEY (processor, day)
);

CREATE TABLE bank_entries (
    id text PRIMARY KEY,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    booked_on date NOT NULL,
    value_on date NOT NULL,
    reference text NOT NULL CHECK (length(reference) <= 16),
    bank_reference text NOT NULL CHECK (length(bank_reference) <= 16),
    text text NOT NULL,
    returns text REFERENCES bank_entries (id)
);
CREATE INDEX bank_entries_booked_on ON bank_entries (currency, booked_on, id);

CREATE TABLE bank_entry_parts (
    entry_id text NOT NULL REFERENCES bank_entries (id),
    processor text NOT NULL,
    payout_id text NOT NULL,
    trace text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    PRIMARY KEY (entry_id, processor, payout_id),
    FOREIGN KEY (processor, payout_id) REFERENCES payouts (processor, id)
);
CREATE INDEX bank_entry_parts_payout ON bank_entry_parts (processor, payout_id);

-- What reports say wrongly by a seed, and what is true: the answer key.
CREATE TABLE planted_errors (
    seed text NOT NULL CHECK (length(seed) BETWEEN 1 AND 32),
    number integer NOT NULL CHECK (number > 0),
    break_type text NOT NULL,
    error text NOT NULL,
    document jsonb NOT NULL,
    PRIMARY KEY (seed, number)
);
"""

# Each is looked at when its statement is over, with everything that the statement wrote.
# Each is looked at when its statement is over, with everything that the statement wrote: also a payout without any line.
SUMS = """
CREATE FUNCTION {table}_sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    SELECT {whole}.id INTO wrong FROM {whole} WHERE {key} IN (SELECT {written} FROM written)
      AND {whole}.amount_minor IS DISTINCT FROM ({parts}) LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the parts of % do not come to it', wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = '{whole}_sum_up';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER {table}_sum_up AFTER INSERT ON {table} REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION {table}_sum_up();
"""

OF_PAYOUT = """
    SELECT sum(t.net_minor) FROM payout_lines l
    JOIN balance_transactions t ON t.processor = l.processor AND t.id = l.transaction_id
    WHERE l.processor = payouts.processor AND l.payout_id = payouts.id AND t.net_currency = payouts.currency
      AND t.account = payouts.account
"""
OF_ENTRY = "SELECT sum(p.amount_minor) FROM bank_entry_parts p WHERE p.entry_id = bank_entries.id"

SUMS_OF = (
    {
        "table": "payouts",
        "whole": "payouts",
        "key": "(processor, id)",
        "written": "processor, id",
        "parts": OF_PAYOUT,
    },
    {
        "table": "payout_lines",
        "whole": "payouts",
        "key": "(processor, id)",
        "written": "processor, payout_id",
        "parts": OF_PAYOUT,
    },
    {"table": "bank_entries", "whole": "bank_entries", "key": "id", "written": "id", "parts": OF_ENTRY},
    {
        "table": "bank_entry_parts",
        "whole": "bank_entries",
        "key": "id",
        "written": "entry_id",
        "parts": OF_ENTRY,
    },
)

PROTECTED = (
    "balance_transactions",
    "payouts",
    "payout_lines",
    "settled_days",
    "bank_entries",
    "bank_entry_parts",
    "planted_errors",
)


def upgrade() -> None:
    op.execute(TABLES)
    for sums in SUMS_OF:
        op.execute(SUMS.format(**sums))
    for table in PROTECTED:
        protect(op, table)
