"""Somebody who acts at the processors without us: the merchant's clerk at a dashboard, another system under our account."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx2

from shared.kernel.money import major_units
from shared.testing.serving import CLIENT_TIMEOUT_S
from tests.e2e.claims import CURRENCY
from tests.e2e.oracle import ELSEWHERE
from tests.e2e.shop import new_key
from tools.local_stack.stack import LocalStack


class Elsewhere:
    """One processor's own API, called under references that are no operation of ours."""

    def __init__(self, stack: LocalStack, processor: str) -> None:
        self._at_beta = processor == "beta"
        base, key = stack.url("sandbox"), stack.secrets.text(f"{processor}_api_key")
        self._http = (
            httpx2.Client(base_url=base + "/beta/v2/", headers={"X-Beta-Key": key}, timeout=CLIENT_TIMEOUT_S)
            if self._at_beta
            else httpx2.Client(
                base_url=base + "/alpha/v1/",
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

    def refunds(self, capture_id: str, amount: int) -> None:
        """Give back a part of a capture."""
        if self._at_beta:
            self._post(f"transactions/{capture_id}/credit", value=_value(amount), merchant_ref=_nobodys())
        else:
            self._post(f"captures/{capture_id}/refunds", amount=amount, reference=_nobodys())

    def holds(self, payment_id: str, amount: int) -> None:
        """Hold money of the customer a second time, in the name of a payment of ours."""
        method = "pm_card_visa"
        if self._at_beta:
            self._post(
                "transactions", txn_type="HOLD", value=_value(amount), method=method, merchant_ref=_nobodys(),
                order_ref=payment_id,
            )  # fmt: skip
        else:
            self._post(
                "authorizations", amount=amount, currency=CURRENCY, payment_method=method, reference=_nobodys(),
                capture=False, metadata={"payment": payment_id},
            )  # fmt: skip

    def _post(self, path: str, **body: object) -> None:
        reply = self._http.post(path, json=body, headers={"Idempotency-Key": new_key()})
        assert reply.is_success, reply.text


def _value(amount: int) -> dict[str, str]:
    return {"total": major_units(amount, CURRENCY), "currency_code": CURRENCY}


def _nobodys() -> str:
    return ELSEWHERE + new_key()
