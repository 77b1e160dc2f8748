"""The beta adapter against a server that answers as told: exact money, no keys, and what a missing answer proves."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from services.processor.adapters.processors.beta_http import CAPABILITIES, BetaProcessor
from services.processor.app.ports import FeedUnreachable
from services.processor.domain.operation import Operation, echo_mismatch
from services.processor.domain.outcome import Found, Result
from services.processor.tests.scripted_server import Script, reply
from shared.kernel.clock import SystemClock

SENT_AT = datetime(2026, 1, 1, tzinfo=UTC)
SALE = Operation(
    operation_id="op_1", payment_id="pay_1", kind="authorize", processor="beta", account="acct",
    amount_minor=1999, currency="EUR", payment_method="pm_card_visa", sale=True,
)  # fmt: skip
CAPTURE = Operation(
    operation_id="op_2", payment_id="pay_1", kind="capture", processor="beta", account="acct",
    amount_minor=1999, currency="EUR", authorization_id="bh_1",
)  # fmt: skip
CANCEL = Operation(
    operation_id="op_3", payment_id="pay_1", kind="cancel", processor="beta", account="acct",
    authorization_id="bh_1",
)  # fmt: skip
REFUND = Operation(
    operation_id="op_4", payment_id="pay_1", kind="refund", processor="beta", account="acct",
    amount_minor=500, currency="JPY", capture_id="bc_1",
)  # fmt: skip
EVIDENCE = Operation(
    operation_id="op_5", payment_id="pay_1", kind="dispute_evidence", processor="beta", account="acct",
    dispute_object_id="bq_1", documents={"receipt": "file_1"},
)  # fmt: skip
ACCEPT = Operation(
    operation_id="op_6", payment_id="pay_1", kind="dispute_accept", processor="beta", account="acct",
    dispute_object_id="bq_1",
)  # fmt: skip


def claim(state="ANSWERED", reference="op_5", **changes):
    fields = {
        "turn": 2,
        "ground": "FRAUDULENT",
        "answer_until_ms": 1_767_830_400_000,
        "merchant_ref": reference,
    }
    return shown("CLAIM", state=state, **(fields | changes))


def shown(kind="HOLD", **changes):
    made = {
        "txn_id": {"HOLD": "bh_1", "CHARGE": "bc_1", "CREDIT": "bf_1", "CLAIM": "bq_1"}[kind],
        "txn_type": kind,
        "merchant_code": "acct",
        "state": "APPROVED" if kind == "HOLD" else "BOOKED",
        "value": {"total": "19.99", "currency_code": "EUR"},
        "merchant_ref": "op_1",
        "order_ref": "pay_1",
        "original_txn": {"HOLD": None, "CHARGE": "bh_1", "CREDIT": "bc_1", "CLAIM": "bc_1"}[kind],
        "created_ms": 1_767_225_600_000,
        "changed_ms": 1_767_225_601_000,
    }
    return made | changes


def done(*transactions):
    return reply(200, {"transactions": list(transactions)})


def page(*transactions, more=False, cursor="1-1", also=()):
    notices = [
        {"notice_id": f"bn_{number}", "notice_type": "X", "merchant_code": "acct", "transaction": each}
        for number, each in enumerate(transactions)
    ]
    return reply(200, {"notices": notices, "next": cursor, "more": more}, *also)


def against(act, call, *, timeout_s=2.0):
    async def run():
        script = Script(act)
        server = await asyncio.start_server(script, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        processor = BetaProcessor(
            base_url=f"http://127.0.0.1:{port}/beta/v2", api_key="key", account="acct",
            total_timeout_s=timeout_s, connections=4, clock=SystemClock(),
        )  # fmt: skip
        try:
            return await call(processor), script.requests
        finally:
            await processor.close()
            server.close()
            await asyncio.gather(*script.tasks)

    return asyncio.run(run())


def sent(act, operation=SALE):
    return against(act, lambda processor: processor.send(operation))


def looked_up(act, operation=SALE):
    return against(act, lambda processor: processor.look_up(operation, since=SENT_AT))


@pytest.mark.parametrize(
    ("operation", "path", "body"),
    [
        (
            SALE,
            "/beta/v2/transactions",
            {
                "txn_type": "SALE",
                "value": {"total": "19.99", "currency_code": "EUR"},
                "method": "pm_card_visa",
                "order_ref": "pay_1",
                "merchant_ref": "op_1",
            },
        ),
        (
            CAPTURE,
            "/beta/v2/transactions/bh_1/charge",
            {"value": {"total": "19.99", "currency_code": "EUR"}, "merchant_ref": "op_2"},
        ),
        (CANCEL, "/beta/v2/transactions/bh_1/cancel", {"merchant_ref": "op_3"}),
        (
            REFUND,
            "/beta/v2/transactions/bc_1/credit",
            {"value": {"total": "500", "currency_code": "JPY"}, "merchant_ref": "op_4"},
        ),
        (
            EVIDENCE,
            "/beta/v2/transactions/bq_1/exhibits",
            {"exhibits": {"receipt": "file_1"}, "merchant_ref": "op_5"},
        ),
        (ACCEPT, "/beta/v2/transactions/bq_1/concede", {"merchant_ref": "op_6"}),
    ],
)
def test_amounts_go_out_as_decimal_texts_and_no_key_goes_with_them(operation, path, body):
    _, (request,) = sent(done(), operation)
    head, _, raw = request.partition(b"\r\n\r\n")
    assert head.startswith(f"POST {path} ".encode())
    assert b"x-beta-key: key" in head.lower()
    assert b"idempotency" not in head.lower()
    assert json.loads(raw) == body


def test_a_sale_is_done_by_its_charge():
    answer, _ = sent(done(shown(), shown("CHARGE")))
    assert answer.result is Result.DONE
    assert [fact.amount_minor for fact in answer.facts] == [1999, 1999]
    assert echo_mismatch(SALE, answer.facts) == ()
    assert sent(done(shown()))[0].result is Result.ACCEPTED


def test_a_refused_card_is_no_error_at_beta():
    answer, _ = sent(done(shown(state="REFUSED", refusal="insufficient_funds")))
    assert (answer.result, answer.decline_code) == (Result.DECLINED, "insufficient_funds")


@pytest.mark.parametrize(
    "value",
    [
        {"total": "19.990", "currency_code": "EUR"},
        {"total": 19.99, "currency_code": "EUR"},
        {"total": 1999, "currency_code": "EUR"},
        {"total": "1e3", "currency_code": "EUR"},
        {"total": "-19.99", "currency_code": "EUR"},
        {"total": "19,99", "currency_code": "EUR"},
        {"total": "19.99", "currency_code": "JPY"},
        {"total": "19.99", "currency_code": "eur"},
        {"total": "19.99"},
        "19.99",
    ],
)
def test_an_amount_that_is_not_exact_is_unknown_never_a_guess(value):
    answer, _ = sent(done(shown(value=value), shown("CHARGE", value=value)))
    assert (answer.result, answer.facts) == (Result.UNKNOWN, ())


def test_another_currency_or_amount_is_an_echo_mismatch():
    charged = shown("CHARGE", value={"total": "20", "currency_code": "USD"})
    answer, _ = sent(done(shown(), charged))
    assert set(echo_mismatch(SALE, answer.facts)) == {"amount", "currency"}


@pytest.mark.parametrize(
    ("status", "fault", "operation", "result"),
    [
        (429, "SLOW_DOWN", SALE, Result.NOT_SENT),
        (401, "ACCESS_DENIED", SALE, Result.NOT_SENT),
        (401, "SOMETHING_NEW", SALE, Result.UNKNOWN),
        (403, "ACCESS_DENIED", SALE, Result.UNKNOWN),
        (429, "SOMETHING_NEW", SALE, Result.UNKNOWN),
        (422, "METHOD_UNKNOWN", SALE, Result.DECLINED),
        (409, "HOLD_NOT_OPEN", CAPTURE, Result.DECLINED),
        (409, "SOMETHING_NEW", CAPTURE, Result.UNKNOWN),
        (409, "CLAIM_NOT_OPEN", EVIDENCE, Result.DECLINED),
        (404, "NO_SUCH_TRANSACTION", ACCEPT, Result.DECLINED),
        (404, "NO_SUCH_TRANSACTION", REFUND, Result.DECLINED),
        (404, "NO_SUCH_TRANSACTION", SALE, Result.UNKNOWN),
        (413, "MALFORMED", SALE, Result.UNKNOWN),
        (500, "INTERNAL", SALE, Result.UNKNOWN),
        (503, "TRY_LATER", SALE, Result.UNKNOWN),
    ],
)
def test_only_what_beta_documents_as_not_done_counts_as_not_done(status, fault, operation, result):
    answer, _ = sent(reply(status, {"fault": {"id": fault, "text": "x", "field": None}}), operation)
    assert answer.result is result


@pytest.mark.parametrize("status", [401, 403, 429])
@pytest.mark.parametrize("body", [b"{}", b"<html>Forbidden</html>", b""])
def test_the_status_alone_is_nothing_that_beta_said(status, body):
    answer, _ = sent(reply(status, body, "X-Beta-Retry-In-Ms: 1500"))
    assert (answer.result, answer.facts) == (Result.UNKNOWN, ())
    assert (answer.throttled, answer.retry_after_s) == (status == 429, 1.5)


def test_the_wait_that_beta_asks_for_is_in_milliseconds():
    answer, _ = sent(reply(429, {"fault": {"id": "SLOW_DOWN"}}, "X-Beta-Retry-In-Ms: 1500"))
    assert answer.throttled
    assert answer.retry_after_s == 1.5


async def _hang_up(_reader, writer):
    writer.transport.abort()


def test_no_answer_is_unknown():
    assert sent(_hang_up)[0].result is Result.UNKNOWN


def test_a_lost_answer_is_found_in_the_list():
    seen, (request,) = looked_up(page(shown(merchant_ref="op_9"), shown(), shown("CHARGE")))
    assert (seen.found, seen.result) == (Found.FOUND, Result.DONE)
    assert {fact.object_id for fact in seen.facts} == {"bh_1", "bc_1"}
    since_ms = int(SENT_AT.timestamp() * 1000)
    assert f"since_ms={since_ms}".encode() in request.split(b"\r\n")[0]


def test_the_last_state_in_the_list_counts():
    waiting = shown(
        "CREDIT", state="WAITING", merchant_ref="op_4", value={"total": "5", "currency_code": "JPY"}
    )
    seen, _ = looked_up(
        page(waiting, waiting | {"state": "BOUNCED", "changed_ms": 1_767_225_609_000}), REFUND
    )
    assert (seen.result, [fact.status for fact in seen.facts]) == (Result.DECLINED, ["failed"])


def test_every_page_is_read_before_anything_is_called_absent():
    pages = iter([page(shown(merchant_ref="op_8"), more=True), page(shown(), shown("CHARGE"))])

    async def act(_reader, writer):
        writer.write(next(pages))
        await writer.drain()

    assert looked_up(act)[0].found is Found.FOUND
    assert looked_up(page())[0].found is Found.NOT_FOUND


@pytest.mark.parametrize(
    "answer",
    [
        reply(500, {}),
        reply(200, {"notices": []}),
        reply(200, {"notices": [], "next": None, "more": True}),
        reply(200, {"notices": {}, "next": None, "more": False}),
        reply(200, b"<html>"),
        page(shown(value={"total": "1.999", "currency_code": "EUR"})),
        page({"txn_id": "bh_1"}),
        _hang_up,
    ],
)
def test_a_list_that_cannot_be_read_whole_proves_nothing(answer):
    assert looked_up(answer)[0].found is Found.UNREACHABLE


def test_a_list_that_asks_for_patience_gets_it_and_is_not_ill():
    busy = reply(429, {"fault": {"id": "SLOW_DOWN"}}, "X-Beta-Retry-In-Ms: 2500")
    seen, _ = looked_up(busy)
    assert (seen.found, seen.error_code) == (Found.UNREACHABLE, "http_429")
    assert (seen.throttled, seen.retry_after_s, seen.healthy) == (True, 2.5, True)
    with pytest.raises(FeedUnreachable) as away:
        against(busy, lambda processor: processor.read_feed(None))
    assert away.value.retry_after_s == 2.5


def test_a_key_of_ours_that_the_list_refuses_is_no_sign_of_betas_health():
    denied, _ = looked_up(reply(401, {"fault": {"id": "ACCESS_DENIED"}}))
    ill, _ = looked_up(reply(503, {}))
    assert [(seen.found, seen.healthy) for seen in (denied, ill)] == [
        (Found.UNREACHABLE, True),
        (Found.UNREACHABLE, False),
    ]


def test_somebody_elses_unreadable_notice_does_not_hide_that_ours_is_absent():
    strange = shown(merchant_ref="op_8", txn_type="VOUCHER")
    assert looked_up(page(strange))[0].found is Found.NOT_FOUND


def test_an_unreadable_claim_that_nobody_answered_hides_only_its_own_payment():
    """It bears no reference of ours: without its payment's name it would keep every other look-up in doubt."""
    strange = claim("DREAMT", reference=None, order_ref="pay_9")
    assert looked_up(page(strange))[0].found is Found.NOT_FOUND
    assert looked_up(page(strange | {"order_ref": "pay_1"}))[0].found is Found.UNREACHABLE
    assert looked_up(page(strange | {"order_ref": None}))[0].found is Found.UNREACHABLE
    assert looked_up(page(claim("DREAMT", reference="op_1", order_ref="pay_9")))[0].found is Found.UNREACHABLE


