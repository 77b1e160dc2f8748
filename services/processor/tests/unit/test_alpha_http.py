"""The alpha adapter against a server that answers as told: what each answer, or none, is taken to prove."""

import asyncio
import json

import pytest

from services.processor.adapters.processors.alpha_http import AlphaProcessor
from services.processor.adapters.processors.exchange import RESPONSE_BYTES_MAX
from services.processor.app.ports import FeedUnreachable
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Found, Result
from services.processor.tests.scripted_server import Script, reply

AUTHORIZE = Operation(
    operation_id="op_1", payment_id="pay_1", kind="authorize", processor="alpha", account="acct",
    amount_minor=100, currency="EUR", payment_method="pm_card_visa",
)  # fmt: skip
CAPTURE = Operation(
    operation_id="op_2", payment_id="pay_1", kind="capture", processor="alpha", account="acct",
    amount_minor=100, currency="EUR", authorization_id="auth_1",
)  # fmt: skip
CANCEL = Operation(
    operation_id="op_3", payment_id="pay_1", kind="cancel", processor="alpha", account="acct",
    authorization_id="auth_1",
)  # fmt: skip


def shown(kind="authorization", **changes):
    made = {
        "id": {"authorization": "auth_1", "capture": "cap_1", "refund": "ref_1"}[kind],
        "object": kind,
        "account": "acct",
        "status": "authorized" if kind == "authorization" else "succeeded",
        "version": 1,
        "amount": 100,
        "currency": "EUR",
        "reference": "op_1",
        "metadata": {"payment": "pay_1"},
        "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": "2026-01-01T00:00:01.000000Z",
    }
    if kind == "capture":
        made["authorization"] = "auth_1"
    return made | changes


def against(act, call, *, timeout_s=2.0):
    """Run ``call(processor)`` against a server that does ``act``; returns its result and the requests seen."""

    async def run():
        script = Script(act)
        server = await asyncio.start_server(script, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        processor = AlphaProcessor(
            base_url=f"http://127.0.0.1:{port}/alpha/v1", api_key="sk_alpha", account="acct",
            total_timeout_s=timeout_s, connections=4,
        )  # fmt: skip
        try:
            return await call(processor), script.requests
        finally:
            await processor.close()
            server.close()
            await asyncio.gather(*script.tasks)

    return asyncio.run(run())


def sent(act, operation=AUTHORIZE, **options):
    return against(act, lambda processor: processor.send(operation), **options)[0]


def test_an_authorization_is_asked_under_our_key_and_read_into_a_fact():
    answer, requests = against(reply(201, shown()), lambda processor: processor.send(AUTHORIZE))
    assert answer.result is Result.DONE
    assert answer.facts[0].fact_key == "alpha:acct:auth_1:authorized:1"
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /alpha/v1/authorizations ")
    keys = [line for line in head.lower().split(b"\r\n") if line.startswith(b"idempotency-key:")]
    assert keys == [b"idempotency-key: op_1"]
    assert b"authorization: bearer sk_alpha" in head.lower()
    assert json.loads(body) == {
        "amount": 100, "currency": "EUR", "payment_method": "pm_card_visa", "reference": "op_1",
        "capture": False, "metadata": {"payment": "pay_1"},
    }  # fmt: skip


def test_a_decline_needs_the_declined_object_as_its_proof():
    error = {"code": "card_declined", "decline_code": "insufficient_funds", "message": "No."}
    declined = sent(reply(402, {"error": error, "authorization": shown(status="declined")}))
    assert (declined.result, declined.decline_code) == (Result.DECLINED, "insufficient_funds")
    assert sent(reply(402, {"error": error, "authorization": shown()})).result is Result.UNKNOWN
    assert sent(reply(402, {"error": error})).result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code", "operation", "result"),
    [
        (400, "amount_invalid", CAPTURE, Result.DECLINED),
        (422, "payment_method_unknown", AUTHORIZE, Result.DECLINED),
        (422, "request_refused", AUTHORIZE, Result.DECLINED),
        (400, "field_missing", CAPTURE, Result.DECLINED),
        (400, "something_new", CAPTURE, Result.UNKNOWN),
        (422, "something_new", AUTHORIZE, Result.UNKNOWN),
        (422, "amount_invalid", AUTHORIZE, Result.UNKNOWN),
        (400, "payment_method_unknown", AUTHORIZE, Result.UNKNOWN),
        (422, "idempotency_key_reused", AUTHORIZE, Result.UNKNOWN),
        (409, "amount_exceeds_capturable", CAPTURE, Result.DECLINED),
        (409, "key_in_use", CAPTURE, Result.UNKNOWN),
        (404, "not_found", CAPTURE, Result.DECLINED),
        (404, "not_found", AUTHORIZE, Result.UNKNOWN),
        (401, "unauthorized", AUTHORIZE, Result.NOT_SENT),
        (401, "something_new", AUTHORIZE, Result.UNKNOWN),
        (403, "unauthorized", AUTHORIZE, Result.UNKNOWN),
        (429, "something_new", AUTHORIZE, Result.UNKNOWN),
        (429, "rate_limited", AUTHORIZE, Result.NOT_SENT),
        (418, "teapot", AUTHORIZE, Result.UNKNOWN),
        (500, "internal_error", AUTHORIZE, Result.UNKNOWN),
        (503, "busy", AUTHORIZE, Result.UNKNOWN),
        (302, "moved", AUTHORIZE, Result.UNKNOWN),
    ],
)
def test_each_status_is_taken_for_what_it_is_documented_to_prove(status, code, operation, result):
    assert sent(reply(status, {"error": {"code": code, "message": "m"}}), operation).result is result


