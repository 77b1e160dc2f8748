"""The processor beta over real sockets: no keys, one charge per hold, decimal texts, a delayed list, sealed notices."""

import base64
import hmac
from collections.abc import Callable
from typing import Any

import httpx2
import psycopg
import pytest

from services.sandbox.tests.conftest import BETA_SECRET, Beta, Receiver
from shared.testing.waiting import eventually

LATE_S = 3_600
MINUTE_S = 60


def test_a_sale_is_a_hold_and_its_charge(beta: Beta) -> None:
    hold, charge = beta.open().json()["transactions"]
    assert (hold["txn_type"], hold["state"], charge["txn_type"], charge["state"]) == (
        "HOLD", "APPROVED", "CHARGE", "BOOKED",
    )  # fmt: skip
    assert charge["original_txn"] == hold["txn_id"]
    assert charge["value"] == {"total": "10.00", "currency_code": "EUR"}
    assert (charge["merchant_ref"], charge["order_ref"]) == ("op_1", "pay_1")
    (row,) = beta.book()
    assert (row["held_minor"], row["captured_minor"], row["charges"]) == (0, 1_000, 1)
    assert beta.alpha.book() == {}


def test_what_is_asked_twice_is_done_twice(beta: Beta) -> None:
    assert {beta.open().status_code, beta.open().status_code} == {200}
    assert beta.book()[0]["charges"] == 2
    (row,) = beta.alpha.rows("SELECT effective_charges FROM beta_book_by_reference WHERE reference = 'op_1'")
    assert row["effective_charges"] == 2


def test_a_hold_is_charged_once_and_the_rest_goes_back(beta: Beta) -> None:
    hold = beta.open(txn_type="HOLD").json()["transactions"][0]["txn_id"]
    part = {"value": {"total": "4", "currency_code": "EUR"}, "merchant_ref": "op_2"}
    assert (
        beta.post(f"transactions/{hold}/charge", part).json()["transactions"][0]["value"]["total"] == "4.00"
    )
    (row,) = beta.book()
    assert (row["held_minor"], row["captured_minor"]) == (0, 400)
    refused = beta.post(f"transactions/{hold}/charge", part | {"merchant_ref": "op_3"})
    assert (refused.status_code, refused.json()["fault"]["id"]) == (409, "HOLD_NOT_OPEN")


def test_cancel_and_credit(beta: Beta) -> None:
    hold = beta.open(txn_type="HOLD").json()["transactions"][0]["txn_id"]
    cancelled = beta.post(f"transactions/{hold}/cancel", {"merchant_ref": "op_2"})
    assert cancelled.json()["transactions"][0]["state"] == "CANCELLED"
    assert beta.http.get(f"transactions/{hold}").json()["transactions"][0]["state"] == "CANCELLED"
    charge = beta.open("op_3").json()["transactions"][1]["txn_id"]
    too_much = {"value": {"total": "10.01", "currency_code": "EUR"}, "merchant_ref": "op_4"}
    assert beta.post(f"transactions/{charge}/credit", too_much).json()["fault"]["id"] == "VALUE_ABOVE_CHARGE"
    given = beta.post(f"transactions/{charge}/credit", {"merchant_ref": "op_4"}).json()["transactions"][0]
    assert (given["txn_type"], given["state"], given["value"]["total"]) == ("CREDIT", "BOOKED", "10.00")
    assert beta.book()[0]["refunded_minor"] == 1_000


@pytest.mark.parametrize(
    "value",
    [
        {"total": "10.001", "currency_code": "EUR"},
        {"total": "0.00", "currency_code": "EUR"},
        {"total": "10.0", "currency_code": "JPY"},
        {"total": "10.00", "currency_code": "ZZZ"},
        "10.00",
    ],
)
def test_a_value_that_is_not_exact_is_refused(beta: Beta, value: object) -> None:
    refused = beta.open(value=value)
    assert (refused.status_code, refused.json()["fault"]["id"]) == (400, "VALUE_WRONG")
    assert beta.book() == []


def test_a_pending_sale_is_decided_later_and_takes_its_money_then(beta: Beta) -> None:
    (hold,) = beta.open(method="pm_card_pendingAuthorization").json()["transactions"]
    assert (hold["txn_type"], hold["state"]) == ("HOLD", "WAITING")
    eventually(lambda: beta.book()[0]["captured_minor"] == 1_000, describe="the settled sale")
    (charge,) = beta.alpha.rows("SELECT id, reference FROM beta_objects WHERE kind = 'capture'")
    assert (charge["id"][:3], charge["reference"]) == ("bc_", "op_1")


def test_a_pending_hold_may_be_refused_later(beta: Beta) -> None:
    method = "pm_card_pendingAuthorizationDeclined"
    (hold,) = beta.open(txn_type="HOLD", method=method).json()["transactions"]
    path = f"transactions/{hold['txn_id']}"
    eventually(lambda: beta.http.get(path).json()["transactions"][0]["state"] == "REFUSED")
    assert beta.book()[0]["held_minor"] == 0


def test_a_refused_card_is_a_state_and_not_an_error(beta: Beta) -> None:
    reply = beta.open(method="pm_card_chargeDeclined")
    (hold,) = reply.json()["transactions"]
    assert (reply.status_code, hold["state"], hold["refusal"]) == (200, "REFUSED", "generic_decline")