@pytest.mark.parametrize(
    ("operation", "state", "result"),
    [
        (EVIDENCE, "ANSWERED", Result.DONE),
        (EVIDENCE, "ASKED", Result.DONE),
        (EVIDENCE, "DISMISSED", Result.DONE),
        (EVIDENCE, "RAISED", Result.UNKNOWN),
        (ACCEPT, "CONCEDED", Result.DONE),
        (ACCEPT, "ANSWERED", Result.UNKNOWN),
    ],
)
def test_the_claim_shows_whether_an_answer_was_taken(operation, state, result):
    told = claim(state, reference=operation.operation_id)
    answer, _ = sent(done(told), operation)
    assert (answer.result, [fact.object_version for fact in answer.facts]) == (result, [2])
    assert echo_mismatch(operation, answer.facts) == ()
    seen, _ = looked_up(page(told), operation)
    assert (seen.found, seen.result) == (Found.FOUND, result)


def test_an_answer_that_the_list_does_not_know_is_absent():
    assert looked_up(page(claim("RAISED", reference=None)), EVIDENCE)[0].found is Found.NOT_FOUND


def dated(away_s, *transactions):
    """The list as an answer whose ``Date`` is that far from our clock."""
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=away_s), usegmt=True)
    return page(*transactions, also=(f"Date: {at}",))


