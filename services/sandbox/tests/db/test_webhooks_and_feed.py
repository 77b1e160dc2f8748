"""Webhooks to a real receiver, signed and planned, and the feed that never skips an event."""

import hashlib
import hmac
import json

import psycopg
import pytest

from services.sandbox.tests.conftest import WEBHOOK_SECRET
from shared.testing.waiting import eventually


def _arrived(receiver, count):
    eventually(lambda: len(receiver.received) >= count, describe=f"{count} webhooks")
    return [json.loads(body) for _, body in receiver.received]


def _feed(alpha, after=None, limit=100):
    parameters = {"limit": limit} | ({"after": after} if after else {})
    return alpha.http.get("events", params=parameters).json()


def test_every_effect_is_announced_with_a_signature_over_the_raw_body(alpha, receiver):
    sale = alpha.sell("k1").json()
    events = _arrived(receiver, 2)
    assert {event["type"] for event in events} == {"authorization.authorized", "capture.succeeded"}
    for headers, body in receiver.received:
        pairs = dict(part.split("=") for part in headers["Alpha-Signature"].split(","))
        signed = pairs["t"].encode() + b"." + body
        expected = hmac.new(WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert pairs["v1"] == expected
    capture = next(event for event in events if event["type"] == "capture.succeeded")
    assert capture["data"]["object"] == sale["captures"][0]
    assert capture["account"] == "acct_alpha"


def test_a_webhook_may_come_before_the_reply(alpha, receiver):
    order = []
    receiver.on_receive = lambda: order.append("webhook")
    alpha.sell("k1", "pm_fault_webhook_first")
    order.append("reply")
    assert order == ["webhook", "webhook", "reply"]
    eventually(lambda: alpha.rows("SELECT 1 FROM alpha_webhooks WHERE state = 'sent' HAVING count(*) = 2"))


def test_a_webhook_may_come_twice_with_the_same_bytes(alpha, receiver):
    alpha.sell("k1", "pm_fault_webhook_twice")
    _arrived(receiver, 4)
    bodies = [body for _, body in receiver.received]
    assert sorted(bodies) == sorted([*set(bodies), *set(bodies)])


def test_a_webhook_may_come_late(alpha, receiver):
    alpha.sell("k1", "pm_fault_webhook_late")
    alpha.sell("k2")
    first = _arrived(receiver, 2)
    assert {event["data"]["object"]["reference"] for event in first[:2]} == {"op_k2"}
    assert len(_arrived(receiver, 4)) == 4


def test_a_lost_webhook_is_in_the_feed_only(alpha, receiver):
    alpha.sell("k1", "pm_fault_webhook_lost")
    alpha.sell("k2")
    _arrived(receiver, 2)
    eventually(lambda: len(_feed(alpha)["data"]) == 4)
    references = {json.loads(body)["data"]["object"]["reference"] for _, body in receiver.received}
    assert references == {"op_k2"}
    assert alpha.rows("SELECT count(*) AS n FROM alpha_webhooks") == [{"n": 2}]


def test_a_refused_webhook_is_sent_again_with_the_same_body(alpha, receiver):
    receiver.statuses = [500, 302, 404]
    alpha.authorize("k1")
    _arrived(receiver, 2)
    assert len({body for _, body in receiver.received}) == 1
    eventually(lambda: alpha.rows("SELECT attempts FROM alpha_webhooks WHERE attempts >= 2"))


def test_without_a_webhook_url_nothing_is_queued(start_alpha):
    alpha = start_alpha(alpha_webhook_url=None)
    alpha.sell("k1")
    assert alpha.rows("SELECT * FROM alpha_webhooks") == []


def test_the_feed_is_read_page_by_page_and_goes_on_from_its_cursor(alpha):
    for number in range(5):
        alpha.authorize(f"k{number}")
    eventually(lambda: len(_feed(alpha)["data"]) == 5)
    seen, cursor, pages = [], None, 0
    while True:
        page = _feed(alpha, cursor, limit=2)
        seen += [event["data"]["object"]["reference"] for event in page["data"]]
        cursor, pages = page["next_cursor"], pages + 1
        if not page["has_more"]:
            break
    assert seen == [f"op_k{number}" for number in range(5)]
    assert pages == 3
    assert _feed(alpha, cursor) == {"data": [], "next_cursor": cursor, "has_more": False}


def test_the_feed_carries_the_bytes_of_the_webhook(alpha, receiver):
    alpha.authorize("k1")
    _arrived(receiver, 1)
    eventually(lambda: _feed(alpha)["data"])
    assert receiver.received[0][1] in alpha.http.get("events").content


def test_the_feed_waits_for_a_writer_that_is_not_done(alpha):
    """A page must not pass an event whose transaction is still open: its place would be skipped for ever."""
    with psycopg.connect(alpha.app_url) as slow:
        slow.execute(
            "INSERT INTO alpha_events (id, type, object_id, created_at, body)"
            " VALUES ('aevt_slow', 'capture.succeeded', 'cap_x', now(), '{\"id\":\"aevt_slow\"}')"
        )
        alpha.authorize("k1")
        assert _feed(alpha)["data"] == []
        slow.commit()
    eventually(lambda: len(_feed(alpha)["data"]) == 2)
    assert _feed(alpha)["data"][0]["id"] == "aevt_slow"


def test_the_feed_is_in_the_order_of_numbers_not_of_digits(alpha):
    with psycopg.connect(alpha.app_url, autocommit=True) as writer:
        for number, written_by in enumerate((9, 10, 99, 100)):
            writer.execute(
                "INSERT INTO alpha_events (id, type, object_id, created_at, body, written_by)"
                " VALUES (%s, 'capture.succeeded', 'cap_x', now(), %s, %s::text::xid8)",
                [f"aevt_{number}", json.dumps({"id": f"aevt_{number}"}), str(written_by)],
            )
    seen, cursor = [], None
    for _ in range(4):
        page = _feed(alpha, cursor, limit=1)
        seen += [event["id"] for event in page["data"]]
        cursor = page["next_cursor"]
    assert seen == ["aevt_0", "aevt_1", "aevt_2", "aevt_3"]


@pytest.mark.parametrize(
    "parameters", [{"after": "x"}, {"after": "1-2-3"}, {"limit": "0"}, {"limit": "x"}, {"limit": "1001"}]
)
def test_foreign_cursors_and_limits_are_refused(alpha, parameters):
    assert alpha.http.get("events", params=parameters).status_code == 400
