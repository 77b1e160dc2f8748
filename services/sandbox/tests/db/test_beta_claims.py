"""Claims and clawbacks at beta: scripted, by card, answered without keys; decimal texts, movements, book, list, notices."""

import json

import pytest

from services.sandbox.tests.conftest import Beta, Receiver
from shared.testing.waiting import eventually


def eur(total: str) -> dict[str, str]:
    return {"total": total, "currency_code": "EUR"}


def scripted(beta: Beta, collection: str, transaction_id: str, **said: object) -> dict[str, object]:
    reply = beta.script(collection, transaction_id, **said)
    assert reply.status_code == 200, reply.text
    first: dict[str, object] = reply.json()["transactions"][0]
    return first


def types(beta: Beta) -> list[str]:
    told = beta.alpha.rows("SELECT type FROM beta_events ORDER BY position")
    return [row["type"] for row in told if not row["type"].startswith(("HOLD_", "CHARGE_BOOKED"))]


def taken(beta: Beta) -> tuple[int, int, int]:
    (book,) = beta.book()
    return book["withdrawn_minor"], book["reversed_minor"], book["fee_minor"]


def test_a_claim_is_raised_in_betas_words_and_its_money_debited_with_a_cost(beta: Beta) -> None:
    charge = beta.sold()
    reply = beta.script("charges", charge, do="dispute", value=eur("6.00"), ground="NOT_RECEIVED").json()
    claim, movement = reply["transactions"]
    assert (claim["txn_type"], claim["state"], claim["turn"], claim["ground"]) == (
        "CLAIM", "RAISED", 1, "NOT_RECEIVED",
    )  # fmt: skip
    assert (claim["original_txn"], claim["order_ref"], claim["merchant_ref"]) == (charge, "pay_1", None)
    assert claim["value"] == eur("6.00")
    assert claim["answer_until_ms"] > claim["created_ms"]
    assert (movement["txn_type"], movement["state"], movement["value"]) == (
        "MOVEMENT",
        "DEBITED",
        eur("6.00"),
    )
    assert movement["moved_for"] == {"txn_type": "CLAIM", "txn_id": claim["txn_id"]}
    assert movement["handling_cost"] == eur("15.00")
    assert beta.http.get(f"transactions/{claim['txn_id']}").json()["transactions"] == [claim]
    assert taken(beta) == (600, 0, 1_500)
    assert beta.alpha.book() == {}


def test_what_is_scripted_twice_happens_twice(beta: Beta) -> None:
    charge = beta.sold()
    for _ in range(2):
        scripted(beta, "charges", charge, do="dispute", value=eur("2.00"))
    assert taken(beta) == (400, 0, 3_000)


def test_exhibits_decide_a_claim_and_each_answer_is_listed_under_its_reference(beta: Beta) -> None:
    charge = beta.sold()
    claim = scripted(beta, "charges", charge, do="dispute")["txn_id"]
    said = {"exhibits": {"receipt": "file_1"}, "merchant_ref": "op_e1"}
    first = beta.post(f"transactions/{claim}/exhibits", said).json()["transactions"][0]
    assert (first["state"], first["turn"], first["merchant_ref"]) == ("ANSWERED", 2, "op_e1")
    winning = {"exhibits": {"shipping": "file_winning_evidence"}, "merchant_ref": "op_e2"}
    beta.post(f"transactions/{claim}/exhibits", winning)
    eventually(lambda: types(beta)[-1] == "MOVEMENT_CREDITED", describe="the verdict")
    assert taken(beta) == (0, 0, 1_500)
    assert types(beta) == [
        "CLAIM_RAISED", "MOVEMENT_DEBITED", "CLAIM_ANSWERED", "CLAIM_ANSWERED", "CLAIM_DISMISSED", "MOVEMENT_CREDITED",
    ]  # fmt: skip

    def listed() -> list[tuple[str, int]]:
        shown = [notice["transaction"] for notice in beta.listed()["notices"]]
        return [(each["merchant_ref"], each["turn"]) for each in shown if each["txn_type"] == "CLAIM"]

    wanted = [(None, 1), ("op_e1", 2), ("op_e2", 3), ("op_e2", 4)]
    eventually(lambda: listed() == wanted, describe="the claim in the list")
    late = beta.post(f"transactions/{claim}/concede", {"merchant_ref": "op_a"})
    assert (late.status_code, late.json()["fault"]["id"]) == (409, "CLAIM_NOT_OPEN")


