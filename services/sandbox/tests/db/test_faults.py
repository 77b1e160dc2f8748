"""Each fault over a real socket: what the caller sees, what took effect, and that a retry works."""

import httpx2
import pytest

from shared.testing.waiting import eventually


def _fails(alpha, key, method):
    with pytest.raises(httpx2.RemoteProtocolError):
        alpha.sell(key, method)


def test_a_timeout_before_the_effect_leaves_nothing_and_the_retry_works(alpha):
    _fails(alpha, "k1", "pm_fault_timeout_before")
    assert alpha.look_up("op_k1") == []
    assert alpha.book() == {}
    assert alpha.sell("k1", "pm_fault_timeout_before").status_code == 201
    assert alpha.book()["captured_minor"] == 1_000


def test_a_timeout_after_the_effect_is_found_and_the_retry_replays(alpha):
    _fails(alpha, "k1", "pm_fault_timeout_after")
    assert [item["object"] for item in alpha.look_up("op_k1")] == ["authorization", "capture"]
    retried = alpha.sell("k1", "pm_fault_timeout_after")
    assert (retried.status_code, retried.headers["idempotent-replayed"]) == (201, "true")
    assert alpha.book()["charges"] == 1


def test_a_500_after_the_effect_is_found_and_the_retry_replays(alpha):
    assert alpha.sell("k1", "pm_fault_500_after").status_code == 500
    assert alpha.book()["captured_minor"] == 1_000
    assert alpha.sell("k1", "pm_fault_500_after").status_code == 201
    assert alpha.book()["charges"] == 1


def test_a_500_before_the_effect_leaves_nothing(alpha):
    assert alpha.sell("k1", "pm_fault_500_before").status_code == 500
    assert alpha.look_up("op_k1") == []
    assert alpha.sell("k1", "pm_fault_500_before").status_code == 201


def test_a_rate_limit_says_when_to_come_back_and_has_no_effect(alpha):
    refused = alpha.sell("k1", "pm_fault_rate_limited")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["code"] == "rate_limited"
    assert alpha.look_up("op_k1") == []
    assert alpha.sell("k1", "pm_fault_rate_limited").status_code == 201


def test_a_hanging_request_never_answers_and_has_no_effect(alpha):
    with pytest.raises(httpx2.ReadTimeout):
        alpha.http.post(
            "authorizations",
            json={
                "amount": 1, "currency": "EUR", "payment_method": "pm_fault_hang", "reference": "op_k1",
            },
            headers={"Idempotency-Key": "k1"},
            timeout=0.5,
        )  # fmt: skip
    assert alpha.look_up("op_k1") == []


def test_an_effect_may_come_after_the_caller_has_looked_and_gone(start_alpha):
    alpha = start_alpha(alpha_hang_s=1.0)
    with pytest.raises(httpx2.ReadTimeout):
        alpha.http.post(
            "authorizations",
            json={
                "amount": 1, "currency": "EUR", "payment_method": "pm_fault_effect_late", "reference": "op_k1",
            },
            headers={"Idempotency-Key": "k1"},
            timeout=0.2,
        )  # fmt: skip
    assert alpha.look_up("op_k1") == []
    eventually(lambda: alpha.look_up("op_k1"), describe="the late effect")


def test_faults_strike_every_operation_of_the_payment_once_per_key(alpha):
    assert alpha.sell("k1", "pm_fault_500_after").status_code == 500
    capture_id = alpha.sell("k1", "pm_fault_500_after").json()["captures"][0]["id"]
    path = f"captures/{capture_id}/refunds"
    assert alpha.post(path, {"reference": "op_r"}, "k2").status_code == 500
    assert alpha.post(path, {"reference": "op_r"}, "k2").status_code == 201
    assert alpha.book()["refunded_minor"] == 1_000


