"""Fixes each account's scale with its currency: what its minor unit is, whatever a later list of ISO 4217 says.

A list that changes an exponent would give every stored amount another meaning. From here on a process whose list says
otherwise than the accounts refuses to start, and moving to the new unit is a migration that somebody decides on.
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# As ISO 4217 has them, of 2026-11; every other currency has two digits.
CURRENCY_SCALE = """
CREATE FUNCTION currency_scale(code text) RETURNS smallint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = public, pg_temp AS $$
    SELECT CASE
        WHEN code IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
                      'XAF', 'XOF', 'XPF') THEN 0
        WHEN code IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
        WHEN code IN ('CLF', 'UYW') THEN 4
        ELSE 2 END::smallint
$$
"""
# Accounts are never updated, not even here: the column is computed as it is added, and stands by itself from then on.
SCALE = """
ALTER TABLE accounts ADD COLUMN scale smallint NOT NULL GENERATED ALWAYS AS (currency_scale(currency)) STORED;
ALTER TABLE accounts ALTER COLUMN scale DROP EXPRESSION;
CREATE FUNCTION accounts_scale() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    NEW.scale := currency_scale(NEW.currency);
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_scale BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION accounts_scale();
"""


def upgrade() -> None:
    """Add it to every account, and to whatever is opened."""
    op.execute(CURRENCY_SCALE)
    op.execute(SCALE)
