"""Keeps the rate of an exchange exactly as it was given, beside the journal that was booked by it, and seals it with it.

What the rate explains and what is rounding can be worked out anew from the books alone. Exchanges of before keep
theirs in the events that told them.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

RATES = """
CREATE TABLE exchange_rates (
    journal_position bigint PRIMARY KEY,
    rate text COLLATE "C" NOT NULL,
    from_currency text COLLATE "C" NOT NULL,
    to_currency text COLLATE "C" NOT NULL,
    CONSTRAINT exchange_rates_decimal CHECK (rate ~ '^[0-9]+([.][0-9]+)?$'),
    CONSTRAINT exchange_rates_two_currencies CHECK (from_currency <> to_currency)
);
GRANT SELECT, INSERT ON exchange_rates TO ledger_app;
GRANT SELECT ON exchange_rates TO ledger_reader;
"""

FIT = """
CREATE FUNCTION exchange_rates_fit() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    misfit record;
BEGIN
    -- booked_at is when its transaction began: no journal is given a rate afterwards.
    SELECT n.journal_position INTO misfit FROM new_rates n LEFT JOIN journals j ON j.position = n.journal_position
     WHERE j.position IS NULL OR j.booked_at <> now() LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the journal at % is not being booked', misfit.journal_position
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exchange_rates_fit';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER exchange_rates_fit AFTER INSERT ON exchange_rates
    REFERENCING NEW TABLE AS new_rates FOR EACH STATEMENT EXECUTE FUNCTION exchange_rates_fit();
"""

# As in migrations 0015 and 0021: by the owner's right, in the transaction that writes the row.
QUEUED = """
CREATE FUNCTION queue_exchange_rate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO notes_unsealed (kind, key) SELECT 'exchange_rate', n.journal_position::text FROM new_rows n;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION queue_exchange_rate() FROM PUBLIC;
CREATE TRIGGER exchange_rate_queued AFTER INSERT ON exchange_rates
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_exchange_rate();
"""

# As of migration 0015, with the rates.
NOTES_BEFORE_JOURNALS = """
CREATE OR REPLACE FUNCTION notes_before_journals() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    misfit record;
BEGIN
    -- Nearly always: the joins are not even planned.
    IF NOT EXISTS (SELECT FROM notes_unsealed) THEN
        RETURN NULL;
    END IF;
    SELECT q.kind, q.key INTO misfit FROM notes_unsealed q JOIN new_seals n ON n.journal_position::text = q.key
     WHERE q.kind IN ('late_journal', 'exchange_rate')
     UNION ALL
    SELECT q.kind, q.key FROM notes_unsealed q
      JOIN adjustments a ON a.adjustment_id = q.key
      JOIN journals j ON j.journal_id = a.journal_id
      JOIN new_seals n ON n.journal_position = j.position
     WHERE q.kind = 'adjustment_decided'
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'note % of % is of a journal that is sealed before it', misfit.kind, misfit.key
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'notes_before_journals';
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Create the table, empty, and have whatever comes into it sealed."""
    for part in (RATES, FIT, QUEUED, NOTES_BEFORE_JOURNALS):
        op.execute(part)
    protect(op, "exchange_rates")
