"""Adds adjustments: manual journals that one person proposes and another approves.

How it holds against plain SQL of the application role:
- an adjustment is born proposed, is decided once, and nothing else of it ever changes;
- whoever proposed it is never who approved it;
- an approved one has its journal, of two entries that are what was proposed, or of the exact opposite of what is
  reversed; and a journal of an adjustment's rule has an approved adjustment, at COMMIT;
- it is reversed once;
- a payout leaves the merchant's balance at zero or above, whoever else is paying out. Where facts were booked beside it,
  the transaction is told to try again (40001): the second time it reads what it missed.
Facts are posted as before: the trigger on ``journals`` runs for rules of adjustments only.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

TEMPLATES = (
    "merchant_credit", "merchant_debit", "merchant_payout", "merchant_debt_write_off",
    "suspense_to_merchant", "suspense_from_merchant", "suspense_surplus_write_off", "suspense_shortfall_write_off",
    "suspense_to_processor_fees", "suspense_from_processor_fees",
    "receivable_write_off", "receivable_surplus_write_off", "rounding_gain_cleared", "rounding_loss_cleared",
)  # fmt: skip
"""Those of this step; what is added later is added to the CHECK by its own step."""

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FAMILIES = """
INSERT INTO account_families (family, normal_side, transitional) VALUES
    ('write_off', 'debit', false),
    ('adjustments', 'debit', false);
"""

ADJUSTMENTS = f"""
CREATE TABLE adjustments (
    adjustment_id text COLLATE "C" PRIMARY KEY,
    template text COLLATE "C" NOT NULL CONSTRAINT adjustments_template
        CHECK (template IN ({", ".join(f"'{name}'" for name in TEMPLATES)})),
    parameters jsonb NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{{3}}$'),
    reason text NOT NULL CHECK (reason <> ''),
    attachment text NOT NULL CHECK (attachment <> ''),
    reverses_adjustment_id text COLLATE "C" REFERENCES adjustments,
    state text COLLATE "C" NOT NULL CHECK (state IN ('PROPOSED', 'APPROVED', 'REJECTED')),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    decision_reason text,
    journal_id text COLLATE "C" UNIQUE,
    CONSTRAINT adjustments_four_eyes CHECK (state <> 'APPROVED' OR decided_by <> proposed_by),
    CONSTRAINT adjustments_decided CHECK (
        (state <> 'PROPOSED') = (decided_by IS NOT NULL AND decided_at IS NOT NULL AND decision_reason IS NOT NULL)),
    CONSTRAINT adjustments_booked CHECK ((state = 'APPROVED') = (journal_id IS NOT NULL))
);
CREATE UNIQUE INDEX adjustments_reversed_once ON adjustments (reverses_adjustment_id) WHERE state <> 'REJECTED';
"""

STEP = """
CREATE FUNCTION adjustment_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (TG_OP = 'INSERT' AND NEW.state <> 'PROPOSED') OR (TG_OP = 'UPDATE' AND OLD.state <> 'PROPOSED') THEN
        RAISE EXCEPTION 'adjustment % is decided once, and not born %', NEW.adjustment_id, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'adjustment_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER adjustment_step BEFORE INSERT OR UPDATE ON adjustments FOR EACH ROW EXECUTE FUNCTION adjustment_step();
"""

BOOKED = """
CREATE FUNCTION adjustment_journal() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM journals j WHERE j.journal_id = NEW.journal_id
           AND j.rule = 'adjustment:' || NEW.template
                || CASE WHEN NEW.reverses_adjustment_id IS NULL THEN '' ELSE '_reversed' END
           AND j.fact_key = coalesce(NEW.reverses_adjustment_id, NEW.adjustment_id)
           AND j.amount_minor = NEW.amount_minor AND j.currency = NEW.currency
           AND CASE WHEN NEW.reverses_adjustment_id IS NULL
               -- Zero-sum is held elsewhere: two entries of the amount are one on each side.
               THEN j.reverses_position IS NULL AND j.entry_count = 2 AND NOT EXISTS (
                   SELECT FROM entries e JOIN accounts a ON a.account_id = e.account_id
                    WHERE e.journal_position = j.position
                      AND (e.amount_minor <> NEW.amount_minor OR a.family = 'merchant_available'
                           AND a.owner IS DISTINCT FROM NEW.parameters ->> 'merchant_id'))
               -- That it is the exact opposite is held for every journal that reverses one.
               ELSE EXISTS (
                   SELECT FROM adjustments o JOIN journals r ON r.journal_id = o.journal_id
                    WHERE o.adjustment_id = NEW.reverses_adjustment_id AND o.state = 'APPROVED'
                      AND o.reverses_adjustment_id IS NULL AND r.position = j.reverses_position)
               END
    ) THEN
        RAISE EXCEPTION 'adjustment % is approved without its journal', NEW.adjustment_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'adjustment_journal';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER adjustment_journal AFTER UPDATE ON adjustments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'APPROVED') EXECUTE FUNCTION adjustment_journal();

CREATE FUNCTION journal_approved() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM adjustments a WHERE a.journal_id = NEW.journal_id AND a.state = 'APPROVED') THEN
        RAISE EXCEPTION 'journal % is of an adjustment that nobody approved', NEW.journal_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'journal_approved';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER journal_approved AFTER INSERT ON journals DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.rule LIKE 'adjustment:%') EXECUTE FUNCTION journal_approved();
"""

# Takes the same turn as Python does, so that two payouts by plain SQL cannot both see what is there for one. The
# nearest snapshot spares the merchant's whole history, which would be read while others wait for the turn.
FLOOR = """
CREATE FUNCTION adjustment_floor() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    merchant text := NEW.parameters ->> 'merchant_id';
    left_minor numeric;
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtextextended('commanded:merchant_available:' || merchant || ':' || NEW.currency, 0));
    SELECT coalesce(sum(coalesce(b.credit_minor - b.debit_minor, 0) + r.net_minor), 0) INTO left_minor
      FROM accounts a
      LEFT JOIN LATERAL (
        SELECT * FROM account_snapshots l WHERE l.account_id = a.account_id AND l.shard = 0
         ORDER BY l.position DESC LIMIT 1) b ON true
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE e.side WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END), 0) AS net_minor
          FROM entries e LEFT JOIN seals s ON s.journal_position = e.journal_position AND s.shard = 0
         WHERE e.account_id = a.account_id AND e.journal_position > coalesce(b.settled_position, 0)
           AND (s.position IS NULL OR s.position > coalesce(b.position, 0))) r
     WHERE a.family = 'merchant_available' AND a.owner = merchant AND a.currency = NEW.currency;
    IF left_minor < 0 THEN
        RAISE EXCEPTION 'adjustment % leaves % of % at %', NEW.adjustment_id, NEW.currency, merchant, left_minor
            USING ERRCODE = 'serialization_failure', CONSTRAINT = 'adjustment_floor';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER adjustment_floor AFTER UPDATE ON adjustments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW
    WHEN (NEW.state = 'APPROVED' AND NEW.template = 'merchant_payout' AND NEW.reverses_adjustment_id IS NULL)
    EXECUTE FUNCTION adjustment_floor();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON adjustments TO ledger_app;
GRANT SELECT ON adjustments TO ledger_reader;
"""
LIFE = ("state", "decided_by", "decided_at", "decision_reason", "journal_id")


def upgrade() -> None:
    """Create the table, empty; the release before books nothing by such a rule."""
    for statement in (FAMILIES, ADJUSTMENTS, STEP, BOOKED, FLOOR, GRANTS):
        op.execute(statement)
    protect(op, "adjustments", mutable_columns=LIFE)
