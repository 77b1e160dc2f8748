"""Scripts of faults on a running sandbox with both processors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from services.sandbox.tests.conftest import API_KEY, Alpha, Receiver


@dataclass
class Script:
    """Whoever writes the script."""

    http: httpx2.Client

    def add(self, **rule: Any) -> dict[str, Any]:
        reply = self.http.post("faults", json={"processor": "alpha"} | rule)
        assert reply.status_code == 201, reply.text
        added: dict[str, Any] = reply.json()
        return added

    def struck(self) -> list[int]:
        return [rule["struck"] for rule in self.http.get("faults").json()["data"]]

    def release(self, payment: str = "pay_1") -> dict[str, int]:
        released: dict[str, int] = self.http.post("release", json={"payment": payment}).json()
        return released


@pytest.fixture
def alpha(start_alpha: Callable[..., Alpha], receiver: Receiver) -> Alpha:
    return start_alpha(
        beta_api_key="beta_key", beta_webhook_url=receiver.url, beta_webhook_secret="betas",
        beta_hang_s=0.2, beta_list_delay_ms=0,
    )  # fmt: skip


@pytest.fixture
def script(alpha: Alpha) -> Iterator[Script]:
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/script/v1/")
    with httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=5) as http:
        yield Script(http)


@pytest.fixture
def beta(alpha: Alpha) -> Iterator[httpx2.Client]:
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/beta/v2/")
    with httpx2.Client(base_url=base, headers={"X-Beta-Key": "beta_key"}, timeout=5) as http:
        yield http


def sale_at_beta(reference: str = "op_1", payment: str = "pay_1") -> dict[str, Any]:
    return {
        "txn_type": "SALE", "value": {"total": "10.00", "currency_code": "EUR"}, "method": "pm_card_visa",
        "merchant_ref": reference, "order_ref": payment,
    }  # fmt: skip
