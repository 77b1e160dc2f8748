"""Creates merchants, payments and all that hangs on them, with the rules that hold against plain SQL.

Legal steps are rows of ``legal_transitions``, written here once and for all: a later step is a new migration. Triggers
walk the steps that an update says it took (``status_path``, ``state_path``), so skipping one is refused as well.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect
from shared.persistence.mechanism import create_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TRANSITIONS = """
CREATE TABLE legal_transitions (
    subject text COLLATE "C" NOT NULL CHECK (subject IN ('payment', 'operation', 'refund')),
    from_state text COLLATE "C" NOT NULL,
    to_state text COLLATE "C" NOT NULL,
    PRIMARY KEY (subject, from_state, to_state)
);
INSERT INTO legal_transitions (subject, from_state, to_state)
SELECT 'payment', t.source, unnest(t.targets) FROM (VALUES
    ('CREATED', ARRAY['REQUIRES_PAYMENT_METHOD', 'AUTHORIZED', 'FAILED', 'CANCELED']),
    ('REQUIRES_PAYMENT_METHOD', ARRAY['AUTHORIZED', 'FAILED', 'CANCELED']),
    ('AUTHORIZED', ARRAY['CAPTURED', 'CANCELED']),
    ('CAPTURED', ARRAY['SETTLED', 'REFUNDED', 'DISPUTED', 'REVERSED']),
    ('SETTLED', ARRAY['CAPTURED', 'REFUNDED', 'DISPUTED', 'REVERSED']),
    ('DISPUTED', ARRAY['CAPTURED', 'SETTLED', 'REFUNDED', 'REVERSED']),
    ('REFUNDED', ARRAY['CAPTURED', 'SETTLED', 'DISPUTED', 'REVERSED']),
    ('REVERSED', ARRAY['CAPTURED', 'SETTLED', 'REFUNDED', 'DISPUTED'])
) AS t (source, targets);
INSERT INTO legal_transitions (subject, from_state, to_state)
SELECT 'operation', t.source, unnest(t.targets) FROM (VALUES
    ('REQUESTED', ARRAY['SENT', 'ABANDONED']),
    ('SENT', ARRAY['SUCCEEDED', 'DECLINED', 'PENDING', 'UNCERTAIN', 'ABANDONED']),
    ('PENDING', ARRAY['SUCCEEDED', 'DECLINED', 'UNCERTAIN']),
    ('UNCERTAIN', ARRAY['SUCCEEDED', 'DECLINED', 'PENDING', 'ABANDONED', 'IN_REVIEW']),
    ('IN_REVIEW', ARRAY['SUCCEEDED', 'DECLINED']),
    ('SUCCEEDED', ARRAY['FAILED_LATER']),
    ('DECLINED', ARRAY['SUCCEEDED'])
) AS t (source, targets);
INSERT INTO legal_transitions (subject, from_state, to_state) VALUES
    ('refund', 'REQUESTED', 'SUCCEEDED'),
    ('refund', 'REQUESTED', 'FAILED'),
    ('refund', 'SUCCEEDED', 'FAILED');

