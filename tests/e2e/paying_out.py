"""The processors' settlement by the sandbox's script: who pays out, who damages a report, and the report itself."""

from __future__ import annotations

import csv
import io
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from shared.testing.serving import CLIENT_TIMEOUT_S
from tools.local_stack.stack import LocalStack

FORMAT: Final = "tieout_csv"


class PayingOut:
    """Both processors; nothing that is said here moves the sandbox's clock."""

    def __init__(self, stack: LocalStack) -> None:
        self._http = httpx2.Client(
            base_url=stack.url("sandbox"),
            headers={"Authorization": f"Bearer {stack.secrets.text('alpha_api_key')}"},
            timeout=CLIENT_TIMEOUT_S,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def pay_out(self, processor: str) -> None:
        """Everything that it owes, at once."""
        self._told("payouts", processor=processor, everything=True)

    def damage(self, seed: str, file: str, payment_id: str) -> dict[str, Any]:
        """What the reports of this seed have wrongly from now on, as the answer key tells it."""
        planted = self._told("errors", seed=seed, file=file, payment=payment_id)["data"]
        asked = self._http.get("/reports/v1/answer-key", params={"seed": seed}).raise_for_status()
        assert asked.json()["data"] == planted
        (error,) = planted
        return dict(error)

    def report(self, processor: str, seed: str, payout_id: str) -> bytes:
        """Today's report as the seed damages it, without what was paid out to others."""
        asked = {"processor": processor, "format": FORMAT, "seed": seed}
        whole = self._http.get("/reports/v1/settlement", params=asked).raise_for_status().text
        head, *lines = whole.splitlines(keepends=True)
        at = next(csv.reader(io.StringIO(head))).index("automatic_payout_id")
        return "".join([head, *(line for line in lines if line.split(",")[at] == payout_id)]).encode()

    def _told(self, what: str, **said: object) -> dict[str, Any]:
        document: dict[str, Any] = self._http.post(f"/script/v1/{what}", json=said).raise_for_status().json()
        return document
