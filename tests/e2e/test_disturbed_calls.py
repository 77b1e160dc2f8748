"""Errors that nobody documented, slow answers, and look-ups and feeds that are themselves disturbed, at both processors.

Each rule is proved to have struck: a disturbance that nobody met would show nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.doubts import FOR_EVER_S, LOST_S, authorized, captured_once, states_of
from tests.e2e.shop import Shop
from tests.e2e.side_by_side import side_by_side
from tools.demo.sandbox_script import SandboxScript

#: The status alone may be a proxy's, before the effect or after it: it proves nothing.
STATUSES: Final = (400, 404, 409, 422, 429, 500, 502, 503)
TRIES: Final = 2
SLOW_MS: Final = 400
"""Within the two seconds that an answer has, and a slow machine's own delay beside it."""
READING: Final[dict[str, dict[str, object]]] = {
    "timeout_before": {"reply": "timeout_before"},
    "500_before": {"reply": "500_before"},
    "hang": {"reply": "hang"},
    "rate_limited": {"reply": "rate_limited"},
    "malformed": {"reply": "malformed"},
    "status_before": {"reply": "status_before", "status": 503},
    "slow": {"delay_ms": SLOW_MS},
}


def captured_under(shop: Shop, script: SandboxScript, processor: str, **rule: object) -> str:
    """A capture that the rule has struck. Where the machine stood still, its call may never have arrived: another, then."""
    for _ in range(TRIES):
        payment_id = authorized(shop)
        if capture_struck(shop, script, payment_id, processor=processor, **rule):
            return payment_id
    raise AssertionError(f"{rule} struck none of {TRIES} captures")


def capture_struck(shop: Shop, script: SandboxScript, payment_id: str, **rule: object) -> bool:
    """Whether the rule struck the capture; the merchant may be told of the doubt before the call arrives."""
    number = script.add(operation="capture", payment=payment_id, **rule)
    told = shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    assert told.status == 200, told
    eventually(
        lambda: script.struck(number) or shop.payment(payment_id)["certainty"] == "certain",
        timeout_s=LOST_S,
        describe=f"{rule} strikes the capture of {payment_id}",
    )
    return script.struck(number) == 1


def test_an_error_that_may_be_a_proxys_proves_nothing_and_the_capture_is_done_once(
    shop_there: Shop, books: Books, script: SandboxScript, processor: str
) -> None:
    """It took effect: found. It did not: sent again under its key, or, where there are none, given up."""

    def after(status: int) -> None:
        payment_id = captured_under(
            shop_there, script, processor, reply="status_after", status=status, webhooks="lost"
        )
        captured_once(shop_there, books, payment_id)
        assert not states_of(books, payment_id) & {"FAILED", "ABANDONED", "DECLINED"}

    def before(status: int) -> None:
        payment_id = captured_under(shop_there, script, processor, reply="status_before", status=status)
        if processor == "alpha":
            captured_once(shop_there, books, payment_id)
            return
        payment = shop_there.settled(payment_id)
        assert (payment["status"], payment["operation"]["state"]) == ("AUTHORIZED", "ABANDONED")
        assert books.at_processors(payment_id)["captured_minor"] == 0
        again = shop_there.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
        assert again.status == 200, again
        captured_once(shop_there, books, payment_id)

    scenarios: dict[str, Callable[[], None]] = {}
    for status in STATUSES:
        scenarios |= {f"{status} after": partial(after, status), f"{status} before": partial(before, status)}
    side_by_side(scenarios, at_once=8)


def test_a_slow_answer_is_waited_for_and_counts(
    shop_there: Shop, books: Books, script: SandboxScript, processor: str
) -> None:
    payment_id = captured_under(
        shop_there, script, processor, delay_ms=SLOW_MS, webhooks="lost", feed="late", feed_delay_s=5
    )
    captured_once(shop_there, books, payment_id)
    assert "UNCERTAIN" not in states_of(books, payment_id)


def test_a_look_up_that_is_disturbed_is_made_again_and_says_what_happened(
    shop_there: Shop, books: Books, script: SandboxScript, processor: str
) -> None:
    """Of a void that took effect, since beta looks those up by its own id and all else in its list."""
    numbers = disturbed(script, processor, "look_up")

    def voided() -> None:
        payment_id = authorized(shop_there)
        script.add(
            processor,
            operation="void",
            payment=payment_id,
            reply="timeout_after",
            webhooks="lost",
            feed="lost",
        )
        told = shop_there.post(f"/payments/{payment_id}/cancel", {}, wait_s=30)
        assert told.status == 200, told
        assert shop_there.settled(payment_id)["status"] == "CANCELED"
        assert "UNCERTAIN" in states_of(books, payment_id)

    side_by_side(dict.fromkeys(numbers, voided))
    all_struck(script, numbers)


def test_a_feed_that_is_disturbed_is_read_again_and_says_what_happened(
    shop_there: Shop, books: Books, script: SandboxScript, processor: str
) -> None:
    """Answer and webhooks are lost, and look-ups deny it; beta's list is its look-up and its feed."""
    numbers = disturbed(script, processor, "feed")
    denied = {"not_found_s": FOR_EVER_S} if processor == "alpha" else {}
    payment_id = captured_under(
        shop_there, script, processor, reply="timeout_after", webhooks="lost", **denied
    )
    captured_once(shop_there, books, payment_id)
    assert not states_of(books, payment_id) & {"FAILED", "ABANDONED", "DECLINED"}
    all_struck(script, numbers)


def disturbed(script: SandboxScript, processor: str, reading: str) -> dict[str, int]:
    """One rule of each kind, for one reading each, in this order."""
    return {name: script.add(processor, operation=reading, **rule) for name, rule in READING.items()}


def all_struck(script: SandboxScript, numbers: dict[str, int]) -> None:
    def untouched() -> list[str]:
        return [name for name, number in numbers.items() if not script.struck(number)]

    eventually(
        lambda: not untouched(), timeout_s=LOST_S, describe=lambda: f"all have struck, but {untouched()}"
    )
