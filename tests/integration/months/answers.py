"""What the answer key of a month says of one break."""

from __future__ import annotations

from typing import NamedTuple

from services.sandbox.domain.payouts import Payout


class Answer(NamedTuple):
    """A break that has to be found."""

    about: str
    type: str
    at_risk_minor: int


def payout_name(payout: Payout) -> str:
    """As reconciliation names a payout."""
    name = str(payout.batch_number) if payout.processor == "beta" else payout.id
    return f"payout:{payout.processor}:{payout.account}:{name}:{payout.currency}"