def test_a_limited_fault_strikes_its_operation_only(alpha):
    sale = alpha.sell("k1", "pm_fault_500_after_on_refund")
    assert sale.status_code == 201
    path = f"captures/{sale.json()['captures'][0]['id']}/refunds"
    assert alpha.post(path, {"reference": "op_r"}, "k2").status_code == 500


def test_the_wrong_amount_card_takes_another_amount_and_its_book_says_so(alpha):
    sale = alpha.sell("k1", "pm_fault_wrong_amount").json()
    assert sale["amount"] == 1_100
    assert alpha.book()["captured_minor"] == 1_100


def test_the_look_up_lags_by_the_visibility_window(start_alpha):
    alpha = start_alpha(alpha_visibility_ms=700)
    sale = alpha.sell("k1").json()
    assert alpha.look_up("op_k1") == []
    assert alpha.http.get(f"authorizations/{sale['id']}").status_code == 200
    eventually(lambda: len(alpha.look_up("op_k1")) == 2, describe="the end of the window")


def test_pending_captures_and_refunds_are_decided_by_the_processor(alpha):
    sale = alpha.sell("k1", "pm_card_pendingCapture").json()
    capture = sale["captures"][0]
    assert capture["status"] == "pending"
    eventually(lambda: alpha.book()["captured_minor"] == 1_000, describe="the settled capture")
    settled = alpha.http.get(f"captures/{capture['id']}").json()
    assert (settled["status"], settled["version"]) == ("succeeded", 2)


def test_a_pending_sale_is_decided_by_the_processor_and_takes_its_money_then(alpha):
    sale = alpha.sell("k1", "pm_card_pendingAuthorization")
    assert (sale.status_code, sale.json()["status"], sale.json()["captures"]) == (201, "pending", [])
    eventually(lambda: alpha.book()["captured_minor"] == 1_000, describe="the settled sale")
    found = {shown["object"]: (shown["status"], shown["version"]) for shown in alpha.look_up("op_k1")}
    assert found == {"authorization": ("authorized", 2), "capture": ("succeeded", 1)}


def test_a_pending_authorization_may_be_declined_minutes_later(alpha):
    begun = alpha.authorize("k1", payment_method="pm_card_pendingAuthorizationDeclined").json()
    assert begun["status"] == "pending"
    eventually(
        lambda: alpha.http.get(f"authorizations/{begun['id']}").json()["decline_code"] == "generic_decline"
    )
    assert alpha.book()["held_minor"] == 0


def test_a_pending_hold_runs_out_a_week_after_it_was_granted(alpha):
    begun = alpha.authorize("k1", payment_method="pm_card_pendingAuthorization").json()
    path = f"authorizations/{begun['id']}"
    assert begun["capture_before"] is None
    eventually(lambda: alpha.http.get(path).json()["status"] == "authorized")
    assert alpha.http.get(path).json()["capture_before"] > begun["updated_at"]
    assert alpha.rows("SELECT action FROM alpha_timers") == [{"action": "expire_authorization"}]


def test_a_refund_may_fail_after_it_succeeded(alpha):
    capture_id = alpha.sell("k1", "pm_card_refundFail").json()["captures"][0]["id"]
    refund = alpha.post(f"captures/{capture_id}/refunds", {"reference": "op_r"}, "k2").json()
    assert refund["status"] == "succeeded"
    eventually(lambda: alpha.http.get(f"refunds/{refund['id']}").json()["status"] == "failed")
    assert alpha.book()["refunded_minor"] == 0
    assert alpha.post(f"captures/{capture_id}/refunds", {"reference": "op_r2"}, "k3").status_code == 201


def test_a_hold_that_runs_out_is_released(alpha):
    authorization = alpha.authorize("k1").json()
    alpha.rows("UPDATE alpha_timers SET due_at = now() RETURNING id", url=alpha.app_url)
    path = f"authorizations/{authorization['id']}"
    eventually(lambda: alpha.http.get(path).json()["status"] == "expired")
    assert alpha.book()["held_minor"] == 0
    assert alpha.rows("SELECT * FROM alpha_timers") == []
