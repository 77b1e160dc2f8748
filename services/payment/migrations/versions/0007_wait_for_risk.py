"""Lets operations wait for risk: the state of the wait, its deadline, and the rules that hold against plain SQL.

While an operation waits or is under review nothing of it was sent, so it stays REQUESTED or is ABANDONED; two people are
named where a reviewed operation that moves money was let go.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RISK = """
ALTER TABLE operations
    ADD COLUMN risk text COLLATE "C",
    ADD COLUMN risk_by text COLLATE "C",
    ADD COLUMN risk_version bigint,
    ADD COLUMN risk_deadline_at timestamptz,
    ADD COLUMN risk_proposed_by text,
    ADD COLUMN risk_approved_by text,
    ADD CONSTRAINT operations_risk_known CHECK (
        risk IS NULL OR (risk IN ('WAITING', 'REVIEW', 'ALLOWED', 'BLOCKED', 'WITHDRAWN', 'OVERTAKEN', 'DENIED')
        AND risk_version > 0 AND risk_deadline_at IS NOT NULL)),
    ADD CONSTRAINT operations_risk_by CHECK (
        risk_by IN ('risk', 'deadline', 'operator', 'merchant', 'evidence')),
    ADD CONSTRAINT operations_risk_gate CHECK (
        risk NOT IN ('WAITING', 'REVIEW', 'BLOCKED', 'WITHDRAWN') OR state IN ('REQUESTED', 'ABANDONED')),
    ADD CONSTRAINT operations_risk_four_eyes CHECK (risk_approved_by <> risk_proposed_by),
    ADD CONSTRAINT operations_risk_two_people CHECK (
        risk <> 'ALLOWED' OR risk_by <> 'operator' OR NOT (capture OR type = 'capture')
        OR (risk_proposed_by IS NOT NULL AND risk_approved_by IS NOT NULL));
CREATE INDEX operations_risk_due ON operations (risk_deadline_at) WHERE risk = 'WAITING';
CREATE INDEX operations_risk_review ON operations (operation_id) WHERE risk = 'REVIEW';

CREATE FUNCTION check_risk_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF OLD.risk IS NULL OR NEW.risk IS NULL OR (OLD.risk, NEW.risk) NOT IN (
        ('WAITING', 'REVIEW'), ('WAITING', 'ALLOWED'), ('WAITING', 'BLOCKED'), ('WAITING', 'WITHDRAWN'),
        ('WAITING', 'OVERTAKEN'), ('REVIEW', 'ALLOWED'), ('REVIEW', 'BLOCKED'), ('REVIEW', 'WITHDRAWN'),
        ('REVIEW', 'OVERTAKEN'), ('ALLOWED', 'DENIED'), ('OVERTAKEN', 'DENIED')) THEN
        RAISE EXCEPTION 'risk may not go from % to %', OLD.risk, NEW.risk
            USING ERRCODE = 'check_violation', CONSTRAINT = 'risk_transition_legal';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER operations_risk_step BEFORE UPDATE ON operations FOR EACH ROW
    WHEN (OLD.risk IS DISTINCT FROM NEW.risk) EXECUTE FUNCTION check_risk_step();
"""


def upgrade() -> None:
    """Add the columns; what was asked for before waits for nobody."""
    op.execute(RISK)
