"""Everybody who has a hand in a payment, at the processor of the turn, and what is soon to be seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.claims import ClaimScript
from tests.e2e.desk import Desk
from tests.e2e.doubts import FOR_EVER_S
from tests.e2e.elsewhere import Elsewhere
from tests.e2e.oracle import Course
from tests.e2e.shop import SETTLE_S, Shop, order
from tools.demo.sandbox_script import SandboxScript
from tools.local_stack.stack import LocalStack

AMOUNT: Final = 8_000


@dataclass(frozen=True, slots=True)
class World:
    """Everybody who has a hand in a payment at the processor of this turn."""

    processor: str
    shop: Shop
    books: Books
    desk: Desk
    script: SandboxScript
    others: ClaimScript
    """Customers, issuers and banks."""
    elsewhere: Elsewhere
    course: Course
    """What the one oracle has to know of it."""

    def sold(self, method: str = "pm_card_visa") -> str:
        payment_id: str = self.shop.post("/payments", order(AMOUNT, method=method), wait_s=30).document["id"]
        self.becomes(payment_id, "CAPTURED", captured=AMOUNT)
        return payment_id

    def held(self, method: str = "pm_card_visa") -> str:
        body = order(AMOUNT, method=method, capture_method="manual")
        payment_id: str = self.shop.post("/payments", body, wait_s=30).document["id"]
        self.becomes(payment_id, "AUTHORIZED", capturable=AMOUNT)
        return payment_id

    def refund(self, payment_id: str, amount: int) -> str:
        told = self.shop.post("/refunds", {"payment": payment_id, "amount": amount}, wait_s=30)
        assert told.status == 201, told
        refund_id: str = told.document["id"]
        return refund_id

    def silence(self, payment_id: str, operation: str) -> None:
        """It takes effect, and nothing says so until it is released."""
        self.script.add(
            self.processor, operation=operation, payment=payment_id, calls=None, reply="timeout_after",
            not_found_s=FOR_EVER_S, webhooks="lost", feed="lost",
        )  # fmt: skip

    def becomes(self, payment_id: str, status: str, *, certainty: str = "certain", **amounts: int) -> None:
        """The payment is shown so, soon."""
        wanted = (certainty, status, amounts)

        def seen() -> tuple[object, ...]:
            payment = self.shop.payment(payment_id)
            shown = {name: payment[f"amount_{name}"] for name in amounts}
            return payment["certainty"], payment["status"], shown

        eventually(
            lambda: seen() == wanted,
            timeout_s=SETTLE_S,
            describe=lambda: f"{payment_id} {wanted}; it is {seen()}",
        )

    def cases(self, payment_id: str, *reasons: str) -> None:
        """Exactly these are open, soon, each told in a sentence."""

        def seen() -> list[str]:
            found = self.desk.of("cases", payment_id)
            assert all(case["meaning"] for case in found), found
            return sorted(case["reason"] for case in found)

        eventually(
            lambda: seen() == sorted(reasons),
            timeout_s=SETTLE_S,
            describe=lambda: f"cases {reasons} of {payment_id}; there are {seen()}",
        )

    def at_processor(self, payment_id: str, **amounts: int) -> None:
        book = self.books.at_processors(payment_id)
        assert {name: book[name] for name in amounts} == amounts


@contextmanager
def everybody_at(
    processor: str,
    stack: LocalStack,
    shop: Shop,
    books: Books,
    desk: Desk,
    script: SandboxScript,
    course: Course,
) -> Iterator[World]:
    """Everybody at this processor; ``shop`` is a merchant whose payments go there."""
    with ClaimScript(stack, processor) as others, Elsewhere(stack, processor) as elsewhere:
        yield World(processor, shop, books, desk, script, others, elsewhere, course)
