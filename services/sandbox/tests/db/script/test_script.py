"""Scripts of faults over real sockets: what they strike and how often, what callers see, and that the book is true."""

import httpx2
import pytest

from services.sandbox.tests.db.script.conftest import sale_at_beta
from shared.testing.waiting import eventually


def test_a_rule_strikes_the_next_calls_that_fit_replays_too_and_then_no_more(alpha, script):
    script.add(operation="authorization", reply="timeout_after", calls=2)
    for _ in range(2):
        with pytest.raises(httpx2.RemoteProtocolError):
            alpha.sell("k1")
    assert alpha.sell("k1").headers["idempotent-replayed"] == "true"
    assert (script.struck(), alpha.book()["charges"]) == ([2], 1)


@pytest.mark.parametrize(
    ("match", "struck"),
    [
        ({"reference": "op_k1"}, True),
        ({"payment": "pay_1"}, True),
        ({"payment_method": "pm_card_visa"}, True),
        ({"operation": "authorization"}, True),
        ({"reference": "op_k2"}, False),
        ({"payment": "pay_2"}, False),
        ({"payment_method": "pm_card_mastercard"}, False),
        ({"operation": "capture"}, False),
    ],
)
def test_only_what_a_rule_names_is_struck(alpha, script, match, struck):
    script.add(reply="500_before", **match)
    assert alpha.sell("k1").status_code == (500 if struck else 201)


def test_a_rule_that_is_refused_now_keeps_no_other_from_striking(alpha, script):
    """A former release took it; it never struck then either."""
    stored = '{"processor": "alpha", "operation": "feed", "payment": "pay_1", "reply": "500_before"}'
    alpha.rows(
        f"INSERT INTO script_faults (processor, rule, calls) VALUES ('alpha', '{stored}', 1) RETURNING id",
        url=alpha.app_url,
    )
    script.add(reply="500_before")
    assert alpha.sell("k1").status_code == 500
    assert script.struck() == [0, 1]


def test_captures_and_refunds_are_found_by_the_payment_that_they_belong_to(alpha, script):
    script.add(operation="refund", payment="pay_1", reply="500_after")
    capture_id = alpha.sell("k1").json()["captures"][0]["id"]
    refund = alpha.post(f"captures/{capture_id}/refunds", {"reference": "op_r"}, "k2")
    assert (refund.status_code, alpha.book()["refunded_minor"]) == (500, 1_000)


@pytest.mark.parametrize(
    ("reply", "status", "charges"),
    [
        ("rate_limited_after", 429, 1),
        ("refused_after", 422, 1),
        ("500_after", 500, 1),
        ("rate_limited", 429, 0),
    ],
)
def test_a_reply_may_lie_about_the_effect_the_book_does_not(alpha, script, beta, reply, status, charges):
    script.add(reply=reply)
    assert alpha.sell("k1").status_code == status
    assert alpha.book().get("charges", 0) == charges
    script.add(processor="beta", reply=reply)
    assert beta.post("transactions", json=sale_at_beta()).status_code == status
    assert len(alpha.rows("SELECT * FROM beta_book_by_payment WHERE charges = 1")) == charges


@pytest.mark.parametrize(
    ("reply", "wrong"),
    [("wrong_amount", "amount"), ("wrong_currency", "currency"), ("wrong_reference", "reference")],
)
def test_an_echo_may_be_another_than_what_took_effect(alpha, script, beta, reply, wrong):
    script.add(reply=reply)
    echoed, true = alpha.sell("k1").json(), alpha.sell("k1").json()
    differing = {name for name in true if echoed[name] != true[name]}
    assert differing == {wrong, "captures"}
    script.add(processor="beta", reply=reply)
    shown = beta.post("transactions", json=sale_at_beta()).json()["transactions"][0]
    told = (shown["value"]["total"], shown["value"]["currency_code"], shown["merchant_ref"])
    assert sum(a != b for a, b in zip(told, ("10.00", "EUR", "op_1"), strict=True)) == 1
    assert alpha.rows("SELECT captured_minor FROM beta_book_by_payment") == [{"captured_minor": 1_000}]


def test_a_malformed_reply_is_cut_off_and_the_effect_stands(alpha, script, beta):
    script.add(reply="malformed")
    with pytest.raises(ValueError, match=r"\w"):
        alpha.sell("k1").json()
    script.add(processor="beta", reply="malformed")
    with pytest.raises(ValueError, match=r"\w"):
        beta.post("transactions", json=sale_at_beta()).json()
    assert alpha.book()["charges"] == 1