@pytest.mark.parametrize("body", [b"{}", b"<html>Slow down</html>", b""])
def test_whoever_asks_for_patience_is_given_it_and_nothing_is_proven(body):
    answer = sent(reply(429, body, "Retry-After: 7"))
    assert (answer.result, answer.throttled, answer.retry_after_s) == (Result.UNKNOWN, True, 7.0)


def test_retry_after_is_read_and_nonsense_in_it_is_not():
    limited = {"error": {"code": "rate_limited", "message": "m"}}
    answer = sent(reply(429, limited, "Retry-After: 7"))
    assert (answer.retry_after_s, answer.throttled) == (7, True)
    assert sent(reply(429, limited, "Retry-After: 99999999999999999999")).retry_after_s is None
    assert sent(reply(429, limited, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT")).retry_after_s is None


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"id":1}', json.dumps(shown(amount=1.5)).encode(), b"[" * 50_000,
     json.dumps(shown(account="acct_other")).encode(), json.dumps(shown(status="dreamt")).encode()],
)  # fmt: skip
def test_a_success_of_the_wrong_shape_is_unknown_never_done(body):
    answer = sent(reply(201, body))
    assert answer.result is Result.UNKNOWN
    assert not answer.healthy


def test_an_endless_answer_is_cut_off_and_unknown():
    answer = sent(reply(201, b" " * (RESPONSE_BYTES_MAX + 10)))
    assert (answer.result, answer.error_code) == (Result.UNKNOWN, "too_large")


async def _hangs(reader, writer):
    await reader.read()


