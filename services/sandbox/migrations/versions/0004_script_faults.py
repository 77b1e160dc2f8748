"""Keep fault scripts and the test clock, and let objects and events be kept back from whoever asks.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from shared.persistence.append_only import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PROCESSORS = ("alpha", "beta")

# One row per rule of a script; what it does is the text that was sent. A call that it strikes counts here, so
# "the next three calls" are three, whoever else calls at the same time.
SCRIPTS = """
CREATE TABLE script_faults (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    processor text NOT NULL CHECK (processor IN ('alpha', 'beta')),
    rule jsonb NOT NULL,
    calls integer CHECK (calls > 0),
    struck integer NOT NULL DEFAULT 0 CHECK (struck >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (calls IS NULL OR struck <= calls)
);
CREATE TABLE script_clock (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    ahead_s double precision NOT NULL CHECK (ahead_s >= 0)
);
INSERT INTO script_clock (ahead_s) VALUES (0);
"""

KEPT_BACK = """
ALTER TABLE {name}_objects ADD COLUMN hidden_until timestamptz;
ALTER TABLE {name}_events ADD COLUMN in_feed boolean NOT NULL DEFAULT true;
CREATE INDEX {name}_events_object ON {name}_events (object_id);
CREATE INDEX {name}_objects_payment ON {name}_objects (payment_id);
"""


def upgrade() -> None:
    op.execute(SCRIPTS)
    for name in PROCESSORS:
        op.execute(KEPT_BACK.format(name=name))
        # The guard names the columns that it froze: it must know the new one.
        for trigger in ("keeps_rows", "keeps_all"):
            op.execute(f"DROP TRIGGER {name}_events_{trigger} ON {name}_events")
        protect(op, f"{name}_events")
