"""Disputes and reversals at the processor: scripted, by card, answered; objects, money rows, book, feed and look-up."""

import pytest

from shared.testing.waiting import eventually


def script(alpha, collection, object_id, key, **said):
    return alpha.post(f"script/{collection}/{object_id}", said, key)


def sold(alpha, key="k1", method="pm_card_visa"):
    return alpha.sell(key, method).json()["captures"][0]


def told(alpha):
    """Type and object of every event, once the feed shows them all: it waits for transactions that are older."""

    def feed():
        return alpha.http.get("events").json()["data"]

    written = alpha.rows("SELECT count(*) AS n FROM alpha_events")[0]["n"]
    eventually(lambda: len(feed()) >= written, describe="the feed shows every event")
    events = feed()
    return [(event["type"], event["data"]["object"]) for event in events]


def types(alpha):
    return [kind for kind, _ in told(alpha) if not kind.startswith(("authorization", "capture.succ"))]


def taken(alpha):
    book = alpha.book()
    return book["withdrawn_minor"], book["reversed_minor"], book["fee_minor"]


def test_a_dispute_is_opened_and_its_money_withdrawn_with_a_fee(alpha):
    capture = sold(alpha)
    reply = script(alpha, "captures", capture["id"], "s1", do="dispute", amount=600)
    assert reply.status_code == 201
    dispute = reply.json()
    assert (dispute["object"], dispute["status"], dispute["version"]) == ("dispute", "opened", 1)
    assert (dispute["capture"], dispute["amount"], dispute["reference"]) == (capture["id"], 600, None)
    assert dispute["metadata"] == {"payment": "pay_1"}
    assert alpha.http.get(f"disputes/{dispute['id']}").json() == dispute
    row = next(item for kind, item in told(alpha) if kind == "money_row.withdrawn")
    assert (row["dispute"], row["capture"], row["amount"], row["fee"]) == (
        dispute["id"],
        capture["id"],
        600,
        1_500,
    )
    assert alpha.http.get(f"money_rows/{row['id']}").json() == row
    assert taken(alpha) == (600, 0, 1_500)
    assert script(alpha, "captures", capture["id"], "s1", do="dispute", amount=600).json() == dispute
    assert taken(alpha) == (600, 0, 1_500)


def test_an_inquiry_moves_nothing_until_it_becomes_a_dispute(alpha):
    capture = sold(alpha)
    inquiry = script(alpha, "captures", capture["id"], "s1", do="inquire").json()
    assert (inquiry["status"], taken(alpha)) == ("inquiry", (0, 0, 0))
    opened = script(alpha, "disputes", inquiry["id"], "s2", do="open").json()
    assert (opened["status"], opened["version"], taken(alpha)[0]) == ("opened", 2, 1_000)


def test_evidence_is_found_by_its_reference_and_decides_the_dispute(alpha):
    capture = sold(alpha)
    dispute = script(alpha, "captures", capture["id"], "s1", do="dispute").json()
    said = {"documents": {"receipt": "file_1"}, "reference": "op_e1"}
    first = alpha.post(f"disputes/{dispute['id']}/evidence", said, "e1")
    assert (first.status_code, first.json()["status"], first.json()["reference"]) == (
        200,
        "under_review",
        "op_e1",
    )
    winning = {"documents": {"shipping": "file_winning_evidence"}, "reference": "op_e2"}
    alpha.post(f"disputes/{dispute['id']}/evidence", winning, "e2")
    for reference in ("op_e1", "op_e2"):
        assert [item["id"] for item in alpha.look_up(reference)] == [dispute["id"]]
    eventually(
        lambda: alpha.http.get(f"disputes/{dispute['id']}").json()["status"] == "won", describe="the verdict"
    )
    assert taken(alpha) == (0, 0, 1_500)
    late = alpha.post(f"disputes/{dispute['id']}/accept", {"reference": "op_a"}, "a1")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "dispute_not_answerable")


def test_accepted_lost_in_part_reinstated_and_disputed_again(alpha):
    capture = sold(alpha)
    accepted = script(alpha, "captures", capture["id"], "s1", do="dispute", amount=400).json()
    assert (
        alpha.post(f"disputes/{accepted['id']}/accept", {"reference": "op_a"}, "a1").json()["status"]
        == "accepted"
    )
    other = script(alpha, "captures", capture["id"], "s2", do="dispute", amount=600).json()
    lost = script(alpha, "disputes", other["id"], "s3", do="lose", amount=200).json()
    assert (lost["status"], taken(alpha)[0]) == ("lost", 800)
    script(alpha, "disputes", other["id"], "s4", do="reinstate", amount=400)
    assert taken(alpha)[0] == 400
    refused = script(alpha, "disputes", other["id"], "s5", do="reinstate")
    assert refused.status_code == 409
    again = script(alpha, "disputes", other["id"], "s6", do="open").json()
    assert (again["status"], again["version"], taken(alpha)[0]) == ("opened", 3, 1_000)


