"""Look-ups that show a void or an answer to a dispute later than it happened, and decide nothing by what they show."""

import psycopg
import pytest

from services.sandbox.tests.db.script.conftest import sale_at_beta


def test_a_void_is_denied_by_id_and_by_every_reference_and_stands_all_the_same(alpha, script):
    hold = alpha.authorize("k1").json()
    path = f"authorizations/{hold['id']}"
    script.add(operation="void", not_found_s=3_600)
    voided = alpha.post(f"{path}/void", {"reference": "op_v"}, "v1").json()
    assert voided["status"] == "voided"
    assert alpha.http.get(path).json() == {name: hold[name] for name in hold if name != "captures"}
    assert [item["status"] for item in alpha.look_up("op_k1")] == ["authorized"]
    assert alpha.look_up("op_v") == []
    assert alpha.post(f"{path}/captures", {"reference": "op_c"}, "c1").status_code == 409
    assert alpha.book()["held_minor"] == 0
    script.http.post("clock", json={"advance_s": 3_601})
    assert alpha.http.get(path).json() == voided
    assert alpha.look_up("op_v") == alpha.look_up("op_k1") == [voided]


def test_an_answer_to_a_dispute_is_denied_and_its_earlier_answers_are_not(alpha, script):
    capture = alpha.sell("k1").json()["captures"][0]
    dispute = alpha.post(f"script/captures/{capture['id']}", {"do": "dispute"}, "s1").json()
    path = f"disputes/{dispute['id']}"
    first = alpha.post(f"{path}/evidence", {"documents": {"a": "f"}, "reference": "op_1"}, "e1").json()
    script.add(operation="dispute", not_found_s=3_600)
    alpha.post(f"{path}/accept", {"reference": "op_2"}, "a1")
    assert alpha.http.get(path).json() == first
    assert (alpha.look_up("op_1"), alpha.look_up("op_2")) == ([first], [])
    assert script.release()["objects"] == 1
    shown = alpha.http.get(path).json()
    assert (shown["status"], alpha.look_up("op_1"), alpha.look_up("op_2")) == ("accepted", [shown], [shown])


def test_a_cancelled_hold_is_shown_open_at_beta_by_its_id_and_in_the_list(alpha, script, beta):
    body = sale_at_beta() | {"txn_type": "HOLD"}
    (hold,) = beta.post("transactions", json=body).json()["transactions"]
    script.add(processor="beta", operation="void", not_found_s=3_600)
    beta.post(f"transactions/{hold['txn_id']}/cancel", json={"merchant_ref": "op_v"})
    assert beta.get(f"transactions/{hold['txn_id']}").json()["transactions"] == [hold]
    states = {each["transaction"]["state"] for each in beta.get("transactions").json()["notices"]}
    assert "CANCELLED" not in states
    assert alpha.rows("SELECT held_minor FROM beta_book_by_payment") == [{"held_minor": 0}]
    script.http.post("clock", json={"advance_s": 3_601})
    (shown,) = beta.get(f"transactions/{hold['txn_id']}").json()["transactions"]
    assert shown["state"] == "CANCELLED"


def test_what_a_capture_makes_is_denied_as_before_and_its_hold_is_not(alpha, script):
    hold = alpha.authorize("k1").json()
    script.add(operation="capture", not_found_s=3_600)
    alpha.post(f"authorizations/{hold['id']}/captures", {"reference": "op_c", "amount": 400}, "c1")
    assert alpha.look_up("op_c") == []
    assert alpha.http.get(f"authorizations/{hold['id']}").json()["amount_captured"] == 400


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_only_the_object_itself_may_stand_for_what_it_was(alpha, script, processor):
    if processor == "alpha":
        alpha.sell("k1")
    with psycopg.connect(alpha.app_url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            f"INSERT INTO {processor}_objects (id, kind, account, payment_method, currency, metadata, reference,"
            " status, amount_minor, version, revision, created_at, updated_at, captured_minor, released_minor,"
            " before, before_until) VALUES ('x', 'authorization', 'a', 'p', 'EUR', '{}', 'r', 'voided', 1, 1, 1,"
            ' now(), now(), 0, 1, \'{"id": "y"}\', now())'
        )