def test_strangers_and_unknown_names_are_refused_in_betas_words(beta: Beta) -> None:
    nobody = beta.http.get("transactions/bh_x", headers={"X-Beta-Key": "wrong"})
    assert (nobody.status_code, nobody.json()["fault"]["id"]) == (401, "ACCESS_DENIED")
    assert beta.http.get("transactions/bh_x").json()["fault"]["id"] == "NO_SUCH_TRANSACTION"
    assert beta.open(method="pm_none").json()["fault"]["id"] == "METHOD_UNKNOWN"
    assert beta.open(extra=1).json()["fault"]["id"] == "MALFORMED"


def test_the_list_is_late_in_order_and_complete(start_beta: Callable[..., Beta]) -> None:
    """By the test clock: on a busy machine any delay that a test would wait for may be over before it looks."""
    beta = start_beta(beta_list_delay_ms=LATE_S * 1_000)
    for number in range(5):
        beta.open(f"op_{number}")
    assert beta.listed()["notices"] == []
    beta.alpha.advance(LATE_S - MINUTE_S)
    assert beta.listed()["notices"] == []
    beta.alpha.advance(MINUTE_S)
    seen: list[str] = []

    def walk() -> bool:
        cursor: dict[str, Any] = {}
        seen.clear()
        while True:
            page = beta.listed(limit=3, **cursor)
            seen.extend(notice["transaction"]["merchant_ref"] for notice in page["notices"])
            if not page["more"]:
                return len(seen) == 10
            cursor = {"after": page["next"]}

    # A transaction of anybody's on this server holds the end of the list back.
    eventually(walk, timeout_s=60, describe="all ten changes in the list")
    assert seen == [f"op_{number}" for number in range(5) for _ in range(2)]
    last = beta.alpha.rows("SELECT max(created_at) AS at FROM beta_events")[0]["at"]
    later = beta.listed(since_ms=int(last.timestamp() * 1000) + 60_000)
    assert (later["notices"], later["more"]) == ([], False)
    assert len(beta.listed(since_ms=int(last.timestamp() * 1000) - 60_000)["notices"]) == 10


OVERTAKING = """
INSERT INTO beta_events (id, type, object_id, created_at, body, written_by)
SELECT 'overtaking', type, object_id, created_at + interval '1 ms', body,
       ((SELECT min(written_by) FROM beta_events)::text::bigint - 1)::text::xid8
  FROM beta_events ORDER BY created_at LIMIT 1 RETURNING id
"""


def test_the_list_begins_at_the_first_place_and_not_at_the_earliest_time(beta: Beta) -> None:
    """Two changes at once: the one whose time was read later may have got its place earlier."""
    beta.open()
    assert beta.alpha.rows(OVERTAKING, url=beta.alpha.app_url) == [{"id": "overtaking"}]
    earliest = beta.alpha.rows("SELECT min(created_at) AS at FROM beta_events")[0]["at"]
    for asked in ({}, {"since_ms": int(earliest.timestamp() * 1000)}):
        eventually(
            lambda asked=asked: len(beta.listed(**asked)["notices"]) == 3, describe="all three changes"
        )


def test_a_fault_strikes_once_per_reference_and_a_lost_reply_is_in_the_list(beta: Beta) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        beta.open(method="pm_fault_timeout_after")
    assert beta.book()[0]["charges"] == 1
    eventually(lambda: len(beta.listed()["notices"]) == 2, describe="the sale in the list")
    slow = beta.open("op_2", method="pm_fault_rate_limited")
    assert (slow.status_code, slow.headers["x-beta-retry-in-ms"]) == (429, "1000")
    assert beta.open("op_2", method="pm_fault_rate_limited").status_code == 200
    with pytest.raises(httpx2.RemoteProtocolError):
        beta.open("op_3", method="pm_fault_timeout_before")
    assert beta.book()[0]["charges"] == 2


def test_notices_are_sealed_over_body_and_time(beta: Beta, receiver: Receiver) -> None:
    beta.open()
    eventually(lambda: len(receiver.received) == 2, describe="two notices")
    for headers, body in receiver.received:
        stamp, _, mac = headers["X-Beta-Seal"].partition("; mac=")
        wanted = hmac.digest(BETA_SECRET.encode(), body + b"|" + stamp.removeprefix("at=").encode(), "sha512")
        assert base64.b64decode(mac) == wanted
    eventually(
        lambda: beta.alpha.rows("SELECT DISTINCT state FROM beta_webhooks") == [{"state": "sent"}],
        describe="both recorded as sent",
    )


def test_both_processors_tables_have_one_shape_and_betas_book_is_never_changed(beta: Beta) -> None:
    beta.open()
    columns = (
        "SELECT substr(table_name, {cut}) AS what, column_name, data_type, is_nullable FROM"
        " information_schema.columns WHERE table_name LIKE '{name}' ORDER BY 1, ordinal_position"
    )
    alphas = beta.alpha.rows(columns.format(cut=7, name="alpha\\_%"))
    betas = beta.alpha.rows(columns.format(cut=6, name="beta\\_%"))
    assert alphas == betas
    for change in ("UPDATE beta_book SET captured_minor = 0", "DELETE FROM beta_events"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            beta.alpha.rows(change, url=beta.alpha.app_url)
