"""Errors of any kind and honest refusals by script: what callers are told, and what took effect."""

import pytest

from services.sandbox.tests.db.script.conftest import sale_at_beta
from shared.testing.waiting import eventually


@pytest.mark.parametrize(("reply", "charges"), [("status_before", 0), ("status_after", 1)])
def test_an_error_of_any_status_and_code_with_the_effect_or_without(alpha, script, beta, reply, charges):
    script.add(reply=reply, status=418, code="out_of_tea")
    said = alpha.sell("k1")
    assert (said.status_code, said.json()["error"]["code"]) == (418, "out_of_tea")
    assert alpha.book().get("charges", 0) == charges
    assert alpha.sell("k1").status_code == 201
    assert alpha.book()["charges"] == 1
    for code, shown in (("OUT_OF_TEA", "OUT_OF_TEA"), ("capture_not_refundable", "CHARGE_NOT_BOOKED")):
        script.add(processor="beta", reply=reply, status=599, code=code)
        refused = beta.post("transactions", json=sale_at_beta(payment=code))
        assert (refused.status_code, refused.json()["fault"]["id"]) == (599, shown)
        assert len(alpha.rows(f"SELECT 1 FROM beta_book_by_payment WHERE payment_id = '{code}'")) == charges


def test_an_error_without_a_code_is_none_of_the_processors(alpha, script, beta):
    script.add(reply="status_before", status=502)
    script.add(processor="beta", reply="status_before", status=502)
    for said in (alpha.sell("k1"), beta.post("transactions", json=sale_at_beta())):
        assert (said.status_code, said.json()) == (502, {})
    assert alpha.rows("SELECT * FROM alpha_keys") == []


def test_reading_may_be_answered_with_any_error(alpha, script, beta):
    asks = {
        ("alpha", "look_up"): lambda: alpha.http.get("objects", params={"reference": "op_1"}),
        ("alpha", "feed"): lambda: alpha.http.get("events"),
        ("beta", "look_up"): lambda: beta.get("transactions/bh_none"),
        ("beta", "feed"): lambda: beta.get("transactions"),
    }
    for (processor, operation), ask in asks.items():
        script.add(processor=processor, operation=operation, reply="status_before", status=451, code="GAG")
        said = ask()
        error = said.json()
        assert (
            said.status_code,
            (error.get("error") or {"code": error.get("fault", {}).get("id")})["code"],
        ) == (
            451,
            "GAG",
        )
        assert ask().status_code != 451


def test_a_refused_authorization_is_a_declined_object_at_both(alpha, script, beta, receiver):
    script.add(reply="refused", code="do_not_honor", operation="authorization")
    declined = alpha.sell("k1")
    assert declined.status_code == 402
    assert declined.json()["error"]["code"] == "card_declined"
    shown = declined.json()["authorization"]
    assert (shown["status"], shown["decline_code"], shown["captures"]) == ("declined", "do_not_honor", [])
    assert alpha.sell("k1").json() == declined.json()
    assert [item["status"] for item in alpha.look_up("op_k1")] == ["declined"]
    script.add(processor="beta", reply="refused")
    (hold,) = beta.post("transactions", json=sale_at_beta(payment="pay_2")).json()["transactions"]
    assert (hold["txn_type"], hold["state"], hold["refusal"]) == ("HOLD", "REFUSED", "generic_decline")
    for processor in ("alpha", "beta"):
        books = alpha.rows(f"SELECT held_minor, captured_minor, charges FROM {processor}_book_by_payment")
        assert books == [{"held_minor": 0, "captured_minor": 0, "charges": 0}]
    eventually(lambda: len(receiver.received) == 2, describe="a webhook of each decline")


@pytest.mark.parametrize(("code", "said"), [(None, None), ("risk_stop", "risk_stop")])
def test_what_is_refused_has_no_effect_and_goes_through_later(alpha, script, code, said):
    def post_twice(path, body, key):
        script.add(reply="refused", **({"code": code} if code else {}))
        refused, accepted = alpha.post(path, body, key), alpha.post(path, body, key)
        assert (refused.status_code, accepted.status_code < 300) == (409, True), accepted.text
        script.add(reply="refused")
        assert alpha.post(path, body, key).json() == accepted.json(), (
            "what was answered is not refused afterwards"
        )
        return refused.json()["error"]["code"], accepted.json()

    hold, other = alpha.authorize("k1").json(), alpha.authorize("k2").json()
    codes = []
    for path, body in (
        (f"authorizations/{other['id']}/void", {"reference": "op_v"}),
        (f"authorizations/{hold['id']}/captures", {"reference": "op_c"}),
    ):
        refusal, made = post_twice(path, body, path)
        codes.append(refusal)
    refusal, _ = post_twice(f"captures/{made['id']}/refunds", {"reference": "op_r", "amount": 400}, "r")
    dispute = alpha.post(f"script/captures/{made['id']}", {"do": "dispute", "amount": 100}, "s").json()
    last, _ = post_twice(f"disputes/{dispute['id']}/accept", {"reference": "op_a"}, "a")
    usual = ["authorization_not_voidable", "authorization_not_capturable", "capture_not_refundable", "dispute_not_answerable"]  # fmt: skip
    assert [*codes, refusal, last] == ([said] * 4 if said else usual)
    book = alpha.book()
    assert (book["charges"], book["refunds"], book["refunded_minor"], book["held_minor"]) == (1, 1, 400, 0)


def test_what_is_refused_at_beta_has_no_effect_and_is_said_in_its_words(alpha, script, beta):
    hold, charge = (
        each["txn_id"] for each in beta.post("transactions", json=sale_at_beta()).json()["transactions"]
    )
    asks = {
        f"transactions/{hold}/cancel": "HOLD_NOT_OPEN",
        f"transactions/{hold}/charge": "HOLD_NOT_OPEN",
        f"transactions/{charge}/credit": "CHARGE_NOT_BOOKED",
        f"transactions/{charge}/concede": "CLAIM_NOT_OPEN",
    }
    written = alpha.rows("SELECT count(*) AS n FROM beta_events")
    for path, word in asks.items():
        for code, said in ((None, word), ("STOPPED", "STOPPED")):
            script.add(processor="beta", reply="refused", **({"code": code} if code else {}))
            refused = beta.post(path, json={"merchant_ref": "op_x"})
            assert (refused.status_code, refused.json()["fault"]["id"]) == (409, said)
    assert alpha.rows("SELECT count(*) AS n FROM beta_events") == written
