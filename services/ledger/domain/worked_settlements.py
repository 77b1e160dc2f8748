"""Worked examples of what settles: one per rule, and one whole life. Booked and printed by ``worked_examples``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """A life told in events; amounts in minor units."""

    title: str
    told: tuple[tuple[str, Fields], ...]


def line(line_id: str, category: str, gross: int, fee: int = 0, **more: Any) -> tuple[str, Fields]:
    return "SettlementLineAccepted", {
        "source": "report",
        "line_id": line_id,
        "revision": 1,
        "category": category,
        "payout_id": "po",
        "object_id": None,
        "gross_minor": gross,
        "fee_minor": fee,
        "net_minor": gross - fee,
        "fee_currency": "EUR",
        "net_currency": "EUR",
        "exchange_rate": None,
        "fee_in_net_currency_minor": None,
        **more,
    }


def _amended(line_id: str, gross: int, fee: int, *, revision: int = 2, **more: Any) -> tuple[str, Fields]:
    _, told = line(line_id, "charge", gross, fee, revision=revision, amended_revision=revision - 1, **more)
    return "SettlementLineAmended", told


def exchanged(line_id: str, gross: int, rate: str, net: int, fee: int, **more: Any) -> tuple[str, Fields]:
    told = {"currency": "USD", "exchange_rate": rate, "net_minor": net, "object_id": "cap", **more}
    return line(line_id, "charge", gross, fee, **told)


def _bank(
    amount: int, event_type: str = "BankCreditAllocated", line_id: str = "bank 1"
) -> tuple[str, Fields]:
    return event_type, {
        "source": "bank",
        "line_id": line_id,
        "bank_account": "main",
        "payout_id": "po",
        "amount_minor": amount,
    }


CAPTURED: Final = ("PaymentCaptured", {"object_id": "cap", "amount_minor": 10_000, "fee_minor": 300})
SETTLED: Final = (
    "CaptureSettled",
    {"object_id": "cap", "amount_minor": 10_000, "fee_minor": 300, "fact_key": "settled 1"},
)
_UNSETTLED: Final = (
    "CaptureUnsettled",
    {"object_id": "cap", "amount_minor": 10_000, "fee_minor": 300, "settled_fact_key": "settled 1"},
)
_DISPUTE: Final = {"object_id": "dsp", "dispute_id": "dp", "charged_to": "merchant", "amount_minor": 6_000}

SETTLEMENT_EXAMPLES: Final[tuple[Example, ...]] = (
    Example(
        "A whole life: capture of 100, refund of 40, dispute of 60 lost, with every line and the bank",
        (
            CAPTURED,
            line("line 1", "charge", 10_000, 200, object_id="cap"),
            SETTLED,
            ("RefundRequested", {"refund_id": "re", "amount_minor": 4_000, "fee_returned_minor": 0}),
            ("RefundSucceeded", {"refund_id": "re", "object_id": "ref", "amount_minor": 4_000}),
            line("line 2", "refund", -4_000, object_id="ref"),
            ("DisputeWithdrawn", {**_DISPUTE, "fee_minor": 0}),
            line("line 3", "dispute", -6_000, 1_500, object_id="dsp"),
            ("DisputeWrittenOff", _DISPUTE),
            _bank(-1_700),
        ),
    ),
    Example(
        "A line amended from 100 to 90: the capture is not settled any more",
        (
            CAPTURED,
            line("line 1", "charge", 10_000, 200, object_id="cap"),
            SETTLED,
            _amended("line 1", 9_000, 200, object_id="cap"),
            _UNSETTLED,
        ),
    ),
    Example(
        "A line that a corrected file says no more",
        (line("line 1", "charge", 10_000, 200), _amended("line 1", 0, 0)),
    ),
    Example(
        "Reserve of 50 kept back, 30 of it released",
        (line("line 1", "reserve", -5_000), line("line 2", "reserve", 3_000)),
    ),
    Example("A line of another category: it waits in suspense", (line("line 1", "other", -1_500),)),
    Example(
        "Payout credited by the bank, and returned",
        (
            line("line 1", "charge", 10_000, 200),
            _bank(9_800),
            _bank(9_800, "PayoutReturned", "bank 2"),
        ),
    ),
    Example(
        "Exchange of 100 USD at 0.92437, fee of 2 EUR, one cent rounded down by the processor",
        (exchanged("line 1", 10_000, "0.92437", 9_043, 200),),
    ),
    Example(
        "Exchange of 100 USD at 0.92437 after a fee of 3 USD",
        (exchanged("line 1", 10_000, "0.92437", 8_966, 300, fee_currency="USD"),),
    ),
    Example(
        "Exchange of 100 USD at 0.92437, fee of 1.70 GBP that took 2 EUR",
        (
            exchanged(
                "line 1", 10_000, "0.92437", 9_044, 170, fee_currency="GBP", fee_in_net_currency_minor=200
            ),
        ),
    ),
    Example(
        "Exchange that its rate does not explain: 5 EUR wait in suspense",
        (exchanged("line 1", 10_000, "0.92437", 8_744, 0),),
    ),
)
