"""Cards on which the processor refuses, says what is not so, or does twice what it was asked once; its book is true."""

import pytest

from services.sandbox.tests.conftest import Alpha, Beta, Receiver
from shared.testing.waiting import eventually

LIES = {"rate_limited_after": 429, "refused_after": 422}


@pytest.mark.parametrize(("lie", "status"), LIES.items())
def test_what_took_effect_is_denied_once_and_the_key_tells_the_truth(
    alpha: Alpha, lie: str, status: int
) -> None:
    method = f"pm_fault_{lie}_webhook_lost"
    assert alpha.sell("k1", method).status_code == status
    assert alpha.book()["charges"] == 1
    told = alpha.sell("k1", method)
    assert (told.status_code, told.headers["idempotent-replayed"], alpha.book()["charges"]) == (
        201,
        "true",
        1,
    )


@pytest.mark.parametrize(("lie", "status"), LIES.items())
def test_without_keys_whoever_believes_it_and_asks_again_is_charged_again(
    beta: Beta, lie: str, status: int
) -> None:
    assert beta.open(method=f"pm_fault_{lie}").status_code == status
    assert beta.open(method=f"pm_fault_{lie}").status_code == 200
    assert [row["charges"] for row in beta.book()] == [2]


def test_a_refusing_card_refuses_its_operation_however_often_it_is_asked(beta: Beta) -> None:
    alpha = beta.alpha
    hold = alpha.authorize("k1", payment_method="pm_fault_refused_on_capture").json()
    for key in ("k2", "k2", "k3"):
        said = alpha.post(f"authorizations/{hold['id']}/captures", {"reference": "op_c"}, key)
        assert (said.status_code, said.json()["error"]["code"]) == (409, "authorization_not_capturable")
    assert alpha.post(f"authorizations/{hold['id']}/void", {"reference": "op_v"}, "k4").status_code == 200
    charge = beta.sold(method="pm_fault_refused_on_refund")
    for _ in range(2):
        said = beta.post(f"transactions/{charge}/credit", {"merchant_ref": "op_r"})
        assert (said.status_code, said.json()["fault"]["id"]) == (409, "CHARGE_NOT_BOOKED")


def test_one_call_is_charged_twice_under_one_key_and_the_reply_tells_of_the_first(alpha: Alpha) -> None:
    sale = alpha.sell("k1", "pm_fault_effect_twice").json()
    assert len(sale["captures"]) == 1
    assert (alpha.book()["charges"], alpha.book()["captured_minor"]) == (2, 2_000)
    assert len({shown["id"] for shown in alpha.look_up("op_k1")}) == 4
    assert alpha.sell("k1", "pm_fault_effect_twice").json() == sale
    assert alpha.book()["charges"] == 2
    refunds = f"captures/{sale['captures'][0]['id']}/refunds"
    assert alpha.post(refunds, {"reference": "op_r", "amount": 400}, "k2").status_code == 201
    assert (alpha.book()["refunds"], alpha.book()["refunded_minor"]) == (2, 800)
    assert alpha.post(refunds, {"reference": "op_s", "amount": 200}, "k3").status_code == 201
    assert (alpha.book()["refunds"], alpha.book()["refunded_minor"]) == (3, 1_000)


def test_the_same_at_beta_where_a_hold_is_charged_once(beta: Beta) -> None:
    hold = beta.open(method="pm_fault_effect_twice_on_capture", txn_type="HOLD").json()["transactions"][0][
        "txn_id"
    ]
    assert beta.post(f"transactions/{hold}/charge", {"merchant_ref": "op_c"}).status_code == 200
    beta.sold("op_2", "pm_fault_effect_twice")
    assert [row["charges"] for row in beta.book()] == [3]


def test_ten_copies_of_each_webhook_come_of_such_a_card(alpha: Alpha, receiver: Receiver) -> None:
    alpha.sell("k1", "pm_fault_webhook_many")
    eventually(lambda: len(receiver.received) == 20, describe="ten of two webhooks")
