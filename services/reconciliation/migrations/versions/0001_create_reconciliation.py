"""Creates sources, files with their bytes, what they say line by line, and which reading of each line stands.

- a file is kept byte for byte under its hash, once per source; what it says is never changed;
- of each line one revision stands; a revision that was announced never changes, the next one takes its place;
- a revision is announced once, under the key that the line's first announcement had.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect
from shared.persistence.mechanism import create_v1, create_v2, create_v3

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SOURCES = """
CREATE TABLE sources (
    source text COLLATE "C" PRIMARY KEY CHECK (source ~ '^[a-z][a-z0-9_]{0,31}$'),
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('settlement', 'bank')),
    format text COLLATE "C" NOT NULL CHECK (format <> ''),
    processor text COLLATE "C",
    account text COLLATE "C",
    bank_account text COLLATE "C",
    options jsonb NOT NULL CHECK (jsonb_typeof(options) = 'object'),
    declared_by text NOT NULL CHECK (declared_by <> ''),
    declared_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT sources_say_whose CHECK (
        (kind = 'settlement') = (processor IS NOT NULL AND account IS NOT NULL)
        AND (kind = 'bank') = (bank_account IS NOT NULL)
        AND (processor IS NULL) = (account IS NULL))
);
-- One report tells of an account's money, and one statement of a bank account's: two would count it twice.
CREATE UNIQUE INDEX sources_of_account ON sources (processor, account) WHERE kind = 'settlement';
CREATE UNIQUE INDEX sources_of_bank_account ON sources (bank_account) WHERE kind = 'bank';
"""

FILES = """
CREATE TABLE report_files (
    file_id text COLLATE "C" PRIMARY KEY,
    nth bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    source text COLLATE "C" NOT NULL REFERENCES sources,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    name text NOT NULL CHECK (name <> ''),
    byte_count bigint NOT NULL CHECK (byte_count >= 0),
    state text COLLATE "C" NOT NULL CHECK (state IN ('RECEIVED', 'STAGED', 'REFUSED')),
    refused_code text,
    refused_field text,
    refused_expected text,
    received_at timestamptz NOT NULL,
    received_by text NOT NULL CHECK (received_by <> ''),
    closed_at timestamptz,
    period_from timestamptz,
    period_to timestamptz,
    line_count bigint,
    quarantined_count bigint,
    CONSTRAINT report_files_once UNIQUE (source, sha256),
    CONSTRAINT report_files_refused CHECK (
        (state = 'REFUSED') = (refused_code IS NOT NULL AND refused_field IS NOT NULL AND refused_expected IS NOT NULL)),
    CONSTRAINT report_files_closed CHECK ((state = 'RECEIVED') = (closed_at IS NULL)),
    CONSTRAINT report_files_counted CHECK (
        (state = 'STAGED') = (line_count IS NOT NULL AND quarantined_count IS NOT NULL))
);
CREATE INDEX report_files_waiting ON report_files (source, nth) WHERE state = 'RECEIVED';

CREATE TABLE report_file_chunks (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    chunk_number integer NOT NULL CHECK (chunk_number >= 0),
    content bytea NOT NULL CHECK (length(content) BETWEEN 1 AND 1048576),
    PRIMARY KEY (file_id, chunk_number)
);
ALTER TABLE report_file_chunks ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE FUNCTION check_file_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF (TG_OP = 'INSERT' AND NEW.state <> 'RECEIVED')
       OR (TG_OP = 'UPDATE' AND (OLD.state, NEW.state) NOT IN
           (('RECEIVED', 'STAGED'), ('RECEIVED', 'REFUSED'), ('REFUSED', 'RECEIVED'))) THEN
        RAISE EXCEPTION 'this step of a file does not exist'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'file_step_legal';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER report_files_step BEFORE INSERT OR UPDATE ON report_files FOR EACH ROW
    EXECUTE FUNCTION check_file_step();