@pytest.mark.parametrize("away_s", [-600, -305, 305, 600, 86_400])
def test_where_the_clocks_differ_by_more_than_is_allowed_for_an_absence_proves_nothing(away_s):
    seen, _ = looked_up(dated(away_s))
    assert (seen.found, seen.error_code, seen.healthy) == (Found.UNREACHABLE, "clocks_differ", True)
    assert looked_up(dated(away_s, shown(), shown("CHARGE")))[0].found is Found.FOUND


@pytest.mark.parametrize("away_s", [-290, 0, 290])
def test_clocks_that_differ_within_what_is_allowed_for_hide_nothing(away_s):
    assert looked_up(dated(away_s))[0].found is Found.NOT_FOUND


@pytest.mark.parametrize("said", ["yesterday", "", "Mon, 99 Nov 20260 00:00:00 GMT"])
def test_a_date_that_cannot_be_read_says_nothing(said):
    assert looked_up(page(also=(f"Date: {said}",)))[0].found is Found.NOT_FOUND


def test_a_cancel_is_looked_up_by_the_holds_own_id():
    seen, (request,) = looked_up(done(shown(state="CANCELLED")), CANCEL)
    assert request.startswith(b"GET /beta/v2/transactions/bh_1 ")
    assert (seen.found, seen.result) == (Found.FOUND, Result.DONE)
    open_hold, _ = looked_up(done(shown()), CANCEL)
    assert (open_hold.found, len(open_hold.facts)) == (Found.NOT_FOUND, 1)


