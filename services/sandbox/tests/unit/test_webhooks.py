"""Webhooks without a network: the signature's published form, and the way back after a failure."""

import asyncio
from datetime import UTC, datetime, timedelta

from services.sandbox.adapters.webhook_http import signature
from services.sandbox.app.ports import DueWebhook
from services.sandbox.app.send_webhooks import ATTEMPTS_LIMIT, BACKOFF_LIMIT_S, WebhookSender, backoff

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    def now(self):
        return NOW

    def monotonic_s(self):
        return 0.0

    def sleep(self, seconds):
        raise AssertionError(f"nothing here waits {seconds} s")


class Queue:
    def __init__(self, *due):
        self.due = due
        self.recorded = None

    async def claim_due(self, now, leased_until, limit):
        assert leased_until > now
        return self.due[:limit]

    async def claim_events(self, event_ids, leased_until):
        assert leased_until > NOW
        return [webhook for webhook in self.due if webhook.event_id in event_ids]

    async def record(self, **outcome):
        self.recorded = outcome


class Transport:
    def __init__(self, *refused):
        self.refused = refused

    async def post(self, body):
        return body not in self.refused


def due(number, attempts=0):
    return DueWebhook(id=number, event_id=f"aevt_{number}", body=b"%d" % number, attempts=attempts)


def sender(queue, *refused):
    return WebhookSender(queue=queue, transport=Transport(*refused), clock=Clock(), wake=lambda: None)


def test_the_signature_is_hmac_sha256_over_time_dot_body():
    value = signature("whsec_test", b'{"id":"aevt_1"}', 1_700_000_000)
    assert value == "t=1700000000,v1=a3067ac45a53e577e242803486033dd79ae6c333abd8ed0f71dc4a05efe2e958"
    assert value != signature("whsec_test", b'{"id":"aevt_2"}', 1_700_000_000)
    assert value != signature("whsec_test", b'{"id":"aevt_1"}', 1_700_000_001)
    assert value != signature("whsec_other", b'{"id":"aevt_1"}', 1_700_000_000)


def test_each_delivery_is_recorded_as_it_went():
    queue = Queue(due(1), due(2, attempts=3), due(3, attempts=ATTEMPTS_LIMIT - 1))
    assert asyncio.run(sender(queue, b"2", b"3").send_due()) == 3
    assert queue.recorded == {
        "sent": [1],
        "retry": [(2, NOW + timedelta(seconds=4))],
        "given_up": [3],
        "now": NOW,
    }


def test_only_the_named_events_overtake_the_reply():
    queue = Queue(due(1), due(2))
    asyncio.run(sender(queue).send_events(["aevt_2"]))
    assert queue.recorded["sent"] == [2]


def test_nothing_due_records_nothing():
    queue = Queue()
    assert asyncio.run(sender(queue).send_due()) == 0
    assert queue.recorded is None


def test_the_wait_doubles_up_to_its_limit():
    waits = [backoff(attempts).total_seconds() for attempts in range(ATTEMPTS_LIMIT)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(waits) == BACKOFF_LIMIT_S