def test_more_can_come_back_than_was_taken_by_mistake_of_which_the_dispute_knows_nothing(alpha):
    dispute = script(alpha, "captures", sold(alpha)["id"], "s1", do="dispute", amount=400).json()
    vague = script(alpha, "disputes", dispute["id"], "s2", do="overpay")
    assert (vague.status_code, vague.json()["error"]["code"]) == (409, "amount_missing")
    script(alpha, "disputes", dispute["id"], "s3", do="overpay", amount=600)
    assert taken(alpha)[0] == -200
    lost = script(alpha, "disputes", dispute["id"], "s4", do="lose").json()
    assert (lost["status"], lost["version"], taken(alpha)[0]) == ("lost", 2, -200)


def test_a_reversal_is_taken_and_given_back_in_parts(alpha):
    capture = sold(alpha)
    reversal = script(alpha, "captures", capture["id"], "s1", do="reverse", amount=700).json()
    assert (reversal["object"], reversal["status"], taken(alpha)) == ("reversal", "succeeded", (0, 700, 0))
    part = script(alpha, "reversals", reversal["id"], "s2", do="give_back", amount=300).json()
    assert (part["status"], part["version"], taken(alpha)[1]) == ("succeeded", 1, 400)
    whole = script(alpha, "reversals", reversal["id"], "s3", do="give_back").json()
    assert (whole["status"], whole["version"], taken(alpha)[1]) == ("given_back", 2, 0)
    assert types(alpha) == [
        "reversal.succeeded",
        "money_row.taken",
        "money_row.given_back",
        "reversal.given_back",
        "money_row.given_back",
    ]


@pytest.mark.parametrize(
    ("method", "events", "book"),
    [
        ("pm_card_createDispute", ["dispute.opened", "money_row.withdrawn"], (1_000, 0, 1_500)),
        ("pm_card_createDisputeInquiry", ["dispute.inquiry"], (0, 0, 0)),
        (
            "pm_card_createMultipleDisputes",
            ["dispute.opened", "money_row.withdrawn"] * 2,
            (1_000, 0, 3_000),
        ),
        (
            "pm_card_createDisputeWon",
            ["dispute.opened", "money_row.withdrawn", "dispute.won", "money_row.reinstated"],
            (0, 0, 1_500),
        ),
        (
            "pm_card_createDisputeLost",
            ["dispute.opened", "money_row.withdrawn", "dispute.lost"],
            (1_000, 0, 1_500),
        ),
        ("pm_card_createReversal", ["reversal.succeeded", "money_row.taken"], (0, 1_000, 0)),
        ("pm_card_createPartialReversal", ["reversal.succeeded", "money_row.taken"], (0, 500, 0)),
        (
            "pm_card_createReversalGivenBack",
            ["reversal.succeeded", "money_row.taken", "reversal.given_back", "money_row.given_back"],
            (0, 0, 0),
        ),
        ("pm_card_captureFail", ["capture.failed"], (0, 1_000, 0)),
    ],
)
def test_each_card_brings_about_what_it_stands_for(alpha, receiver, method, events, book):
    sold(alpha, method=method)
    eventually(lambda: types(alpha) == events, describe="what the card stands for")
    assert taken(alpha) == book
    assert alpha.book()["captured_minor"] == 1_000
    eventually(lambda: len(receiver.received) == len(told(alpha)), describe="a webhook for each event")


