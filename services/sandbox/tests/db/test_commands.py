"""Every command over a real socket on a real database: effects, refusals, replays and the book."""

import asyncio

import httpx2
import psycopg
import pytest

from services.sandbox.tests.conftest import API_KEY


def test_a_sale_is_answered_with_its_capture_and_stands_in_the_book(alpha):
    reply = alpha.sell("k1")
    assert reply.status_code == 201
    sale = reply.json()
    assert (sale["status"], sale["amount_captured"], sale["amount_capturable"]) == ("authorized", 1_000, 0)
    (capture,) = sale["captures"]
    assert (capture["status"], capture["amount"], capture["reference"]) == ("succeeded", 1_000, "op_k1")
    assert capture["metadata"] == {"payment": "pay_1"}
    assert alpha.http.get(f"captures/{capture['id']}").json() == capture
    book = alpha.book()
    assert (book["captured_minor"], book["refunded_minor"], book["held_minor"]) == (1_000, 0, 0)
    assert (book["charges"], book["currency"]) == (1, "EUR")


def test_authorize_capture_in_parts_void_and_refund(alpha):
    authorization = alpha.authorize("k1").json()
    assert (authorization["captures"], authorization["amount_capturable"]) == ([], 1_000)
    path = f"authorizations/{authorization['id']}"
    first = alpha.post(f"{path}/captures", {"amount": 300, "reference": "op_c1", "final": False}, "k2")
    second = alpha.post(f"{path}/captures", {"amount": 200, "reference": "op_c2"}, "k3")
    assert (first.status_code, second.status_code) == (201, 201)
    too_much = alpha.post(f"{path}/captures", {"amount": 501, "reference": "op_c3"}, "k4")
    assert (too_much.status_code, too_much.json()["error"]["code"]) == (409, "amount_exceeds_capturable")
    voided = alpha.post(f"{path}/void", {"reference": "op_v"}, "k5")
    assert (voided.status_code, voided.json()["status"], voided.json()["version"]) == (200, "voided", 2)
    refund = alpha.post(f"captures/{first.json()['id']}/refunds", {"amount": 100, "reference": "op_r"}, "k6")
    assert (refund.status_code, refund.json()["status"]) == (201, "succeeded")
    book = alpha.book()
    assert (book["captured_minor"], book["refunded_minor"], book["held_minor"]) == (500, 100, 0)
    assert [item["id"] for item in alpha.look_up("op_v")] == [authorization["id"]]
    assert [item["id"] for item in alpha.look_up("op_r")] == [refund.json()["id"]]


def test_a_final_capture_of_a_part_releases_the_rest(alpha):
    authorization = alpha.authorize("k1").json()
    path = f"authorizations/{authorization['id']}"
    alpha.post(f"{path}/captures", {"amount": 300, "reference": "op_c", "final": True}, "k2")
    assert alpha.http.get(path).json()["amount_capturable"] == 0
    assert alpha.book()["held_minor"] == 0


def test_a_decline_is_402_with_its_code_and_is_replayed_too(alpha):
    first = alpha.sell("k1", "pm_card_visa_chargeDeclinedInsufficientFunds")
    assert first.status_code == 402
    error = first.json()["error"]
    assert (error["code"], error["decline_code"]) == ("card_declined", "insufficient_funds")
    assert first.json()["authorization"]["status"] == "declined"
    assert alpha.sell("k1", "pm_card_visa_chargeDeclinedInsufficientFunds").content == first.content
    assert alpha.book()["captured_minor"] == 0


def test_a_repeated_request_gets_the_same_bytes_and_has_no_second_effect(alpha):
    first = alpha.sell("k1")
    second = alpha.sell("k1")
    assert second.content == first.content
    assert second.status_code == first.status_code
    assert second.headers["idempotent-replayed"] == "true"
    assert alpha.book()["captured_minor"] == 1_000
    capture_id = first.json()["captures"][0]["id"]
    refunds = [alpha.post(f"captures/{capture_id}/refunds", {"reference": "op_r"}, "k2") for _ in range(2)]
    assert refunds[0].content == refunds[1].content
    assert alpha.book()["refunded_minor"] == 1_000


def test_the_book_keeps_the_key_under_which_each_effect_was_asked_for(alpha):
    capture_id = alpha.sell("k1").json()["captures"][0]["id"]
    alpha.post(f"captures/{capture_id}/refunds", {"reference": "op_r"}, "k2")
    kept = alpha.rows("SELECT kind, sent_under FROM alpha_book ORDER BY position")
    assert {row["kind"]: row["sent_under"] for row in kept} == {
        "authorized": "k1",
        "captured": "k1",
        "refunded": "k2",
    }


def test_a_key_used_for_another_request_is_refused(alpha):
    authorization = alpha.authorize("k1").json()
    other_amount = alpha.authorize("k1", amount=2_000)
    other_path = alpha.post(f"authorizations/{authorization['id']}/captures", {"reference": "op_c"}, "k1")
    for reply in (other_amount, other_path):
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert alpha.book()["captured_minor"] == 0


