"""The world outside of the demo's stack: processors pay out, days pass, reports are written, some of them wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import httpx2

from tools.local_stack.stack import LocalStack

Row = dict[str, Any]
DAY_S: Final = 86_400
PATIENCE_S: Final = 60.0


class OutsideWorld:
    """Says over HTTP what processors and the bank do next, and takes their files."""

    def __init__(self, stack: LocalStack) -> None:
        self._http = httpx2.Client(
            base_url=stack.url("sandbox"),
            headers={"Authorization": f"Bearer {stack.secrets.text('alpha_api_key')}"},
            timeout=PATIENCE_S,
        )

    def pay_out(self, processor: str, fate: str | None = None) -> list[Row]:
        """Everything that the processor has, paid out at once; the payouts that were made."""
        said = {"processor": processor, "everything": True} | ({"fate": fate} if fate else {})
        return list(self._post("/script/v1/payouts", said)["data"])

    def let_pass(self, days: int) -> None:
        """Let days pass out there."""
        self._post("/script/v1/clock", {"advance_s": days * DAY_S})

    def plant(self, seed: str) -> list[Row]:
        """Errors in the reports asked for by this seed; what they are, and what is true."""
        return list(self._post("/script/v1/errors", {"seed": seed})["data"])

    def settlement(self, processor: str, form: str, day: str, seed: str) -> bytes:
        """The processor's report of one day's payouts."""
        return self._report(
            "settlement", processor=processor, format=form, **{"from": day, "to": day}, seed=seed
        )

    def statement(self, currency: str, form: str, first: date, last: date, seed: str) -> bytes:
        """The bank's statements of some days."""
        span = {"from": first.isoformat(), "to": last.isoformat()}
        return self._report("bank", currency=currency, format=form, **span, seed=seed)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, path: str, body: Row) -> Row:
        return dict(self._http.post(path, json=body).raise_for_status().json())

    def _report(self, what: str, **asked: str) -> bytes:
        return bytes(self._http.get(f"/reports/v1/{what}", params=asked).raise_for_status().content)


def days_until(payouts: Sequence[Row], spare: int) -> int:
    """How many days after the last payout was made all of them have arrived, and some more."""
    made = max(date.fromisoformat(payout["made_on"]) for payout in payouts)
    arrived = max(date.fromisoformat(payout["arrives_on"]) for payout in payouts)
    return (arrived - made).days + spare
