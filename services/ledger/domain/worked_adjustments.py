"""Worked examples of what people book by hand: for every template, what stood before and what it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.ledger.domain.worked_settlements import CAPTURED, SETTLED, Fields, exchanged, line


@dataclass(frozen=True, slots=True)
class ByHand:
    """One template filled in, after these events; owners that it takes and that are not said are the examples' own."""

    before: str
    amount_minor: int
    told: tuple[tuple[str, Fields], ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


def _of_line(amount_minor: int, before: str, **more: Any) -> ByHand:
    """What a line of another category left in suspense."""
    told = (line("line 1", "other", amount_minor, **more),)
    return ByHand(before, abs(amount_minor), told, {"clearing_key": "line:report:line 1"})


_AVAILABLE: Final = (CAPTURED, line("line 1", "charge", 10_000, 200, object_id="cap"), SETTLED)
_LOST: Final = (
    "DisputeWithdrawn",
    {
        "object_id": "dsp",
        "dispute_id": "dp",
        "charged_to": "merchant",
        "amount_minor": 6_000,
        "fee_minor": 1_500,
    },
)
_SURPLUS: Final = "a line of 15 of another category"
_SHORT: Final = "a line of -15 of another category"
_OF_CAPTURE: Final = {"clearing_key": "alpha:acct:cap"}

BY_HAND: Final[Mapping[str, ByHand]] = {
    "merchant_credit": ByHand("nothing", 500),
    "merchant_debit": ByHand("a capture of 100 with a fee of 3, settled", 500, _AVAILABLE),
    "merchant_payout": ByHand("a capture of 100 with a fee of 3, settled", 9_700, _AVAILABLE),
    "merchant_debt_write_off": ByHand("a dispute of 60 with a fee of 15", 7_500, (_LOST,)),
    "suspense_to_merchant": _of_line(1_500, _SURPLUS),
    "suspense_from_merchant": _of_line(-1_500, _SHORT),
    "suspense_surplus_write_off": _of_line(1_500, _SURPLUS),
    "suspense_shortfall_write_off": _of_line(-1_500, _SHORT),
    "suspense_to_processor_fees": _of_line(-1_500, _SHORT),
    "suspense_from_processor_fees": _of_line(1_500, _SURPLUS),
    "receivable_write_off": ByHand("a capture of 100 that was never paid", 10_000, (CAPTURED,), _OF_CAPTURE),
    "receivable_surplus_write_off": ByHand(
        "a capture of 100 that was paid with 101",
        100,
        (CAPTURED, line("line 1", "charge", 10_100, object_id="cap")),
        _OF_CAPTURE,
    ),
    "rounding_gain_cleared": ByHand(
        "an exchange of 100 USD, one cent rounded up", 1, (exchanged("line 1", 10_000, "0.92437", 9_245, 0),)
    ),
    "rounding_loss_cleared": ByHand(
        "an exchange of 100 USD, one cent rounded down",
        1,
        (exchanged("line 1", 10_000, "0.92437", 9_243, 0),),
    ),
}