def test_an_expired_key_is_a_new_key(alpha):
    alpha.sell("k1")
    alpha.rows(
        "UPDATE alpha_keys SET expires_at = now() - interval '1 second' RETURNING key", url=alpha.app_url
    )
    assert "idempotent-replayed" not in alpha.sell("k1", metadata={"payment": "pay_2"}).headers
    assert alpha.book("pay_2")["captured_minor"] == 1_000


def _at_once(alpha, requests):
    async def send():
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx2.AsyncClient(base_url=alpha.http.base_url, headers=headers, timeout=10) as client:
            return await asyncio.gather(
                *(
                    client.post(path, json=body, headers={"Idempotency-Key": key})
                    for path, body, key in requests
                )
            )

    return asyncio.run(send())


def test_one_key_sent_many_times_at_once_has_one_effect_and_one_reply(alpha):
    body = {
        "amount": 5,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        "reference": "op",
        "capture": True,
    }
    replies = _at_once(alpha, [("authorizations", body, "same")] * 12)
    assert len({reply.content for reply in replies}) == 1
    assert len(alpha.look_up("op")) == 2


def test_captures_at_once_never_overdraw_the_hold(alpha):
    authorization = alpha.authorize("k1").json()
    path = f"authorizations/{authorization['id']}/captures"
    requests = [(path, {"amount": 300, "reference": f"op_{n}"}, f"c{n}") for n in range(6)]
    statuses = sorted(reply.status_code for reply in _at_once(alpha, requests))
    assert statuses == [201, 201, 201, 409, 409, 409]
    assert alpha.book()["captured_minor"] == 900


def test_refunds_at_once_never_overdraw_the_capture(alpha):
    capture_id = alpha.sell("k1").json()["captures"][0]["id"]
    requests = [
        (f"captures/{capture_id}/refunds", {"amount": 400, "reference": f"op_{n}"}, f"r{n}") for n in range(5)
    ]
    statuses = sorted(reply.status_code for reply in _at_once(alpha, requests))
    assert statuses == [201, 201, 409, 409, 409]
    assert alpha.book()["refunded_minor"] == 800


@pytest.mark.parametrize(
    ("path", "body", "key", "status", "code"),
    [
        ("authorizations", {}, None, 400, "idempotency_key_missing"),
        ("authorizations", {}, "k" * 256, 400, "idempotency_key_missing"),
        ("authorizations", {"amount": 1}, "k", 400, "field_invalid"),
        ("authorizations", {"surprise": 1}, "k", 400, "field_unknown"),
        ("authorizations/auth_none/captures", {"reference": "r"}, "k", 404, "not_found"),
        ("captures/cap_none/refunds", {"reference": "r"}, "k", 404, "not_found"),
        ("nothing", {}, "k", 404, "not_found"),
    ],
)
def test_bad_requests_are_refused_with_a_code(alpha, path, body, key, status, code):
    headers = {"Idempotency-Key": key} if key else {}
    reply = alpha.http.post(path, json=body, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_an_object_of_another_kind_is_not_found(alpha):
    sale = alpha.sell("k1").json()
    assert alpha.http.get(f"captures/{sale['id']}").status_code == 404
    wrong = alpha.post(f"captures/{sale['id']}/refunds", {"reference": "r"}, "k2")
    assert wrong.status_code == 404


def test_without_the_api_key_nothing_is_told(alpha):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": b"Bearer \xff"}):
        with httpx2.Client(base_url=alpha.http.base_url) as stranger:
            assert stranger.get("objects?reference=x", headers=headers).status_code == 401


def test_a_body_too_large_is_cut_off(alpha):
    reply = alpha.http.post("authorizations", content=b"x" * 70_000, headers={"Idempotency-Key": "k"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")


def test_nobody_changes_the_book_and_the_reader_only_reads(alpha):
    alpha.sell("k1")
    for url in (alpha.app_url, alpha.reader_url):
        for change in (
            "UPDATE alpha_book SET captured_minor = 0",
            "DELETE FROM alpha_book",
            "TRUNCATE alpha_book",
        ):
            with pytest.raises(psycopg.Error):
                alpha.rows(change, url=url)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        alpha.rows("DELETE FROM alpha_objects", url=alpha.reader_url)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alpha_objects SET captured_minor = amount_minor + 1 WHERE kind = 'authorization'",
        "UPDATE alpha_objects SET refunded_minor = amount_minor + 1 WHERE kind = 'capture'",
        "UPDATE alpha_objects SET refunded_minor = -1 WHERE kind = 'capture'",
        "UPDATE alpha_objects SET status = 'voided' WHERE kind = 'capture'",
    ],
)
def test_the_database_refuses_what_the_rules_refuse(alpha, change):
    alpha.sell("k1")
    with pytest.raises(psycopg.errors.CheckViolation):
        alpha.rows(change, url=alpha.app_url)