def test_the_look_up_denies_what_was_made_until_then_or_until_it_is_released(alpha, script):
    script.add(not_found_s=3_600, calls=None)
    sale = alpha.sell("k1").json()
    assert alpha.look_up("op_k1") == []
    assert alpha.http.get(f"authorizations/{sale['id']}").status_code == 200
    script.http.post("clock", json={"advance_s": 3_601})
    assert len(alpha.look_up("op_k1")) == 2
    alpha.sell("k2")
    assert alpha.look_up("op_k2") == []
    assert script.release()["objects"] == 2
    assert len(alpha.look_up("op_k2")) == 2


def test_lost_webhooks_and_events_come_when_they_are_released(alpha, script, receiver):
    script.add(webhooks="lost", feed="lost")
    alpha.sell("k1")
    assert alpha.http.get("events").json()["data"] == []
    assert alpha.rows("SELECT * FROM alpha_webhooks") == []
    assert script.release() == {"webhooks": 2, "objects": 0, "events": 2}
    eventually(lambda: len(receiver.received) == 2, describe="the lost webhooks")
    fed = eventually(lambda: alpha.http.get("events").json()["data"], describe="the lost events")
    assert {event["id"] for event in fed} == {
        row["event_id"] for row in alpha.rows("SELECT event_id FROM alpha_webhooks")
    }
    assert script.release() == {"webhooks": 0, "objects": 0, "events": 0}


def test_a_late_feed_shows_its_events_later_and_never_skips_one(alpha, script):
    script.add(feed="late", feed_delay_s=3_600)
    alpha.sell("k1")
    alpha.sell("k2")
    before = eventually(
        lambda: alpha.http.get("events").json() if len(alpha.http.get("events").json()["data"]) == 2 else None
    )
    script.http.post("clock", json={"advance_s": 3_601})
    after = {"after": before["next_cursor"]}
    late = eventually(
        lambda: alpha.http.get("events", params=after).json()["data"], describe="the late events"
    )
    eventually(lambda: len(alpha.http.get("events", params=after).json()["data"]) == 2)
    assert {event["data"]["object"]["reference"] for event in late} == {"op_k1"}


def test_a_garbled_event_names_its_reference_and_says_nothing(alpha, script, beta):
    script.add(processor="beta", feed="garbled")
    beta.post("transactions", json=sale_at_beta())
    notices = eventually(lambda: beta.get("transactions").json()["notices"], describe="the list")
    assert {(each["transaction"]["merchant_ref"], each["transaction"]["state"]) for each in notices} == {
        ("op_1", "~")
    }
    script.release()
    good = eventually(
        lambda: [n for n in beta.get("transactions").json()["notices"] if n["transaction"]["state"] != "~"]
    )
    assert {each["transaction"]["state"] for each in good} == {"APPROVED", "BOOKED"}


def test_where_look_ups_go_by_the_list_it_is_the_list_that_denies(alpha, script, beta):
    script.add(processor="beta", not_found_s=3_600)
    beta.post("transactions", json=sale_at_beta())
    assert beta.get("transactions").json()["notices"] == []
    script.http.post("clock", json={"advance_s": 3_601})
    eventually(lambda: len(beta.get("transactions").json()["notices"]) == 2, describe="the list")


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_one_effects_webhooks_may_come_in_the_wrong_order(alpha, script, beta, receiver, processor):
    script.add(processor=processor, webhooks="reversed")
    if processor == "alpha":
        alpha.sell("k1")
    else:
        beta.post("transactions", json=sale_at_beta())
    eventually(lambda: len(receiver.received) == 2, describe="both webhooks")
    table = alpha.rows(f"SELECT id FROM {processor}_events ORDER BY position")
    assert [
        row["id"].encode() in body for row, (_, body) in zip(reversed(table), receiver.received, strict=True)
    ] == [
        True,
        True,
    ]


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_as_many_copies_come_of_each_webhook_as_the_script_says_same_bytes(
    alpha, script, beta, receiver, processor
):
    script.add(processor=processor, copies=5)
    if processor == "alpha":
        alpha.sell("k1")
    else:
        beta.post("transactions", json=sale_at_beta())
    eventually(lambda: len(receiver.received) == 10, describe="five of each of two webhooks")
    bodies = [body for _, body in receiver.received]
    assert sorted(bodies.count(body) for body in set(bodies)) == [5, 5]
    assert alpha.rows(f"SELECT count(*) AS n FROM {processor}_webhooks") == [{"n": 10}]


def test_copies_that_overtake_the_reply_all_do(alpha, script, receiver):
    script.add(copies=3, webhooks="first")
    alpha.authorize("k1")
    assert len(receiver.received) == 3


