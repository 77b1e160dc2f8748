"""Tells the database the legs of each template, and bounds what an adjustment takes: towards zero, and never past it.

How it holds against plain SQL of the application role, at COMMIT:
- the journal of an approved adjustment has the legs of its template, on the clearing key that was proposed;
- where a leg is ``bounded`` (a clearing key is cleared, a merchant's debt is written off, roundings are taken out), what
  it takes stood there, whoever else takes of it. Where facts were booked beside it, the transaction is told to try
  again (40001): the second time it reads what it missed, and says by which code it is refused.
Adjustments of before stand; the release before books the same legs, and never past zero where nobody interfered.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# As the templates have them; what is added later is added here by its own step.
LEGS = """
CREATE TABLE adjustment_legs (
    template text COLLATE "C" NOT NULL,
    side entry_side NOT NULL,
    family text COLLATE "C" NOT NULL REFERENCES account_families,
    bounded boolean NOT NULL,
    PRIMARY KEY (template, side)
);
INSERT INTO adjustment_legs (template, side, family, bounded) VALUES
    ('merchant_credit', 'debit', 'adjustments', false),
    ('merchant_credit', 'credit', 'merchant_available', false),
    ('merchant_debit', 'debit', 'merchant_available', false),
    ('merchant_debit', 'credit', 'adjustments', false),
    ('merchant_payout', 'debit', 'merchant_available', false),
    ('merchant_payout', 'credit', 'bank_cash', false),
    ('merchant_debt_write_off', 'debit', 'write_off', false),
    ('merchant_debt_write_off', 'credit', 'merchant_available', true),
    ('suspense_to_merchant', 'debit', 'suspense', true),
    ('suspense_to_merchant', 'credit', 'merchant_available', false),
    ('suspense_from_merchant', 'debit', 'merchant_available', false),
    ('suspense_from_merchant', 'credit', 'suspense', true),
    ('suspense_surplus_write_off', 'debit', 'suspense', true),
    ('suspense_surplus_write_off', 'credit', 'write_off', false),
    ('suspense_shortfall_write_off', 'debit', 'write_off', false),
    ('suspense_shortfall_write_off', 'credit', 'suspense', true),
    ('suspense_to_processor_fees', 'debit', 'processor_fees', false),
    ('suspense_to_processor_fees', 'credit', 'suspense', true),
    ('suspense_from_processor_fees', 'debit', 'suspense', true),
    ('suspense_from_processor_fees', 'credit', 'processor_fees', false),
    ('receivable_write_off', 'debit', 'write_off', false),
    ('receivable_write_off', 'credit', 'processor_receivable', true),
    ('receivable_surplus_write_off', 'debit', 'processor_receivable', true),
    ('receivable_surplus_write_off', 'credit', 'write_off', false),
    ('rounding_gain_cleared', 'debit', 'rounding', true),
    ('rounding_gain_cleared', 'credit', 'adjustments', false),
    ('rounding_loss_cleared', 'debit', 'adjustments', false),
    ('rounding_loss_cleared', 'credit', 'rounding', true);
REVOKE INSERT ON adjustment_legs FROM ledger_app;
GRANT SELECT ON adjustment_legs TO ledger_app, ledger_reader;
"""

AS_TEMPLATE = """
CREATE FUNCTION adjustment_legs_fit() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM adjustment_legs l
         WHERE l.template = NEW.template AND NOT EXISTS (
            SELECT FROM journals j JOIN entries e ON e.journal_position = j.position
              JOIN accounts a ON a.account_id = e.account_id
             WHERE j.journal_id = NEW.journal_id AND e.side = l.side AND a.family = l.family
               AND (e.clearing_key IS NULL OR e.clearing_key = NEW.parameters ->> 'clearing_key'))
    ) THEN
        RAISE EXCEPTION 'adjustment % is not booked as its template says', NEW.adjustment_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'adjustment_legs_fit';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER adjustment_legs_fit AFTER UPDATE ON adjustments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'APPROVED' AND NEW.reverses_adjustment_id IS NULL)
    EXECUTE FUNCTION adjustment_legs_fit();