def test_what_nobody_can_do_is_refused_by_name(alpha):
    capture = sold(alpha)
    refusals = [
        script(alpha, "captures", capture["id"], "s1", do="explode"),
        script(alpha, "captures", capture["id"], "s2", do="dispute", when="now"),
        script(alpha, "disputes", capture["id"], "s3", do="win"),
        alpha.post("disputes/dsp_none/evidence", {"documents": {"a": "b"}, "reference": "r"}, "e1"),
        alpha.post(f"disputes/{capture['id']}/evidence", {"reference": "r"}, "e2"),
        script(alpha, "captures", capture["id"], "s4", do="reverse", amount=1_001),
        script(alpha, "refunds", capture["id"], "s6", do="fail"),
        script(alpha, "authorizations", capture["authorization"], "s7", do="fail"),
    ]
    said = [(reply.status_code, reply.json()["error"]["code"]) for reply in refusals]
    assert said == [
        (400, "step_unknown"),
        (400, "field_unknown"),
        (404, "not_found"),
        (404, "not_found"),
        (400, "field_missing"),
        (409, "amount_exceeds_captured"),
        (404, "not_found"),
        (400, "step_unknown"),
    ]


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_pendingRefund"])
def test_a_refund_fails_by_script_once_and_its_room_is_free_again(start_alpha, receiver, method):
    alpha = start_alpha(alpha_settling_ms=3_600_000)
    capture = sold(alpha, method=method)
    refund = alpha.post(
        f"captures/{capture['id']}/refunds", {"amount": 400, "reference": "op_r"}, "r1"
    ).json()
    reply = script(alpha, "refunds", refund["id"], "s1", do="fail")
    assert (reply.status_code, reply.json()["status"], reply.json()["version"]) == (201, "failed", 2)
    assert script(alpha, "refunds", refund["id"], "s1", do="fail").json() == reply.json()
    again = script(alpha, "refunds", refund["id"], "s2", do="fail")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "refund_not_reversible")
    book = alpha.book()
    assert (book["refunded_minor"], book["refunds"]) == (0, 0)
    assert types(alpha)[-1] == "refund.failed"
    eventually(lambda: any(b"refund.failed" in body for _, body in receiver.received), describe="the webhook")
    whole = alpha.post(f"captures/{capture['id']}/refunds", {"reference": "op_r2"}, "r2")
    assert (whole.status_code, whole.json()["amount"]) == (201, 1_000)


def test_many_who_fail_one_refund_at_once_undo_it_once(alpha):
    from concurrent.futures import ThreadPoolExecutor

    capture = sold(alpha)
    refund = alpha.post(f"captures/{capture['id']}/refunds", {"reference": "op_r"}, "r1").json()
    with ThreadPoolExecutor(8) as threads:
        said = threads.map(
            lambda n: script(alpha, "refunds", refund["id"], f"s{n}", do="fail").status_code, range(8)
        )
        assert sorted(said) == [201] + [409] * 7
    assert alpha.book()["refunded_minor"] == 0


@pytest.mark.parametrize(("act", "status"), [("void", "voided"), ("expire", "expired")])
def test_a_hold_ends_by_script_and_nothing_is_left_to_take(alpha, receiver, act, status):
    hold = alpha.authorize("k1").json()
    alpha.post(f"authorizations/{hold['id']}/captures", {"amount": 300, "reference": "op_c"}, "c1")
    ended = script(alpha, "authorizations", hold["id"], "s1", do=act).json()
    assert (ended["status"], ended["void_reference"], ended["amount_captured"]) == (status, None, 300)
    assert (alpha.book()["held_minor"], alpha.book()["captured_minor"]) == (0, 300)
    assert [kind for kind, _ in told(alpha)][-1] == f"authorization.{status}"
    eventually(
        lambda: any(f"authorization.{status}".encode() in body for _, body in receiver.received),
        describe="the webhook",
    )
    late = alpha.post(f"authorizations/{hold['id']}/captures", {"reference": "op_d"}, "c2")
    again = script(alpha, "authorizations", hold["id"], "s2", do=act)
    assert [(each.status_code, each.json()["error"]["code"]) for each in (late, again)] == [
        (409, "authorization_not_capturable"),
        (409, "authorization_not_voidable"),
    ]


@pytest.mark.parametrize(
    ("method", "webhooks"),
    [("pm_fault_webhook_lost_on_refund", 0), ("pm_fault_webhook_lost_on_dispute", 1)],
)
def test_a_scripted_failure_travels_as_the_cards_refunds_do(alpha, method, webhooks):
    capture = sold(alpha, method=method)
    refund = alpha.post(f"captures/{capture['id']}/refunds", {"reference": "op_r"}, "r1").json()
    script(alpha, "refunds", refund["id"], "s1", do="fail").raise_for_status()
    told_of = alpha.rows(
        "SELECT w.id FROM alpha_webhooks w JOIN alpha_events e ON e.id = w.event_id WHERE e.type = 'refund.failed'"
    )
    assert len(told_of) == webhooks


def test_nobody_rewrites_what_was_withdrawn(alpha):
    import psycopg

    capture = sold(alpha)
    script(alpha, "captures", capture["id"], "s1", do="dispute")
    with psycopg.connect(alpha.app_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE alpha_book SET withdrawn_minor = 0")
