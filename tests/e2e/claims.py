"""What customers, issuers and banks do next, told to either processor in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import httpx2

from shared.kernel.money import major_units
from shared.testing.serving import CLIENT_TIMEOUT_S
from tests.e2e.books import Books
from tests.e2e.shop import Shop, new_key, order
from tools.local_stack.stack import LocalStack

AMOUNT = 6_000
CURRENCY = "EUR"
BETA_WORDS: Final[Mapping[str, str]] = {
    "authorizations": "holds",
    "captures": "charges",
    "refunds": "credits",
    "disputes": "claims",
    "reversals": "clawbacks",
}


class ClaimScript:
    """The script of one processor's disputes and reversals."""

    def __init__(self, stack: LocalStack, processor: str) -> None:
        self._at_beta = processor == "beta"
        base, key = stack.url("sandbox"), stack.secrets.text(f"{processor}_api_key")
        self._http = (
            httpx2.Client(
                base_url=base + "/beta/v2/script/", headers={"X-Beta-Key": key}, timeout=CLIENT_TIMEOUT_S
            )
            if self._at_beta
            else httpx2.Client(
                base_url=base + "/alpha/v1/script/",
                headers={"Authorization": f"Bearer {key}"},
                timeout=CLIENT_TIMEOUT_S,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def __call__(self, collection: str, object_id: str, do: str, amount: int | None = None) -> str:
        """Let it happen; returns the id of the dispute or reversal, at beta of the claim or clawback."""
        if self._at_beta:
            value = {"total": major_units(amount or 0, CURRENCY), "currency_code": CURRENCY}
            said = {"do": do} | ({"value": value} if amount else {})
            reply = self._http.post(f"{BETA_WORDS[collection]}/{object_id}", json=said)
            assert reply.status_code == 200, reply.text
            return str(reply.json()["transactions"][0]["txn_id"])
        said = {"do": do} | ({"amount": amount} if amount else {})
        reply = self._http.post(
            f"{collection}/{object_id}", json=said, headers={"Idempotency-Key": new_key()}
        )
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])


def sold(shop: Shop, books: Books, method: str = "pm_card_visa") -> tuple[str, str]:
    """A payment captured, and the processor's id of its capture."""
    payment_id = shop.post("/payments", order(AMOUNT, CURRENCY, method=method)).document["id"]
    assert shop.settled(payment_id)["status"] == "CAPTURED"
    (capture_id,) = books.captures(payment_id)
    return payment_id, capture_id