def test_a_key_is_forgotten_as_soon_as_the_rule_says_and_the_others_are_kept(alpha, script):
    script.add(operation="authorization", reference="op_k1", key_life_s=60)
    first, other = alpha.sell("k1").json(), alpha.sell("k2").json()
    alpha.advance(59)
    assert alpha.sell("k1").json() == first
    alpha.advance(2)
    assert alpha.sell("k1").json()["id"] != first["id"]
    assert alpha.sell("k2").json() == other
    assert alpha.book()["charges"] == 3


def test_a_card_whose_key_is_forgotten_early_is_charged_again_once_and_the_third_is_a_replay(alpha):
    card = "pm_fault_key_forgotten"
    with pytest.raises(httpx2.RemoteProtocolError):
        alpha.sell("k1", card)
    alpha.advance(2)
    again = alpha.sell("k1", card)
    assert again.status_code == 201
    alpha.advance(60)
    assert alpha.sell("k1", card).json() == again.json()
    assert alpha.book()["charges"] == 2


def test_a_key_lives_as_long_as_the_setting_says_and_then_it_is_done_again(start_alpha):
    alpha = start_alpha(alpha_key_life_s=60)
    first = alpha.sell("k1").json()
    assert alpha.sell("k1").json() == first
    alpha.advance(61)
    assert alpha.sell("k1").json()["id"] != first["id"]
    assert alpha.book()["charges"] == 2


@pytest.mark.parametrize(("reply", "status"), [("500_before", 500), ("rate_limited", 429)])
def test_reading_can_be_disturbed_too(alpha, script, beta, reply, status):
    script.add(operation="look_up", reference="op_k1", reply=reply)
    assert alpha.http.get("objects", params={"reference": "op_k2"}).status_code == 200
    assert alpha.http.get("objects", params={"reference": "op_k1"}).status_code == status
    assert alpha.http.get("objects", params={"reference": "op_k1"}).status_code == 200
    for processor, ask in (
        ("alpha", lambda: alpha.http.get("events")),
        ("beta", lambda: beta.get("transactions")),
    ):
        script.add(processor=processor, operation="feed", reply=reply)
        assert [ask().status_code, ask().status_code] == [status, 200]


def test_the_clock_brings_forward_what_is_to_come(alpha, script):
    hold = alpha.authorize("k1").json()
    before = script.http.get("clock").json()
    ahead = script.http.post("clock", json={"advance_s": 8 * 86_400}).json()
    assert ahead["ahead_s"] == before["ahead_s"] + 8 * 86_400
    eventually(
        lambda: alpha.http.get(f"authorizations/{hold['id']}").json()["status"] == "expired",
        describe="the hold's end, a week early",
    )


def test_lots_strike_by_reference_the_same_ones_again(alpha, script):
    rule = script.add(random={"seed": 5, "rate": 100})["id"]
    assert script.http.delete(f"faults/{rule}").json() == {"removed": 1}
    assert script.http.delete(f"faults/{rule}").status_code == 404
    assert alpha.sell("k1").status_code == 201
    script.add(random={"seed": 5, "rate": 100}, operation="refund")
    assert alpha.sell("k2").status_code == 201


def test_what_a_card_stands_for_can_be_asked(script):
    names = ["pm_card_visa", "pm_fault_timeout_after_webhook_lost_on_refund", "pm_random_100_1_1"]
    told = script.http.post("cards", json={"names": names}).json()["data"]
    assert told["pm_card_visa"] == {}
    assert told[names[1]] == {"refund": {"reply": "timeout_after", "webhooks": "lost"}}
    assert set(told[names[2]]) == {"authorization", "capture", "void", "refund", "dispute"}
    for wrong in ([], ["pm_unknown"], [7], "pm_card_visa"):
        refused = script.http.post("cards", json={"names": wrong})
        assert (refused.status_code, refused.json()["error"]["param"]) in (
            (400, "names"),
            (422, "payment_method"),
        )


def test_a_rule_that_does_not_fit_is_refused_by_its_field(script):
    refused = script.http.post("faults", json={"processor": "alpha", "replly": "500_after"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "replly")
    assert script.http.post("faults", content=b"[").status_code == 400
    assert script.http.get("nothing").status_code == 404
    assert script.http.get("faults", headers={"Authorization": "Bearer no"}).status_code == 401
    assert script.struck() == []


def test_concurrent_calls_are_counted_one_by_one(alpha, script):
    from concurrent.futures import ThreadPoolExecutor

    script.add(reply="500_before", calls=5)
    with ThreadPoolExecutor(10) as threads:
        statuses = list(threads.map(lambda number: alpha.sell(f"k{number}").status_code, range(20)))
    assert sorted(statuses) == [201] * 15 + [500] * 5