"""

_SETTLEMENT = """
    payout_id text COLLATE "C",
    category text COLLATE "C" NOT NULL CHECK (category IN ('charge', 'refund', 'refund_failure', 'dispute', 'reversal',
                                                           'reserve', 'other', 'payout')),
    type_text text NOT NULL,
    object_id text COLLATE "C",
    parent_object_id text COLLATE "C",
    our_reference text COLLATE "C",
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    gross_minor bigint NOT NULL CHECK (abs(gross_minor) <= 9007199254740991),
    fee_currency text COLLATE "C" NOT NULL CHECK (fee_currency ~ '^[A-Z]{3}$'),
    fee_minor bigint NOT NULL CHECK (abs(fee_minor) <= 9007199254740991),
    net_currency text COLLATE "C" NOT NULL CHECK (net_currency ~ '^[A-Z]{3}$'),
    net_minor bigint NOT NULL CHECK (abs(net_minor) <= 9007199254740991),
    exchange_rate text COLLATE "C",
    fee_in_net_currency_minor bigint CHECK (abs(fee_in_net_currency_minor) <= 9007199254740991),
    occurred_at timestamptz NOT NULL,
    available_on timestamptz NOT NULL,
    bank_reference text"""

_BANK = """
    statement_id text COLLATE "C" NOT NULL,
    account_number text NOT NULL,
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint NOT NULL CHECK (abs(amount_minor) <= 9007199254740991),
    booked_on date NOT NULL,
    value_on date NOT NULL,
    "references" text[] NOT NULL,
    text text NOT NULL,
    returned boolean NOT NULL"""

SAID = f"""
CREATE TABLE report_lines (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    line_number bigint NOT NULL CHECK (line_number > 0),
    line_id text COLLATE "C" NOT NULL,{_SETTLEMENT},
    PRIMARY KEY (file_id, line_number)
);
-- Joins by line must not depend on what the planner thinks of a file that came in this transaction.
CREATE INDEX report_lines_of_line ON report_lines (file_id, line_id);
CREATE TABLE statement_lines (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    line_number bigint NOT NULL CHECK (line_number > 0),
    line_id text COLLATE "C" NOT NULL,{_BANK},
    PRIMARY KEY (file_id, line_number)
);
CREATE INDEX statement_lines_of_line ON statement_lines (file_id, line_id);
CREATE TABLE stated_payouts (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    payout_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    stated_net_minor bigint,
    lines_net_minor bigint NOT NULL,
    line_count bigint NOT NULL,
    whole boolean NOT NULL,
    PRIMARY KEY (file_id, payout_id, currency)
);
CREATE TABLE stated_statements (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    statement_id text COLLATE "C" NOT NULL,
    whole boolean NOT NULL,
    PRIMARY KEY (file_id, statement_id)
);
CREATE TABLE quarantined_lines (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    nth bigint GENERATED ALWAYS AS IDENTITY,
    line_number bigint NOT NULL CHECK (line_number > 0),
    code text NOT NULL,
    field text NOT NULL,
    expected text NOT NULL,
    raw text NOT NULL CHECK (length(raw) <= 4096),
    PRIMARY KEY (file_id, nth)
);
CREATE TABLE control_totals (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    nth bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    subject text NOT NULL,
    currency text COLLATE "C" NOT NULL,
    stated_minor bigint NOT NULL,
    counted_minor bigint NOT NULL,
    PRIMARY KEY (file_id, nth)
);
"""

STANDS = f"""
CREATE TABLE settlement_lines (
    source text COLLATE "C" NOT NULL REFERENCES sources,
    line_id text COLLATE "C" NOT NULL,
    revision integer NOT NULL CHECK (revision > 0),
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    line_number bigint NOT NULL,
    stands boolean NOT NULL DEFAULT true,
    withdrawn boolean NOT NULL DEFAULT false,
    announced boolean NOT NULL DEFAULT false,{_SETTLEMENT},
    PRIMARY KEY (source, line_id, revision),
    CONSTRAINT settlement_lines_withdrawn CHECK (NOT withdrawn OR (gross_minor = 0 AND fee_minor = 0 AND net_minor = 0)),
    CONSTRAINT settlement_lines_replaced CHECK (stands OR announced),
    CONSTRAINT settlement_lines_announced CHECK (NOT announced OR (payout_id IS NOT NULL AND category <> 'payout'))
);
CREATE UNIQUE INDEX settlement_lines_standing ON settlement_lines (source, line_id) WHERE stands;
CREATE INDEX settlement_lines_of_payout ON settlement_lines (source, payout_id) WHERE stands;
CREATE INDEX settlement_lines_of_object ON settlement_lines (object_id, source) WHERE stands AND object_id IS NOT NULL;
CREATE INDEX settlement_lines_untold ON settlement_lines (source, payout_id, line_id)
    WHERE stands AND NOT announced AND category <> 'payout' AND payout_id IS NOT NULL;

