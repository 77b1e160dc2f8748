"""The API dies after the processor accepted and before the reply is kept, at either processor.

Whether the client comes back or is gone for good: one charge, a decided payment, and a kept reply that says so.
"""

from contextlib import suppress

import httpx2
import pytest

from shared.kernel.ids import UlidIds
from shared.persistence.idempotency import Principal
from shared.runtime.idempotent_http import COMPLETE_EVERY_S
from shared.testing.waiting import eventually
from tools.crash.stack import SETTINGS, broken

pytestmark = pytest.mark.timeout(400)

WAIT_S = 6
MARGIN_S = int(SETTINGS["payment"]["KEY_LEASE_MARGIN_S"])
COMPLETED_S = WAIT_S + MARGIN_S + COMPLETE_EVERY_S
"""The lease that the dead process held has ended, and the completer has come round once."""
SLOW_MACHINE_S = 20
KILLED_S = 30
ORDER = {"amount": 4_200, "currency": "EUR", "capture_method": "automatic", "payment_method": "pm_card_visa"}
CHARGED = """SELECT charges, captured_minor, currency FROM alpha_book_by_payment WHERE payment_id = '{0}'
 UNION ALL SELECT charges, captured_minor, currency FROM beta_book_by_payment WHERE payment_id = '{0}'"""


def ask(stack, processor, key):
    """One POST, sent once; None where nobody answered."""
    api_key = stack.merchant(lambda _: None, processor).api_key
    headers = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": key, "Prefer": f"wait={WAIT_S}"}
    with suppress(httpx2.TransportError):
        return httpx2.post(stack.url("payment") + "/payments", json=ORDER, headers=headers, timeout=30)
    return None


def kept(stack, processor, key):
    """What the key keeps: payment, state, and the stored reply's status and body."""
    merchant = stack.merchant(lambda _: None, processor)
    scope = Principal(owner_id=merchant.merchant_id, mode="test").scope(key)
    (row,) = stack.rows(
        "payment", f"SELECT resource_id, state, status, body FROM idempotency_keys WHERE scope = '{scope}'"
    )
    return row


def killed_before_the_reply_is_kept(stack, processor, key):
    """Send the request that the API dies of; returns its payment, which the processor has charged."""
    stack.merchant(lambda _: None, processor)
    kills_before = stack.kills_seen("payment")
    stack.order_death("payment", "idempotency.before_reply_stored")
    try:
        assert ask(stack, processor, key) is None, "the API answered before it died"
    finally:
        stack.withdraw_order("payment")
    assert stack.order_was_taken("payment")
    eventually(
        lambda: stack.kills_seen("payment") > kills_before, timeout_s=KILLED_S, describe="the API died"
    )
    payment_id, state, *reply = kept(stack, processor, key)
    assert (state, reply) == ("in_flight", [None, None])
    eventually(
        lambda: stack.rows("sandbox", CHARGED.format(payment_id)) == [(1, ORDER["amount"], "EUR")],
        timeout_s=KILLED_S,
        describe=lambda: f"one charge of {payment_id}: {stack.rows('sandbox', CHARGED.format(payment_id))}",
    )
    return payment_id


def ends_charged_once(stack, payment_id, body):
    assert (body["id"], body["status"], body["certainty"]) == (payment_id, "CAPTURED", "certain")
    report = stack.audit()
    assert report.holds, broken(report)
    assert stack.rows("sandbox", CHARGED.format(payment_id)) == [(1, ORDER["amount"], "EUR")]


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_a_client_that_never_returns_leaves_a_payment_that_is_decided(stack, processor):
    key = UlidIds().new("gone_")
    payment_id = killed_before_the_reply_is_kept(stack, processor, key)
    stack.wait_until_back("payment")
    eventually(
        lambda: kept(stack, processor, key)[1] == "finished",
        timeout_s=COMPLETED_S + SLOW_MACHINE_S,
        describe=lambda: f"the completer kept a reply; {kept(stack, processor, key)}",
    )
    _, _, status, body = kept(stack, processor, key)
    assert status == httpx2.codes.CREATED
    ends_charged_once(stack, payment_id, httpx2.Response(status, content=bytes(body)).json())


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_a_client_that_returns_is_told_of_the_same_payment(stack, processor):
    key = UlidIds().new("back_")
    payment_id = killed_before_the_reply_is_kept(stack, processor, key)
    stack.wait_until_back("payment")

    def told():
        reply = ask(stack, processor, key)
        return reply if reply is not None and reply.status_code == httpx2.codes.CREATED else None

    reply = eventually(
        told, timeout_s=COMPLETED_S + SLOW_MACHINE_S, interval_s=0.5, describe="the retry is answered"
    )
    ends_charged_once(stack, payment_id, reply.json())
