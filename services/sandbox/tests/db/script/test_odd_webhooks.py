"""Webhooks that a script makes strange: of strangers, without a signature, about nobody's objects, without sense."""

import re
from datetime import UTC, datetime

import orjson
import pytest

from services.sandbox.adapters.webhook_http import sign_beta, signature
from services.sandbox.tests.conftest import WEBHOOK_SECRET, Receiver
from services.sandbox.tests.db.script.conftest import sale_at_beta
from shared.kernel.clock import SystemClock
from shared.testing.waiting import eventually


@pytest.mark.parametrize("imitation", ["forged", "stale"])
@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_an_imitation_comes_first_once_and_then_what_is_signed_now(
    alpha, script, beta, receiver, processor, imitation
):
    script.add(processor=processor, webhooks=imitation)
    receiver.statuses[:] = [401, 401]
    if processor == "alpha":
        alpha.sell("k1")
    else:
        beta.post("transactions", json=sale_at_beta())
    eventually(lambda: len(receiver.received) == 4, describe="two imitations, two webhooks")
    seal = {"alpha": "alpha-signature", "beta": "x-beta-seal"}[processor]
    bodies = [body for _, body in receiver.received]
    assert sorted(bodies[:2]) == sorted(bodies[2:])
    signed = [_is_ours(processor, headers[seal], body) for headers, body in received_lower(receiver)]
    ages_s = [_age_s(processor, headers[seal]) for headers, _ in received_lower(receiver)]
    assert signed == [imitation == "stale"] * 2 + [True] * 2
    assert [age_s > 300 for age_s in ages_s] == [imitation == "stale"] * 2 + [False] * 2
    eventually(
        lambda: alpha.rows(f"SELECT count(*) AS n FROM {processor}_webhooks WHERE state = 'due'")[0]["n"] == 0
    )


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_before_each_webhook_comes_one_that_nobody_signed(alpha, script, beta, receiver, processor):
    script.add(processor=processor, webhooks="unsigned")
    receiver.statuses[:] = [401, 401]
    _sell(processor, alpha, beta)
    eventually(lambda: len(receiver.received) == 4, describe="two without a signature, two webhooks")
    seal = {"alpha": "alpha-signature", "beta": "x-beta-seal"}[processor]
    bodies = [body for _, body in receiver.received]
    assert sorted(bodies[:2]) == sorted(bodies[2:])
    assert [seal in headers for headers, _ in received_lower(receiver)] == [False] * 2 + [True] * 2
    eventually(
        lambda: alpha.rows(f"SELECT count(*) AS n FROM {processor}_webhooks WHERE state = 'due'")[0]["n"] == 0
    )
    assert alpha.rows(f"SELECT count(*) AS n FROM {processor}_events WHERE in_feed") == [{"n": 2}]


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_before_each_webhook_comes_one_about_nobodys_object_rightly_signed_and_on_no_feed(
    alpha, script, beta, receiver, processor
):
    script.add(processor=processor, webhooks="nobodys")
    _sell(processor, alpha, beta)
    eventually(lambda: len(receiver.received) == 4, describe="two of nobody's, two webhooks")
    seal = {"alpha": "alpha-signature", "beta": "x-beta-seal"}[processor]
    assert all(_is_ours(processor, headers[seal], body) for headers, body in received_lower(receiver))
    known = {row["id"] for row in alpha.rows(f"SELECT id FROM {processor}_objects")}
    told = [orjson.loads(body) for _, body in receiver.received]
    objects = [each["data"]["object"] if processor == "alpha" else each["transaction"] for each in told]
    named = "id" if processor == "alpha" else "txn_id"
    assert [each[named] in known for each in objects] == [False] * 2 + [True] * 2
    references = {each["reference" if processor == "alpha" else "merchant_ref"] for each in objects[:2]}
    assert all(reference.startswith("nobodys_") for reference in references)
    assert alpha.rows(f"SELECT count(*) AS n FROM {processor}_events WHERE in_feed") == [{"n": 2}]


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_in_place_of_each_webhook_comes_one_that_nobody_can_read_and_the_feed_has_it_right(
    alpha, script, beta, receiver, processor
):
    script.add(processor=processor, webhooks="garbled")
    _sell(processor, alpha, beta)
    eventually(lambda: len(receiver.received) == 2, describe="two unreadable ones")
    told = [orjson.loads(body) for _, body in receiver.received]
    states = [
        each["data"]["object"]["status"] if processor == "alpha" else each["transaction"]["state"]
        for each in told
    ]
    assert states == ["~", "~"]
    fed = {row["id"] for row in alpha.rows(f"SELECT id FROM {processor}_events WHERE in_feed")}
    told_by = {each["id" if processor == "alpha" else "notice_id"] for each in told}
    assert told_by == {f"{event_id}:unreadable" for event_id in fed}
    assert alpha.rows(f"SELECT count(*) AS n FROM {processor}_webhooks") == [{"n": 2}]


def _sell(processor, alpha, beta):
    if processor == "alpha":
        alpha.sell("k1")
    else:
        beta.post("transactions", json=sale_at_beta())


def received_lower(receiver: Receiver) -> list[tuple[dict[str, str], bytes]]:
    return [
        ({name.lower(): value for name, value in headers.items()}, body)
        for headers, body in receiver.received
    ]


def _is_ours(processor: str, seal: str, body: bytes) -> bool:
    if processor == "alpha":
        stamp = int(seal.partition(",")[0].removeprefix("t="))
        return seal == signature(WEBHOOK_SECRET, body, stamp)
    stamp = int(seal.partition(";")[0].removeprefix("at="))
    return seal == sign_beta("betas", body, datetime.fromtimestamp(stamp / 1000, UTC))["X-Beta-Seal"]


def _age_s(processor: str, seal: str) -> float:
    stamp = re.search(r"\d+", seal)
    assert stamp is not None
    return SystemClock().now().timestamp() - int(stamp[0]) / (1 if processor == "alpha" else 1_000)
