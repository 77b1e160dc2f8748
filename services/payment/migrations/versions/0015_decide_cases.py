"""Tells apart who decided from who only closed a case, and how much of its risk has gone since it was closed.

Of cases that the release before closed, the step that closed them says whether a decision did.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

CASES = """
DROP TRIGGER cases_past ON cases;
ALTER TABLE cases ADD COLUMN closed_decision_id text COLLATE "C" REFERENCES operator_decisions;
ALTER TABLE cases ADD COLUMN lowest_minor bigint;
UPDATE cases AS c SET closed_decision_id = d.decision_id
  FROM case_history AS h JOIN operator_decisions AS d ON d.decision_id = h.cause_id
 WHERE h.case_id = c.case_id AND h.step = 'closed' AND c.closed_at IS NOT NULL AND c.closed_by <> 'evidence';
ALTER TABLE cases DROP COLUMN resolution;
ALTER TABLE cases ADD COLUMN resolution text GENERATED ALWAYS AS (
    CASE WHEN closed_at IS NULL THEN NULL WHEN closed_by = 'evidence' THEN 'evidence'
         WHEN closed_decision_id IS NOT NULL THEN 'decision' ELSE 'operator' END) STORED;
ALTER TABLE cases ADD CONSTRAINT cases_people_decide CHECK (
    closed_decision_id IS NULL OR (closed_at IS NOT NULL AND closed_by <> 'evidence'));
ALTER TABLE cases ADD CONSTRAINT cases_risk_goes_after_closing CHECK (
    lowest_minor IS NULL OR (closed_at IS NOT NULL AND lowest_minor >= 0 AND lowest_minor < exposure_minor));
"""

# What is closed stays as it was closed: it only learns that less is at risk since.
KEPT = """
CREATE TRIGGER cases_past BEFORE UPDATE ON cases FOR EACH ROW
    WHEN ((OLD.closed_at IS NOT NULL
           AND ((OLD.exposure_minor, OLD.currency, OLD.changed_at, OLD.told, OLD.closed_at, OLD.closed_by,
                 OLD.closed_reason, OLD.closed_evidence_id, OLD.closed_decision_id)
                IS DISTINCT FROM
                (NEW.exposure_minor, NEW.currency, NEW.changed_at, NEW.told, NEW.closed_at, NEW.closed_by,
                 NEW.closed_reason, NEW.closed_evidence_id, NEW.closed_decision_id)
                OR coalesce(NEW.lowest_minor, NEW.exposure_minor) > coalesce(OLD.lowest_minor, OLD.exposure_minor)))
          OR NOT NEW.told @> OLD.told
          OR (OLD.case_id, OLD.payment_id, OLD.reason, OLD.subject, OLD.operation_id, OLD.opened_at, OLD.follows_case_id)
             IS DISTINCT FROM
             (NEW.case_id, NEW.payment_id, NEW.reason, NEW.subject, NEW.operation_id, NEW.opened_at, NEW.follows_case_id))
    EXECUTE FUNCTION refuse_edited_case();
"""


def upgrade() -> None:
    """Add what code of the release before does not name: it closes by hand, and remembers no risk that went."""
    for part in (CASES, KEPT):
        op.execute(part)
