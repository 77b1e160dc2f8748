"""The processor's adapter against the sandbox: one operation is charged once, whatever the network does to it."""

import asyncio

import psycopg
import pytest
from psycopg.rows import dict_row

from services.processor.adapters.processors.alpha_http import AlphaProcessor
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Found, Result
from services.sandbox.bootstrap import build
from services.sandbox.settings import SandboxSettings
from shared.testing.serving import served

CALL_TIMEOUT_S = 1.0
HANG_S = 1.5  # longer than the call waits, so that it is our timeout and not a broken connection


@pytest.fixture
def sandbox(service_database):
    urls = service_database("sandbox")
    settings = SandboxSettings(database_url=urls.app, alpha_api_key="alpha_key", alpha_hang_s=HANG_S)
    with served(build(settings).make_app()) as server:
        yield server, urls.reader


def sale(method):
    return Operation(
        operation_id="op_1", payment_id="pay_1", kind="authorize", processor="alpha", account="acct_alpha",
        amount_minor=1_000, currency="EUR", payment_method=method, sale=True,
    )  # fmt: skip


def against(server, *calls):
    """Make the calls one after the other; returns what each came to."""

    async def run():
        processor = AlphaProcessor(
            base_url=f"http://{server.host}:{server.port}/alpha/v1", api_key="alpha_key", account="acct_alpha",
            total_timeout_s=CALL_TIMEOUT_S, connections=2,
        )  # fmt: skip
        try:
            return [await call(processor) for call in calls]
        finally:
            await processor.close()

    return asyncio.run(run())


def book(reader_url):
    with psycopg.connect(reader_url, row_factory=dict_row) as connection:
        row = connection.execute(
            "SELECT charges, captured_minor FROM alpha_book_by_payment WHERE payment_id = 'pay_1'"
        ).fetchone()
    return (row["charges"], row["captured_minor"]) if row else (0, 0)


def test_a_charge_whose_answer_was_lost_is_made_once_however_often_it_is_sent(sandbox):
    server, reader = sandbox
    operation = sale("pm_fault_timeout_after")
    (first,) = against(server, lambda processor: processor.send(operation))
    assert first.result is Result.UNKNOWN
    assert book(reader) == (1, 1_000), "it took effect all the same"
    second, third = against(server, *[lambda processor: processor.send(operation)] * 2)
    assert book(reader) == (1, 1_000)
    assert (second.result, third.result) == (Result.DONE, Result.DONE)
    assert second.facts == third.facts


def test_a_charge_that_never_took_effect_is_not_found_and_then_made_once(sandbox):
    server, reader = sandbox
    operation = sale("pm_fault_timeout_before")
    first, seen, second = against(
        server,
        lambda processor: processor.send(operation),
        lambda processor: processor.look_up(operation),
        lambda processor: processor.send(operation),
    )
    assert (first.result, seen.found, second.result) == (Result.UNKNOWN, Found.NOT_FOUND, Result.DONE)
    assert book(reader) == (1, 1_000)
