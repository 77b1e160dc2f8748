"""The database refuses for the application's role what the code would never do."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from services.payment.domain import lifecycle, operations, refunds
from services.payment.tests.db.stand import Stand
from services.payment.tests.world import authorized, captured, disputed, money_row, wish
from shared.testing.infra import ServiceDatabase


@pytest.fixture
def stand(service_database: ServiceDatabase) -> Iterator[Stand]:
    stand = Stand(service_database("payment"))
    yield stand
    stand.close()


def test_the_database_holds_the_same_tables_as_the_code(stand: Stand) -> None:
    rows = stand.rows("SELECT subject, from_state, to_state FROM legal_transitions")
    expected = {("payment", str(a), str(b)) for a, b in lifecycle.pairs()}
    expected |= {("operation", str(a), str(b)) for a, b in operations.pairs()}
    expected |= {("refund", str(a), str(b)) for a, following in refunds.NEXT.items() for b in following}
    assert set(rows) == expected


@pytest.mark.parametrize(
    "table",
    [
        "evidence", "status_history", "case_history", "payment_notes", "prices", "legal_transitions", "routes",
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["UPDATE {} SET cause_id = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_history_is_never_changed(stand: Stand, table: str, verb: str) -> None:
    stand.create(wish())
    column = {"prices": "currency", "legal_transitions": "subject", "routes": "currency"}.get(
        table, "cause_id"
    )
    with (
        psycopg.connect(stand.urls.app.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.Error) as told,
    ):
        connection.execute(verb.format(table).replace("cause_id", column))  # type: ignore[arg-type]
    assert told.value.sqlstate in {"42501", "23001"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments SET status = 'REFUNDED'",
        "UPDATE payments SET status = 'REFUNDED', status_path = '{REFUNDED}'",
        "UPDATE payments SET status = 'CAPTURED', status_path = '{AUTHORIZED}'",
        "UPDATE payments SET status = 'FAILED', status_path = '{FAILED}', captured_minor = 1",
        "UPDATE payments SET captured_minor = 1",
        "UPDATE payments SET refund_reserved_minor = 1",
        "UPDATE operations SET state = 'SUCCEEDED'",
        "UPDATE operations SET processor = 'elsewhere'",
        "UPDATE operations SET account = 'elsewhere'",
        "UPDATE operations SET state = 'SUCCEEDED', state_path = '{SUCCEEDED}'",
        (
            "INSERT INTO status_history (payment_id, subject, subject_id, from_state, to_state, implied, cause_id, at)"
            " SELECT payment_id, 'payment', payment_id, 'FAILED', 'CAPTURED', false, 'x', now() FROM payments"
        ),
    ],
)
def test_an_illegal_step_is_refused(stand: Stand, statement: str) -> None:
    stand.create(wish())
    with (
        psycopg.connect(stand.urls.app.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(statement)  # type: ignore[arg-type]


def test_two_undecided_operations_are_refused(stand: Stand) -> None:
    stand.create(wish())
    copy = (
        'INSERT INTO operations SELECT (jsonb_populate_record(o, \'{"operation_id": "op_2", "number": 2}\')).*'
        " FROM operations AS o"
    )
    with (
        psycopg.connect(stand.urls.app.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.UniqueViolation),
    ):
        connection.execute(copy)


def test_a_dead_payment_has_no_exit(stand: Stand) -> None:
    payment = stand.create(wish(max_attempts=1))
    declined = authorized(payment, status="declined", decline_code="insufficient_funds")
    assert stand.tell(declined).status == "FAILED"
    with (
        psycopg.connect(stand.urls.app.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute("UPDATE payments SET status = 'AUTHORIZED', status_path = '{AUTHORIZED}'")
    found = stand.tell(captured(payment))
    assert (found.status, found.amounts.captured_minor, found.amounts.stray_minor) == ("FAILED", 0, 10_000)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE disputes SET written_off_minor = 1",
        "UPDATE disputes SET status = 'lost'",
        "UPDATE disputes SET status = 'closed'",
        "UPDATE disputes SET withdrawn_minor = -1",
        "UPDATE disputes SET stray_id = 'str_1', fee_minor = 5",
        "UPDATE operations SET dispute_id = 'dp_1'",
        "UPDATE operations SET type = 'dispute_accept'",
    ],
)
def test_a_dispute_that_does_not_add_up_is_refused(stand: Stand, statement: str) -> None:
    payment = stand.create(wish())
    row = money_row(payment, "dispute", "opened", 6_000, "row_1")
    for what in (authorized(payment), captured(payment), disputed(payment, "opened", 1), row):
        stand.tell(what)
    with (
        psycopg.connect(stand.urls.app.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(statement)  # type: ignore[arg-type]