"""

# Debits less credits, as it stands. An account is summed behind its nearest snapshot, as by the floor of migration
# 0010; a clearing key from its folded row and what is not folded yet, counted where its latest match says.
STANDS = """
CREATE FUNCTION account_net_minor(wanted bigint) RETURNS numeric LANGUAGE sql STABLE
SET search_path = public, pg_temp AS $$
    SELECT coalesce(b.debit_minor - b.credit_minor, 0) + r.net_minor
      FROM (SELECT wanted AS account_id) a
      LEFT JOIN LATERAL (
        SELECT * FROM account_snapshots l WHERE l.account_id = a.account_id AND l.shard = 0
         ORDER BY l.position DESC LIMIT 1) b ON true
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END), 0) AS net_minor
          FROM entries e LEFT JOIN seals s ON s.journal_position = e.journal_position AND s.shard = 0
         WHERE e.account_id = a.account_id AND e.journal_position > coalesce(b.settled_position, 0)
           AND (s.position IS NULL OR s.position > coalesce(b.position, 0))) r
$$;
CREATE FUNCTION clearing_net_minor(wanted bigint, key text) RETURNS numeric LANGUAGE sql STABLE
SET search_path = public, pg_temp AS $$
    SELECT coalesce(sum(every.net_minor), 0)
      FROM (
        SELECT k.clearing_key, k.net_minor FROM clearing_keys k WHERE k.account_id = wanted
         UNION ALL
        SELECT e.clearing_key, CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END
          FROM entries e
         WHERE e.account_id = wanted
           AND e.journal_position > (SELECT coalesce(max(folded_position), 0) FROM clearing_progress)) AS every
     WHERE coalesce((SELECT m.clearing_key FROM line_matches m JOIN accounts a ON a.account_id = wanted
                      WHERE a.family = 'processor_receivable' AND every.clearing_key LIKE 'line:%' AND m.line_key = every.clearing_key
                      ORDER BY m.revision DESC, m.number DESC LIMIT 1), every.clearing_key) = key
$$;
"""

# Takes the same turns as Python does, so that two by plain SQL cannot both take what is there for one.
CEILING = """
CREATE FUNCTION adjustment_ceiling() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    taken record;
    net_minor numeric;
BEGIN
    FOR taken IN
        SELECT e.account_id, e.side, e.clearing_key,
               concat_ws(':', 'commanded', a.family, a.owner, a.currency, e.clearing_key) AS turn
          FROM journals j JOIN entries e ON e.journal_position = j.position
          JOIN accounts a ON a.account_id = e.account_id
          JOIN adjustment_legs l ON l.template = NEW.template AND l.family = a.family AND l.side = e.side
         WHERE j.journal_id = NEW.journal_id AND l.bounded
         ORDER BY turn
    LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended(taken.turn, 0));
        IF taken.clearing_key IS NULL THEN
            SELECT account_net_minor(taken.account_id) INTO net_minor;
        ELSE
            SELECT clearing_net_minor(taken.account_id, taken.clearing_key) INTO net_minor;
        END IF;
        IF taken.side = 'debit' AND net_minor > 0 OR taken.side = 'credit' AND net_minor < 0 THEN
            RAISE EXCEPTION 'adjustment % takes % beyond zero, to %', NEW.adjustment_id, taken.turn, net_minor
                USING ERRCODE = 'serialization_failure', CONSTRAINT = 'adjustment_ceiling';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER adjustment_ceiling AFTER UPDATE ON adjustments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'APPROVED' AND NEW.reverses_adjustment_id IS NULL)
    EXECUTE FUNCTION adjustment_ceiling();
"""


def upgrade() -> None:
    """Create the table, filled, and the triggers; nothing that is decided already is looked at."""
    for statement in (LEGS, AS_TEMPLATE, STANDS, CEILING):
        op.execute(statement)
    protect(op, "adjustment_legs")
