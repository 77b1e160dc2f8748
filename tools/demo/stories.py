"""The stories that `make demo FAULT=...` tells, by name: one fault each, and how it heals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tools.demo.storytelling import Narrator, Row

AMOUNT: Final = 4_900
FOR_EVER_S: Final = 86_400 * 365
WEBHOOK_LATE_MS: Final = 8_000


@dataclass(frozen=True, slots=True)
class Story:
    """One fault and what becomes of it."""

    title: str
    tell: Callable[[Narrator], None]
    processor: str = "alpha"


def _order(method: str = "pm_card_visa", **more: object) -> Row:
    return {
        "amount": AMOUNT,
        "currency": "EUR",
        "capture_method": "automatic",
        "payment_method": method,
    } | more


def _certain(payment: Row) -> bool:
    return bool(payment["certainty"] == "certain")


def _authorized(narrator: Narrator) -> None:
    narrator.chapter("A hold")
    narrator.payment_id = narrator.ask("/payments", _order(capture_method="manual"))["id"]
    narrator.until("the hold", lambda payment: bool(payment["status"] == "AUTHORIZED"))


def _strike(narrator: Narrator, **rule: Any) -> None:
    narrator.script.add(narrator.processor, payment=narrator.payment_id, calls=None, **rule)
    narrator.say(f"script   at {narrator.processor}: {rule}")


def _capture_in_doubt(**rule: Any) -> Callable[[Narrator], None]:
    def tell(narrator: Narrator) -> None:
        _authorized(narrator)
        narrator.chapter("The capture, whose answer is lost")
        _strike(narrator, operation="capture", **rule)
        narrator.ask(f"/payments/{narrator.payment_id}/capture", {})
        again = narrator.ask(f"/payments/{narrator.payment_id}/capture", {}, wait_s=0)
        if again.get("code") == "operation_in_doubt":
            narrator.say("client   a second capture is refused as long as the first is in doubt")
        narrator.chapter("Until somebody finds it")
        narrator.until("certainty", _certain)

    return tell


def _sale(*, calls: int = 1, **rule: Any) -> Callable[[Narrator], None]:
    def tell(narrator: Narrator) -> None:
        narrator.chapter("A sale, and what strikes it")
        method = "pm_card_mastercard"
        narrator.script.add(
            narrator.processor, operation="authorization", payment_method=method, calls=calls, **rule
        )
        narrator.say(f"script   at {narrator.processor}: the next sale: {rule}")
        narrator.payment_id = narrator.ask("/payments", _order(method))["id"]
        narrator.chapter("Until it is decided")
        narrator.until("certainty", _certain)

    return tell


def _dead_attempt(narrator: Narrator) -> None:
    narrator.chapter("Attempt 1: the processor refuses what it did")
    narrator.script.add(
        narrator.processor, operation="authorization", payment_method="pm_card_mastercard",
        reply="refused_after", webhooks="lost", feed="lost", not_found_s=FOR_EVER_S,
    )  # fmt: skip
    narrator.say("script   says 422 although it took the money; no webhook, no event, no look-up shows it")
    narrator.payment_id = narrator.ask("/payments", _order("pm_card_mastercard"))["id"]
    narrator.until("the decline", lambda payment: bool(payment["status"] == "REQUIRES_PAYMENT_METHOD"))
    narrator.chapter("Attempt 2: the customer pays with another card")
    narrator.ask(f"/payments/{narrator.payment_id}/confirm", {"payment_method": "pm_card_visa"})
    narrator.until("the capture", lambda payment: bool(payment["status"] == "CAPTURED") and _certain(payment))
    narrator.chapter("Then attempt 1 turns up")
    narrator.say(f"script   released: {narrator.script.release(narrator.payment_id)}")
    (stray,) = narrator.operators("/strays", kind="money")
    narrator.say(f"operator sees stray {stray['stray_id']}: {stray['amount_minor']} {stray['currency']}")
    narrator.until("the stray", lambda payment: bool(payment["amount_stray"] == AMOUNT))
    narrator.decide(f"/strays/{stray['stray_id']}/decision", action="return")
    narrator.until("the return", lambda payment: bool(payment["amount_stray"] == 0) and _certain(payment))


def _wrong_amount(narrator: Narrator) -> None:
    narrator.chapter("The processor takes more than was asked")
    narrator.payment_id = narrator.ask("/payments", _order("pm_fault_wrong_amount"))["id"]
    narrator.until("the stray", lambda payment: bool(payment["amount_stray"] > AMOUNT))
    (stray,) = narrator.operators("/strays", kind="money")
    (doubt,) = narrator.operators("/doubts")
    narrator.chapter("Two operators return it and decide the attempt")
    narrator.decide(f"/strays/{stray['stray_id']}/decision", action="return")
    narrator.until("the return", lambda payment: bool(payment["amount_stray"] == 0))
    narrator.decide(
        f"/operations/{doubt['operation_id']}/decision", outcome="declined", evidence="its dashboard"
    )
    narrator.until("the decision", _certain)


STORIES: Final[Mapping[str, Story]] = {
    "capture-timeout-after-effect": Story(
        "a capture takes effect and its answer is lost; look-ups find nothing, then a late webhook tells",
        _capture_in_doubt(
            reply="timeout_after",
            not_found_s=FOR_EVER_S,
            feed="lost",
            webhooks="late",
            webhook_delay_ms=WEBHOOK_LATE_MS,
        ),
    ),
    "capture-webhook-lost": Story(
        "a capture's answer and its webhooks are lost; the look-up ladder or the feed finds it",
        _capture_in_doubt(reply="timeout_after", webhooks="lost"),
    ),
    "beta-capture-timeout": Story(
        "the same at beta, which keeps no keys: never sent twice, found in its delayed list",
        _capture_in_doubt(reply="timeout_after", webhooks="lost"),
        "beta",
    ),
    "timeout-before-effect": Story(
        "the request is lost; twice not found after the visibility window, it is sent again under its key",
        _sale(reply="timeout_before"),
    ),
    "beta-timeout-before-effect": Story(
        "the request is lost and there are no keys: proved absent, given up, nothing was charged",
        _sale(reply="timeout_before"),
        "beta",
    ),
    "malformed-reply": Story(
        "the reply breaks off in the middle: doubt, then a look-up", _sale(reply="malformed")
    ),
    "rate-limited": Story(
        "429 means not executed: sent again with back-off", _sale(reply="rate_limited", calls=2)
    ),
    "webhooks-reversed": Story(
        "the capture's webhook comes before its authorization's",
        _sale(reply="timeout_after", webhooks="reversed"),
    ),
    "dead-attempt-captured": Story(
        "attempt 1 was refused, attempt 2 paid, then attempt 1 turns out to have taken the money: a stray",
        _dead_attempt,
    ),
    "wrong-amount": Story(
        "the processor takes more than was asked: a mismatch, before people", _wrong_amount
    ),
}
