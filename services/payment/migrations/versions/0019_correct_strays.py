"""Lets an operator correct a stray of which a reply had lied: found anew, once, by what other evidence says."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# The lied one stays as it was found, released; of what is still astray there is one for each object.
STRAYS = """
ALTER TABLE strays ADD COLUMN corrects text COLLATE "C" REFERENCES strays DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE strays DROP CONSTRAINT strays_processor_account_object_id_key;
-- Deferred: the one that is released and the one that is found are written together, in no order.
ALTER TABLE strays ADD CONSTRAINT strays_one_per_object EXCLUDE USING btree
    (processor WITH =, account WITH =, object_id WITH =) WHERE (NOT accepted) DEFERRABLE INITIALLY DEFERRED;
CREATE UNIQUE INDEX strays_corrected_once ON strays (processor, account, object_id) WHERE corrects IS NOT NULL;
"""
DECISIONS = """
ALTER TABLE operator_decisions DROP CONSTRAINT operator_decisions_outcome_check;
ALTER TABLE operator_decisions ADD CONSTRAINT operator_decisions_outcome_check
    CHECK (outcome IN ('succeeded', 'declined', 'return', 'void', 'accept', 'correct'));
ALTER TABLE operator_decisions DROP CONSTRAINT decisions_money_is_named;
ALTER TABLE operator_decisions ADD CONSTRAINT decisions_money_is_named
    CHECK (outcome NOT IN ('return', 'accept', 'correct') OR moves_money);
ALTER TABLE operator_decisions DROP CONSTRAINT decisions_need_evidence;
ALTER TABLE operator_decisions ADD CONSTRAINT decisions_need_evidence
    CHECK ((kind <> 'operation' AND outcome <> 'correct') OR evidence <> '');
"""


def upgrade() -> None:
    """Widen what may be decided; every row there is stays valid."""
    for part in (STRAYS, DECISIONS):
        op.execute(part)
