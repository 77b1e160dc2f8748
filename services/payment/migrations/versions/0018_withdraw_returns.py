"""Keeps what each return that reconciliation proposed came to, so that one that is wanted no more can be stopped.

A proposal that was withdrawn begins nothing any more, whoever writes it.
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ASKED = """
CREATE TABLE asked_returns (
    proposal_event_id text COLLATE "C" PRIMARY KEY,
    -- No foreign keys: written in the transaction that holds the payment's row.
    payment_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('ASKED', 'REFUSED', 'WITHDRAWN', 'STOPPED')),
    operation_id text COLLATE "C" UNIQUE,
    CONSTRAINT asked_returns_operation CHECK (
        (state IN ('ASKED', 'STOPPED')) = (operation_id IS NOT NULL))
) WITH (fillfactor = 90);
CREATE FUNCTION refuse_asked_return_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'the proposal % is % and begins nothing anew', OLD.proposal_event_id, OLD.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'asked_return_step_legal';
END
$$;
CREATE TRIGGER asked_return_step_legal BEFORE UPDATE ON asked_returns FOR EACH ROW
    WHEN ((OLD.state, NEW.state) NOT IN (('ASKED', 'STOPPED'), ('REFUSED', 'WITHDRAWN'))
          OR (NEW.proposal_event_id, NEW.payment_id) <> (OLD.proposal_event_id, OLD.payment_id)
          OR NEW.operation_id IS DISTINCT FROM OLD.operation_id)
    EXECUTE FUNCTION refuse_asked_return_step();
REVOKE DELETE ON asked_returns FROM payment_app;
"""

# What was asked for before: a proposal began the first return of its object's stray that came after it was approved.
BEFORE = """
INSERT INTO asked_returns (proposal_event_id, payment_id, state, operation_id)
SELECT n.cause_id, n.payment_id, 'ASKED', o.operation_id
  FROM payment_notes AS n
 CROSS JOIN LATERAL (
        SELECT o.operation_id FROM operations AS o JOIN strays AS s ON s.stray_id = o.stray_id
         WHERE o.payment_id = n.payment_id AND o.type = 'stray_return' AND o.created_at >= n.at
           AND starts_with(n.detail, s.object_id || ': ')
         ORDER BY o.created_at, o.number LIMIT 1) AS o
 WHERE n.kind = 'return_proposed' AND n.result = 'return_asked'
 ORDER BY n.at DESC
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    """Add the table, with what was asked for by now."""
    for part in (ASKED, BEFORE):
        op.execute(part)
