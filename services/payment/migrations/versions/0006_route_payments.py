"""Creates routes: which processor authorizations go to, by merchant and currency. Only ever added to.

A row with an empty merchant or currency holds for all; the newest row of each pair counts, the most special pair wins,
and a row without a processor takes a rule back.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROUTES = """
CREATE TABLE routes (
    route_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL DEFAULT '',
    currency text COLLATE "C" NOT NULL DEFAULT '' CHECK (currency ~ '^([A-Z]{3})?$'),
    processor text COLLATE "C" CHECK (processor <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    set_by text NOT NULL CHECK (set_by <> ''),
    valid_from timestamptz NOT NULL
);
CREATE INDEX routes_newest ON routes (merchant_id, currency, valid_from DESC, route_id DESC);
"""

# What a payment was sent under never changes: its follow-ups go where its authorization went.
FROZEN = """
CREATE FUNCTION keep_operation_place() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'operation % stays at %', OLD.operation_id, OLD.processor USING ERRCODE = 'check_violation',
        CONSTRAINT = 'operation_place_frozen';
END
$$;
CREATE TRIGGER operations_place BEFORE UPDATE ON operations FOR EACH ROW
    WHEN (OLD.processor IS DISTINCT FROM NEW.processor OR OLD.account IS DISTINCT FROM NEW.account)
    EXECUTE FUNCTION keep_operation_place();
"""


def upgrade() -> None:
    op.execute(ROUTES)
    op.execute(FROZEN)
    protect(op, "routes")