CREATE FUNCTION refuse_illegal_walk(subject_ text, source text, steps text[], target text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = public, pg_catalog AS $$
DECLARE
    here text := source;
    step text;
BEGIN
    FOREACH step IN ARRAY steps LOOP
        IF NOT EXISTS (SELECT FROM legal_transitions AS l
                        WHERE l.subject = subject_ AND l.from_state = here AND l.to_state = step) THEN
            RAISE EXCEPTION '% may not go from % to %', subject_, here, step USING ERRCODE = 'check_violation',
                CONSTRAINT = subject_ || '_transition_legal';
        END IF;
        here := step;
    END LOOP;
    IF here IS DISTINCT FROM target THEN
        RAISE EXCEPTION '% says it went from % over % but is %', subject_, source, steps, target
            USING ERRCODE = 'check_violation', CONSTRAINT = subject_ || '_transition_legal';
    END IF;
END
$$;
"""

MERCHANTS = """
CREATE TABLE merchants (
    merchant_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE api_keys (
    key_id text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    mode text COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    prefix text COLLATE "C" NOT NULL,
    last4 text COLLATE "C" NOT NULL CHECK (length(last4) = 4),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX api_keys_merchant ON api_keys (merchant_id);
CREATE TABLE prices (
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    percent_ppm bigint NOT NULL CHECK (percent_ppm BETWEEN 0 AND 1000000),
    fixed_minor bigint NOT NULL CHECK (fixed_minor >= 0),
    refund_policy text COLLATE "C" NOT NULL CHECK (refund_policy IN ('keep', 'proportional')),
    valid_from timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, currency, valid_from)
);
"""

PAYMENTS = """
CREATE TABLE payments (
    payment_id text COLLATE "C" PRIMARY KEY,
    -- No foreign key: its key-share lock on a busy merchant's row would be taken by every payment at once.
    merchant_id text COLLATE "C" NOT NULL,
    mode text COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    status text COLLATE "C" NOT NULL,
    status_path text[] COLLATE "C" NOT NULL DEFAULT '{}',
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    authorized_minor bigint NOT NULL CHECK (authorized_minor >= 0),
    capturable_minor bigint NOT NULL CHECK (capturable_minor >= 0),
    captured_minor bigint NOT NULL CHECK (captured_minor >= 0),
    refunded_minor bigint NOT NULL CHECK (refunded_minor >= 0),
    refunded_adopted_minor bigint NOT NULL CHECK (refunded_adopted_minor BETWEEN 0 AND refunded_minor),
    refund_reserved_minor bigint NOT NULL CHECK (refund_reserved_minor >= 0),
    disputed_open_minor bigint NOT NULL CHECK (disputed_open_minor >= 0),
    reversed_minor bigint NOT NULL CHECK (reversed_minor >= 0),
    settled_minor bigint NOT NULL CHECK (settled_minor >= 0),
    stray_minor bigint NOT NULL CHECK (stray_minor >= 0),
    capture_method text COLLATE "C" NOT NULL CHECK (capture_method IN ('automatic', 'manual')),
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    payment_method text,
    customer text,
    reference text,
    description text,
    metadata jsonb NOT NULL,
    hold text CHECK (hold IN ('risk_review')),
    max_attempts int NOT NULL CHECK (max_attempts > 0),
    attempts_used int NOT NULL CHECK (attempts_used >= 0),
    percent_ppm bigint NOT NULL,
    fixed_minor bigint NOT NULL,
    refund_policy text COLLATE "C" NOT NULL,
    fee_total_minor bigint NOT NULL CHECK (fee_total_minor >= 0),
    fee_returned_minor bigint NOT NULL CHECK (fee_returned_minor BETWEEN 0 AND fee_total_minor),
    captures_counted int NOT NULL CHECK (captures_counted >= 0),
    authorization_id text,
    authorization_released boolean NOT NULL,
    released_reason text,
    release_announced boolean NOT NULL,
    capture_before timestamptz,
    last_error_code text,
    last_error_message text,
    last_decline_code text,
    case_keys text[] NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT payments_dead_without_money CHECK (status NOT IN ('FAILED', 'CANCELED') OR captured_minor = 0),
    CONSTRAINT payments_money_has_status CHECK (
        captured_minor = 0 OR status IN ('CAPTURED', 'SETTLED', 'REFUNDED', 'DISPUTED', 'REVERSED')),
    CONSTRAINT payments_refund_room CHECK (
        refunded_minor - refunded_adopted_minor + refund_reserved_minor <= captured_minor)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX payments_reference ON payments (merchant_id, mode, reference)
    WHERE reference IS NOT NULL AND status NOT IN ('FAILED', 'CANCELED');
CREATE INDEX payments_list ON payments (merchant_id, mode, payment_id);

CREATE FUNCTION check_payment_birth() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'a payment is not born %', NEW.status USING ERRCODE = 'check_violation',
        CONSTRAINT = 'payment_transition_legal';
END
$$;
CREATE TRIGGER payments_birth BEFORE INSERT ON payments FOR EACH ROW
    WHEN (NEW.status NOT IN ('CREATED', 'REQUIRES_PAYMENT_METHOD')) EXECUTE FUNCTION check_payment_birth();
CREATE FUNCTION check_payment_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    PERFORM refuse_illegal_walk('payment', OLD.status, NEW.status_path, NEW.status);
    RETURN NEW;
END
$$;
CREATE TRIGGER payments_step BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION check_payment_step();
"""

CHILDREN = """
CREATE TABLE operations (
    operation_id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    number int NOT NULL CHECK (number > 0),
    type text COLLATE "C" NOT NULL CHECK (type IN ('authorize', 'capture', 'cancel', 'refund')),
    state text COLLATE "C" NOT NULL,
    state_path text[] COLLATE "C" NOT NULL DEFAULT '{}',
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0 AND (amount_minor > 0 OR type = 'cancel')),
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    since timestamptz NOT NULL,
    capture boolean NOT NULL,
    final boolean NOT NULL,
    fee_fixed_minor bigint NOT NULL CHECK (fee_fixed_minor >= 0),
    payment_method text,
    refund_id text COLLATE "C",
    object_id text,
    uncertain_announced boolean NOT NULL,
    resolved_announced boolean NOT NULL,
    next_check_at timestamptz,
    looked_up_at timestamptz,
    error_code text,
    decline_code text,
    message text,
    UNIQUE (payment_id, number)
) WITH (fillfactor = 80);
-- An undecided authorize, capture or cancel refuses every other one: also against plain SQL.
CREATE UNIQUE INDEX operations_one_undecided ON operations (payment_id)
    WHERE type <> 'refund' AND state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN', 'IN_REVIEW');

CREATE FUNCTION check_operation_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM refuse_illegal_walk('operation', 'REQUESTED', NEW.state_path, NEW.state);
    ELSE
        PERFORM refuse_illegal_walk('operation', OLD.state, NEW.state_path, NEW.state);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER operations_birth BEFORE INSERT ON operations FOR EACH ROW
    WHEN (NEW.state <> 'REQUESTED') EXECUTE FUNCTION check_operation_step();
CREATE TRIGGER operations_step BEFORE UPDATE ON operations FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION check_operation_step();

CREATE TABLE refunds (
    refund_id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('REQUESTED', 'SUCCEEDED', 'FAILED')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    operation_id text COLLATE "C",
    capture_id text,
    adopted boolean NOT NULL,
    reason text,
    metadata jsonb,
    fee_returned_minor bigint NOT NULL CHECK (fee_returned_minor >= 0),
    decline_code text
) WITH (fillfactor = 80);
CREATE INDEX refunds_payment ON refunds (payment_id);
CREATE FUNCTION check_refund_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    PERFORM refuse_illegal_walk('refund', OLD.state, ARRAY[NEW.state], NEW.state);
    RETURN NEW;
END
$$;
CREATE TRIGGER refunds_step BEFORE UPDATE ON refunds FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION check_refund_step();

CREATE TABLE processor_objects (
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    object_type text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text COLLATE "C" NOT NULL,
    fact_key text NOT NULL,
    digest text NOT NULL,
    role text COLLATE "C" NOT NULL CHECK (role IN ('seen', 'counted', 'adopted', 'stray')),
    operation_id text COLLATE "C",
    refund_id text COLLATE "C",
    stray_id text COLLATE "C",
    parent_id text,
    counted_minor bigint NOT NULL CHECK (counted_minor >= 0),
    implied boolean NOT NULL,
    PRIMARY KEY (processor, account, object_id)
) WITH (fillfactor = 80);
CREATE INDEX processor_objects_payment ON processor_objects (payment_id);

CREATE TABLE strays (
    stray_id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('money', 'hold')),
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    object_id text NOT NULL,
    fact_key text NOT NULL,
    operation_id text COLLATE "C",
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text COLLATE "C" NOT NULL,
    mismatch boolean NOT NULL,
    found_at timestamptz NOT NULL,
    returned_minor bigint NOT NULL CHECK (returned_minor >= 0),
    reserved_minor bigint NOT NULL CHECK (reserved_minor >= 0),
    released boolean NOT NULL,
    -- Binds what we ask for; what the outside world gave back is stored whatever it is.
    CONSTRAINT strays_returned_once CHECK (reserved_minor = 0 OR returned_minor + reserved_minor <= amount_minor),
    UNIQUE (processor, account, object_id)
);
CREATE INDEX strays_payment ON strays (payment_id);

CREATE TABLE cases (
    case_id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    reason text COLLATE "C" NOT NULL,
    operation_id text COLLATE "C",
    exposure_minor bigint NOT NULL CHECK (exposure_minor >= 0),
    currency text COLLATE "C" NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_by text
);
CREATE INDEX cases_payment ON cases (payment_id);
"""

FACTS = """
CREATE TABLE object_refs (
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    ref text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C",
    PRIMARY KEY (processor, account, ref)
);
CREATE TABLE waiting_facts (
    waiting_id text COLLATE "C" PRIMARY KEY,
    fact jsonb NOT NULL,
    source text COLLATE "C" NOT NULL,
    evidence_id text COLLATE "C" NOT NULL,
    cause_id text NOT NULL,
    payment_id text COLLATE "C",
    refs text[] COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    next_check_at timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    checks int NOT NULL
);
CREATE INDEX waiting_facts_due ON waiting_facts (next_check_at);
CREATE INDEX waiting_facts_refs ON waiting_facts USING gin (refs);

CREATE TABLE evidence (
    evidence_id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C",
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    object_id text NOT NULL,
    fact_key text NOT NULL,
    source text COLLATE "C" NOT NULL,
    rank int NOT NULL,
    verdict text COLLATE "C" NOT NULL,
    digest text NOT NULL,
    fact jsonb NOT NULL,
    cause_id text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX evidence_payment ON evidence (payment_id);

CREATE TABLE status_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    subject text COLLATE "C" NOT NULL CHECK (subject IN ('payment', 'operation')),
    subject_id text COLLATE "C" NOT NULL,
    from_state text COLLATE "C",
    to_state text COLLATE "C" NOT NULL,
    implied boolean NOT NULL,
    evidence_id text COLLATE "C",
    cause_id text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX status_history_payment ON status_history (payment_id);
-- A trigger and not a foreign key: key-share locks on a dozen rows that everybody needs would pile up.
CREATE FUNCTION check_history_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    PERFORM refuse_illegal_walk(NEW.subject, NEW.from_state, ARRAY[NEW.to_state], NEW.to_state);
    RETURN NEW;
END
$$;
CREATE TRIGGER status_history_step BEFORE INSERT ON status_history FOR EACH ROW
    WHEN (NEW.from_state IS NOT NULL) EXECUTE FUNCTION check_history_step();
"""

# The schema's default privileges give the application everything; what it must never do is taken back.
GRANTS = """
REVOKE INSERT, UPDATE, DELETE ON legal_transitions FROM payment_app;
REVOKE DELETE ON merchants, api_keys, payments, operations, refunds, processor_objects, strays, cases, object_refs
    FROM payment_app;
REVOKE SELECT ON api_keys FROM payment_reader;
"""


def upgrade() -> None:
    """Create everything of version 1."""
    create_v1(op, service="payment")
    for part in (TRANSITIONS, MERCHANTS, PAYMENTS, CHILDREN, FACTS, GRANTS):
        op.execute(part)
    for table in ("legal_transitions", "prices", "evidence", "status_history"):
        protect(op, table)