async def _drips(_reader, writer):
    writer.write(b"HTTP/1.1 201 X\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        try:
            await writer.drain()
        except ConnectionError:
            return
        await asyncio.sleep(0.05)


async def _hangs_up(_reader, writer):
    writer.transport.abort()


@pytest.mark.parametrize("act", [_hangs, _drips])
def test_a_call_has_a_total_time_and_is_then_unknown(act):
    answer = sent(act, timeout_s=0.3)
    assert (answer.result, answer.error_code) == (Result.UNKNOWN, "timeout")


def test_a_connection_that_breaks_after_the_request_is_unknown():
    assert sent(_hangs_up).result is Result.UNKNOWN


def test_a_refused_connection_is_not_sent():
    async def call():
        server = await asyncio.start_server(_hangs, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        processor = AlphaProcessor(
            base_url=f"http://127.0.0.1:{port}/x",
            api_key="k",
            account="acct",
            total_timeout_s=1,
            connections=1,
        )
        try:
            return await processor.send(AUTHORIZE)
        finally:
            await processor.close()

    answer = asyncio.run(call())
    assert (answer.result, answer.healthy) == (Result.NOT_SENT, False)


def test_a_look_up_goes_by_reference_and_tells_found_from_not_found():
    seen, requests = against(reply(200, {"data": [shown()]}), lambda processor: processor.look_up(AUTHORIZE))
    assert (seen.found, seen.result) == (Found.FOUND, Result.DONE)
    assert requests[0].startswith(b"GET /alpha/v1/objects?reference=op_1 ")
    nothing, _ = against(reply(200, {"data": []}), lambda processor: processor.look_up(AUTHORIZE))
    assert nothing.found is Found.NOT_FOUND


def test_a_cancel_is_looked_up_at_the_hold_itself():
    def look(status):
        return against(reply(200, shown(status=status)), lambda processor: processor.look_up(CANCEL))[0]

    assert (look("voided").found, look("voided").result) == (Found.FOUND, Result.DONE)
    still_held = look("authorized")
    assert still_held.found is Found.NOT_FOUND
    assert len(still_held.facts) == 1


@pytest.mark.parametrize(
    "answer", [reply(500, {}), reply(200, b"x"), reply(200, {"data": 3}), reply(404, {}), _hangs_up]
)
def test_a_look_up_that_is_not_answered_in_order_proves_nothing(answer):
    seen, _ = against(answer, lambda processor: processor.look_up(AUTHORIZE))
    assert seen.found is Found.UNREACHABLE


def test_a_feed_page_keeps_what_it_can_read_and_names_what_it_cannot():
    good = {
        "id": "aevt_1",
        "type": "capture.succeeded",
        "account": "acct",
        "data": {"object": shown("capture")},
    }
    moon = {"object": "moon", "id": "moon_1", "reference": "op_1", "metadata": {"payment": "pay_1"}}
    bad = {"id": "aevt_2", "type": "moon.landed", "account": "acct", "data": {"object": moon}}
    page, requests = against(
        reply(200, {"data": [good, bad, 7], "next_cursor": "c2", "has_more": True}),
        lambda processor: processor.read_feed("c1"),
    )
    assert [fact.object_id for fact in page.facts] == ["cap_1"]
    named, nameless = page.rejects
    assert (named.event_id, named.own_id, named.reason) == ("aevt_2", "aevt_2", "object_unknown")
    assert (named.event_type, named.object_id) == ("moon.landed", "moon_1")
    assert (named.reference, named.payment_id) == ("op_1", "pay_1")
    assert nameless.event_id.startswith("digest:")
    assert (nameless.own_id, nameless.event_type, nameless.object_id) == (None, None, None)
    assert (page.next_cursor, page.has_more) == ("c2", True)
    assert b"after=c1" in requests[0]


def test_a_feed_that_does_not_answer_says_so():
    with pytest.raises(FeedUnreachable):
        against(reply(500, {}), lambda processor: processor.read_feed(None))


EVIDENCE = Operation(
    operation_id="op_4", payment_id="pay_1", kind="dispute_evidence", processor="alpha", account="acct",
    dispute_object_id="dsp_1", documents={"receipt": "file_1"},
)  # fmt: skip
ACCEPT = Operation(
    operation_id="op_5", payment_id="pay_1", kind="dispute_accept", processor="alpha", account="acct",
    dispute_object_id="dsp_1",
)  # fmt: skip


def dispute(status, **changes):
    made = {**shown(), "object": "dispute", "id": "dsp_1", "capture": "cap_1", "status": status}
    return made | {"amount": 60, "reference": "op_4"} | changes


@pytest.mark.parametrize(
    ("operation", "path", "body"),
    [
        (EVIDENCE, b"disputes/dsp_1/evidence", {"documents": {"receipt": "file_1"}, "reference": "op_4"}),
        (ACCEPT, b"disputes/dsp_1/accept", {"reference": "op_5"}),
    ],
)
def test_an_answer_to_a_dispute_is_asked_under_our_key(operation, path, body):
    status = {"dispute_evidence": "under_review", "dispute_accept": "accepted"}[operation.kind]
    answer, requests = against(reply(200, dispute(status)), lambda processor: processor.send(operation))
    assert (answer.result, answer.facts[0].status) == (Result.DONE, status)
    head, _, said = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /alpha/v1/" + path + b" ")
    assert json.loads(said) == body


def test_an_answer_is_found_by_its_reference_whatever_became_of_the_dispute():
    def look(*objects):
        return against(reply(200, {"data": list(objects)}), lambda processor: processor.look_up(EVIDENCE))[0]

    assert (look(dispute("won")).found, look(dispute("won")).result) == (Found.FOUND, Result.DONE)
    assert look().found is Found.NOT_FOUND


def test_a_dispute_that_takes_no_answer_any_more_declines_it():
    error = {"error": {"code": "dispute_not_answerable", "message": "It is won."}}
    assert sent(reply(409, error), ACCEPT).result is Result.DECLINED


def test_only_the_id_of_the_dispute_is_compared_with_what_was_asked():
    from services.processor.domain.operation import echo_mismatch

    facts = sent(reply(200, dispute("under_review", reference="op_9")), EVIDENCE).facts
    assert echo_mismatch(EVIDENCE, facts) == ()
    other = sent(reply(200, dispute("under_review", id="dsp_2")), EVIDENCE).facts
    assert echo_mismatch(EVIDENCE, other) == ("reference",)
