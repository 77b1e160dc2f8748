"""Creates rule sets, attempts and decisions, with the rules that hold against plain SQL.

- a rule set takes only the steps of its table, its document never changes, one is in force, and whoever proposed it is
  never who approved it;
- an operation is counted once; a decision is made once per operation and payment version, under rules that were in
  force, and is never changed.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect
from shared.persistence.mechanism import create_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RULE_SETS = """
CREATE TABLE rule_sets (
    version integer PRIMARY KEY CHECK (version > 0),
    state text COLLATE "C" NOT NULL CHECK (state IN ('PROPOSED', 'ACTIVE', 'RETIRED', 'REJECTED')),
    document jsonb NOT NULL,
    based_on_version integer NOT NULL CHECK (based_on_version < version),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    approved_by text,
    activated_at timestamptz,
    closed_by text,
    closed_at timestamptz,
    CONSTRAINT rule_sets_four_eyes CHECK (approved_by <> proposed_by),
    CONSTRAINT rule_sets_approved CHECK (
        (state IN ('ACTIVE', 'RETIRED')) = (approved_by IS NOT NULL AND activated_at IS NOT NULL)),
    CONSTRAINT rule_sets_closed CHECK (
        (state IN ('RETIRED', 'REJECTED')) = (closed_by IS NOT NULL AND closed_at IS NOT NULL))
);
CREATE UNIQUE INDEX rule_sets_one_active ON rule_sets ((true)) WHERE state = 'ACTIVE';
INSERT INTO rule_sets (version, state, document, based_on_version, proposed_by, proposed_at, reason, approved_by,
                       activated_at)
VALUES (1, 'ACTIVE', '{}', 0, 'installation', now(), 'allows everything until somebody decides otherwise', 'release',
        now());

CREATE FUNCTION check_rule_set_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'PROPOSED' THEN
            RAISE EXCEPTION 'a rule set is not born %', NEW.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'rule_set_step_legal';
        END IF;
    ELSIF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN
        (('PROPOSED', 'ACTIVE'), ('PROPOSED', 'REJECTED'), ('ACTIVE', 'RETIRED')) THEN
        RAISE EXCEPTION 'a rule set may not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'rule_set_step_legal';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER rule_sets_step BEFORE INSERT OR UPDATE ON rule_sets FOR EACH ROW
    EXECUTE FUNCTION check_rule_set_step();
"""

ATTEMPTS = """
CREATE TABLE attempts (
    operation_id text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL,
    customer_key text COLLATE "C",
    payment_method text COLLATE "C",
    operation_type text COLLATE "C" NOT NULL CHECK (operation_type IN ('authorize', 'sale')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    at timestamptz NOT NULL
);
CREATE INDEX attempts_of_customer ON attempts (customer_key, at) WHERE customer_key IS NOT NULL;
CREATE INDEX attempts_of_method ON attempts (payment_method, at) WHERE payment_method IS NOT NULL;
CREATE INDEX attempts_of_merchant ON attempts (merchant_id, at);
-- For the worker that forgets old rows: they lie in the order in which they came.
CREATE INDEX attempts_by_time ON attempts USING brin (at);
"""

DECISIONS = """
CREATE TABLE decisions (
    decision_id text COLLATE "C" PRIMARY KEY,
    operation_id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    payment_version bigint NOT NULL CHECK (payment_version > 0),
    operation_type text COLLATE "C" NOT NULL CHECK (operation_type IN ('authorize', 'sale', 'capture')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text COLLATE "C" NOT NULL,
    rule_set_version integer NOT NULL,
    decision text COLLATE "C" NOT NULL CHECK (decision IN ('allow', 'review', 'block')),
    reasons text[] NOT NULL,
    cause_event_id text COLLATE "C" NOT NULL UNIQUE,
    decided_at timestamptz NOT NULL,
    CONSTRAINT decisions_once UNIQUE (operation_id, payment_version),
    CONSTRAINT decisions_say_why CHECK ((decision = 'allow') = (cardinality(reasons) = 0))
);
CREATE INDEX decisions_of_payment ON decisions (payment_id);

-- Once per statement: a foreign key would have every decision share-lock the one row that is in force.
CREATE FUNCTION check_decision_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM new_decisions AS d LEFT JOIN rule_sets AS r ON r.version = d.rule_set_version
                WHERE r.activated_at IS NULL) THEN
        RAISE EXCEPTION 'a decision rests on rules that were never in force'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'decision_rules_in_force';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER decisions_rules AFTER INSERT ON decisions
    REFERENCING NEW TABLE AS new_decisions FOR EACH STATEMENT EXECUTE FUNCTION check_decision_rules();
"""

# The schema's default privileges give the application everything; what it must never do is taken back.
GRANTS = """
REVOKE DELETE ON rule_sets FROM risk_app;
REVOKE UPDATE ON attempts FROM risk_app;
"""
LIFE = ("state", "approved_by", "activated_at", "closed_by", "closed_at")


def upgrade() -> None:
    """Create everything of version 1."""
    create_v1(op, service="risk")
    for part in (RULE_SETS, ATTEMPTS, DECISIONS, GRANTS):
        op.execute(part)
    protect(op, "rule_sets", mutable_columns=LIFE)
    protect(op, "decisions")