CREATE FUNCTION check_line_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF (to_jsonb(NEW) - 'stands') IS DISTINCT FROM (to_jsonb(OLD) - 'stands') THEN
        RAISE EXCEPTION 'revision % of line % was announced and stays as it is', OLD.revision, OLD.line_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'line_step_legal';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER settlement_lines_step BEFORE UPDATE ON settlement_lines FOR EACH ROW WHEN (OLD.announced)
    EXECUTE FUNCTION check_line_step();

CREATE TABLE bank_lines (
    source text COLLATE "C" NOT NULL REFERENCES sources,
    line_id text COLLATE "C" NOT NULL,
    revision integer NOT NULL CHECK (revision > 0),
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    line_number bigint NOT NULL,
    stands boolean NOT NULL DEFAULT true,
    withdrawn boolean NOT NULL DEFAULT false,{_BANK},
    PRIMARY KEY (source, line_id, revision),
    CONSTRAINT bank_lines_withdrawn CHECK (NOT withdrawn OR amount_minor = 0)
);
CREATE UNIQUE INDEX bank_lines_standing ON bank_lines (source, line_id) WHERE stands;
CREATE INDEX bank_lines_of_statement ON bank_lines (source, statement_id) WHERE stands;

CREATE FUNCTION check_bank_line_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF (to_jsonb(NEW) - 'stands') IS DISTINCT FROM (to_jsonb(OLD) - 'stands') THEN
        RAISE EXCEPTION 'revision % of bank line % stays as it is', OLD.revision, OLD.line_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'bank_line_step_legal';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER bank_lines_step BEFORE UPDATE ON bank_lines FOR EACH ROW EXECUTE FUNCTION check_bank_line_step();
"""

PAYOUTS = """
CREATE TABLE payouts (
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    payout_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL REFERENCES sources,
    stated_net_minor bigint,
    lines_net_minor bigint NOT NULL,
    line_count bigint NOT NULL,
    closed_at timestamptz,
    bank_reference text,
    expected_on date,
    PRIMARY KEY (processor, account, payout_id, currency)
);
CREATE INDEX payouts_of_source ON payouts (source, payout_id);

CREATE TABLE announced_lines (
    source text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    event_key text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL UNIQUE,
    amended_revision integer CHECK (amended_revision < revision),
    payment_id text COLLATE "C",
    merchant_id text COLLATE "C",
    object_id text COLLATE "C",
    announced_at timestamptz NOT NULL,
    PRIMARY KEY (source, line_id, revision),
    FOREIGN KEY (source, line_id, revision) REFERENCES settlement_lines,
    CONSTRAINT announced_lines_matched CHECK ((payment_id IS NULL) = (merchant_id IS NULL))
);
"""

# The schema's default privileges give the application everything; what it must never do is taken back.
GRANTS = """
REVOKE DELETE ON sources, payouts, report_files, settlement_lines, bank_lines FROM reconciliation_app;
REVOKE UPDATE ON bank_lines FROM reconciliation_app;
GRANT UPDATE (stands) ON bank_lines TO reconciliation_app;
"""
LIFE = (
    "state", "refused_code", "refused_field", "refused_expected", "closed_at", "period_from", "period_to", "line_count",
    "quarantined_count",
)  # fmt: skip
SAID_ONCE = (
    "report_file_chunks", "report_lines", "statement_lines", "stated_payouts", "stated_statements", "quarantined_lines",
    "control_totals", "announced_lines",
)  # fmt: skip


def upgrade() -> None:
    """Create everything of version 1."""
    create_v1(op, service="reconciliation")
    create_v2(op, service="reconciliation")
    create_v3(op)
    for part in (SOURCES, FILES, SAID, STANDS, PAYOUTS, GRANTS):
        op.execute(part)
    protect(op, "report_files", mutable_columns=LIFE)
    for table in SAID_ONCE:
        protect(op, table)