def test_conceded_upheld_in_part_credited_later_and_raised_again(beta: Beta) -> None:
    charge = beta.sold()
    conceded = scripted(beta, "charges", charge, do="dispute", value=eur("4"))["txn_id"]
    told = beta.post(f"transactions/{conceded}/concede", {"merchant_ref": "op_a"})
    assert told.json()["transactions"][0]["state"] == "CONCEDED"
    other = str(scripted(beta, "charges", charge, do="inquire", value=eur("6.00"))["txn_id"])
    assert taken(beta)[0] == 400
    scripted(beta, "claims", other, do="open")
    assert scripted(beta, "claims", other, do="lose", value=eur("2.00"))["state"] == "UPHELD"
    assert taken(beta)[0] == 800
    scripted(beta, "claims", other, do="reinstate", value=eur("4.00"))
    assert taken(beta)[0] == 400
    assert beta.script("claims", other, do="reinstate").status_code == 409
    again = scripted(beta, "claims", other, do="open")
    assert (again["state"], again["turn"], taken(beta)[0]) == ("RAISED", 4, 1_000)


def test_a_clawback_is_taken_and_returned_in_parts(beta: Beta) -> None:
    charge = beta.sold()
    clawback = scripted(beta, "charges", charge, do="reverse", value=eur("7.00"))
    assert (clawback["txn_type"], clawback["state"], taken(beta)) == ("CLAWBACK", "TAKEN", (0, 700, 0))
    part = scripted(beta, "clawbacks", str(clawback["txn_id"]), do="give_back", value=eur("3.00"))
    assert (part["state"], taken(beta)[1]) == ("TAKEN", 400)
    whole = scripted(beta, "clawbacks", str(clawback["txn_id"]), do="give_back")
    assert (whole["state"], taken(beta)[1]) == ("RETURNED", 0)
    assert types(beta) == [
        "CLAWBACK_TAKEN", "MOVEMENT_DEBITED", "MOVEMENT_CREDITED", "CLAWBACK_RETURNED", "MOVEMENT_CREDITED",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "events", "book"),
    [
        ("pm_card_createDispute", ["CLAIM_RAISED", "MOVEMENT_DEBITED"], (1_000, 0, 1_500)),
        ("pm_card_createDisputeInquiry", ["CLAIM_ASKED"], (0, 0, 0)),
        ("pm_card_createMultipleDisputes", ["CLAIM_RAISED", "MOVEMENT_DEBITED"] * 2, (1_000, 0, 3_000)),
        (
            "pm_card_createDisputeWon",
            ["CLAIM_RAISED", "MOVEMENT_DEBITED", "CLAIM_DISMISSED", "MOVEMENT_CREDITED"],
            (0, 0, 1_500),
        ),
        (
            "pm_card_createDisputeLost",
            ["CLAIM_RAISED", "MOVEMENT_DEBITED", "CLAIM_UPHELD"],
            (1_000, 0, 1_500),
        ),
        ("pm_card_createReversal", ["CLAWBACK_TAKEN", "MOVEMENT_DEBITED"], (0, 1_000, 0)),
        ("pm_card_createPartialReversal", ["CLAWBACK_TAKEN", "MOVEMENT_DEBITED"], (0, 500, 0)),
        (
            "pm_card_createReversalGivenBack",
            ["CLAWBACK_TAKEN", "MOVEMENT_DEBITED", "CLAWBACK_RETURNED", "MOVEMENT_CREDITED"],
            (0, 0, 0),
        ),
        ("pm_card_captureFail", ["CHARGE_BOUNCED"], (0, 1_000, 0)),
    ],
)
def test_each_card_brings_about_what_it_stands_for(
    beta: Beta, receiver: Receiver, method: str, events: list[str], book: tuple[int, int, int]
) -> None:
    beta.sold(method=method)
    eventually(lambda: types(beta) == events, describe="what the card stands for")
    assert taken(beta) == book
    written = beta.alpha.rows("SELECT count(*) AS n FROM beta_events")[0]["n"]
    eventually(lambda: len(receiver.received) == written, describe="a notice for each change")
    assert all("X-Beta-Seal" in headers for headers, _ in receiver.received)
    claims = {json.loads(body)["transaction"]["txn_id"][:3] for _, body in receiver.received}
    assert claims <= {"bh_", "bc_", "bq_", "bw_", "bm_"}