def test_look_ups_at_once_share_readings_and_none_is_answered_by_an_earlier_one():
    async def act(reader, writer):
        del reader
        await asyncio.sleep(0.05)
        writer.write(page(shown(), shown("CHARGE")))
        await writer.drain()

    async def many(processor):
        first = asyncio.create_task(processor.look_up(SALE, since=SENT_AT))
        await asyncio.sleep(0.02)
        later = [asyncio.create_task(processor.look_up(SALE, since=SENT_AT)) for _ in range(20)]
        return await asyncio.gather(first, *later)

    seen, requests = against(act, many)
    assert {each.found for each in seen} == {Found.FOUND}
    assert len(requests) == 2


def test_a_notice_that_cannot_be_read_is_told_by_the_names_it_bears():
    odd = {"txn_id": "bc_7", "txn_type": "MOON", "merchant_ref": "op_1", "order_ref": "pay_1"}
    fed, _ = against(page(odd), lambda processor: processor.read_feed(None))
    (unread,) = fed.rejects
    assert (unread.reason, unread.object_id, unread.reference) == ("txn_type_unknown", "bc_7", "op_1")
    assert unread.payment_id == "pay_1"


def test_the_list_is_the_feed():
    fed, (request,) = against(page(shown(), {"txn_id": 1}), lambda processor: processor.read_feed("7-3"))
    assert b"after=7-3" in request.split(b"\r\n")[0]
    assert [fact.object_id for fact in fed.facts] == ["bh_1"]
    (unread,) = fed.rejects
    assert (unread.event_id, unread.reason, unread.object_id) == ("bn_1", "txn_type_invalid", None)
    assert (fed.next_cursor, fed.has_more) == ("1-1", False)
    with pytest.raises(FeedUnreachable):
        against(reply(500, {}), lambda processor: processor.read_feed(None))


def test_beta_keeps_no_keys_and_says_so():
    assert (CAPABILITIES.keys_live_s, CAPABILITIES.multiple_captures) == (0.0, False)