def test_a_credit_bounces_by_script_and_a_hold_is_cancelled_or_lapses(beta: Beta, receiver: Receiver) -> None:
    charge = beta.sold()
    credit = beta.post(f"transactions/{charge}/credit", {"merchant_ref": "op_r"}).json()["transactions"][0]
    bounced = scripted(beta, "credits", credit["txn_id"], do="fail")
    assert (bounced["txn_type"], bounced["state"], bounced["original_txn"]) == ("CREDIT", "BOUNCED", charge)
    assert beta.script("credits", credit["txn_id"], do="fail").status_code == 409
    assert (beta.book()[0]["refunded_minor"], beta.book()[0]["refunds"]) == (0, 0)
    for act, state in (("void", "CANCELLED"), ("expire", "LAPSED")):
        hold = beta.open(f"op_{act}", txn_type="HOLD").json()["transactions"][0]["txn_id"]
        assert scripted(beta, "holds", hold, do=act)["state"] == state
        refused = beta.script("holds", hold, do=act)
        assert (refused.status_code, refused.json()["fault"]["id"]) == (409, "HOLD_NOT_OPEN")
    assert beta.book()[0]["held_minor"] == 0
    kinds = [row["type"] for row in beta.alpha.rows("SELECT type FROM beta_events ORDER BY position")]
    wanted = {"CREDIT_BOUNCED", "HOLD_CANCELLED", "HOLD_LAPSED"}
    assert wanted <= set(kinds)
    eventually(lambda: len(receiver.received) == len(kinds), describe="a notice for each change")


def test_what_nobody_can_do_is_refused_in_betas_words(beta: Beta) -> None:
    charge = beta.sold()
    refusals = [
        beta.script("charges", charge, do="explode"),
        beta.script("charges", charge, do="dispute", when="now"),
        beta.script("claims", charge, do="win"),
        beta.script("charges", charge, do="dispute", value={"total": "1.00", "currency_code": "USD"}),
        beta.post("transactions/bq_none/exhibits", {"exhibits": {"a": "b"}, "merchant_ref": "r"}),
        beta.post(f"transactions/{charge}/exhibits", {"exhibits": {"a": "b"}, "merchant_ref": "r"}),
        beta.post(f"transactions/{charge}/exhibits", {"merchant_ref": "r"}),
        beta.script("charges", charge, do="reverse", value=eur("10.01")),
    ]
    assert [(reply.status_code, reply.json()["fault"]["id"]) for reply in refusals] == [
        (400, "MALFORMED"),
        (400, "MALFORMED"),
        (404, "NO_SUCH_TRANSACTION"),
        (400, "VALUE_WRONG"),
        (404, "NO_SUCH_TRANSACTION"),
        (404, "NO_SUCH_TRANSACTION"),
        (400, "MALFORMED"),
        (409, "MALFORMED"),
    ]
