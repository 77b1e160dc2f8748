"""Worked examples of money that goes back, is in doubt, or is nobody's yet. Printed by ``worked_examples``."""

from __future__ import annotations

from typing import Any, Final

from services.ledger.domain.worked_settlements import Example, Fields

Told = tuple[str, Fields]


def _refund(event_type: str, **more: Any) -> Told:
    return event_type, {"refund_id": "re", "object_id": "ref", "amount_minor": 4_000, **more}


def _doubt(event_type: str, direction: str) -> Told:
    return event_type, {"operation_id": "op", "direction": direction, "amount_minor": 4_000}


def _stray(event_type: str, amount_minor: int = 10_000, **more: Any) -> Told:
    return event_type, {
        "stray_id": "stray",
        "operation_id": "op",
        "object_id": "cap 2",
        "amount_minor": amount_minor,
        **more,
    }


def _of_stray(event_type: str, amount_minor: int, object_id: str, **more: Any) -> Told:
    return _stray(
        event_type,
        amount_minor,
        object_id=object_id,
        charged_to="suspense",
        dispute_id="dp",
        reversal_id="rvs",
        fee_minor=0,
        held_minor=0,
        **more,
    )


_CAPTURED: Final[Told] = (
    "PaymentCaptured",
    {"object_id": "cap", "amount_minor": 10_000, "fee_minor": 300},
)
_REQUESTED: Final = _refund("RefundRequested", fee_returned_minor=120)
_FOUND: Final = _stray("StrayFound", kind="money")
_RETURN_ASKED: Final = _stray("StrayReturnRequested")
_RETURNED: Final = _stray("StrayReturnSucceeded", object_id="ref 2")
_OTHER_REFUND: Final = _stray("RefundStrayFound", 4_000, object_id="ref 2")
_DISPUTE: Final[Fields] = {
    "object_id": "dsp",
    "dispute_id": "dp",
    "charged_to": "merchant",
    "amount_minor": 6_000,
}

RETURN_EXAMPLES: Final[tuple[Example, ...]] = (
    Example(
        "Refund of 40 that gives 1.20 of the fee back, declined",
        (_CAPTURED, _REQUESTED, _refund("RefundFailed")),
    ),
    Example(
        "Refund of 40 that succeeded and failed later: both its journals are reversed",
        (_CAPTURED, _REQUESTED, _refund("RefundSucceeded"), _refund("RefundFailed")),
    ),
    Example("Refund of 40 made at the processor, adopted", (_CAPTURED, _refund("RefundAdopted"))),
    Example(
        "Refund of 40 made at the processor, adopted, and failed later",
        (_CAPTURED, _refund("RefundAdopted"), _refund("RefundFailed")),
    ),
    Example("Charge of 40 in doubt", (_doubt("OperationUncertain", "in"),)),
    Example(
        "Charge of 40 in doubt, and decided",
        (_doubt("OperationUncertain", "in"), _doubt("OperationResolved", "in")),
    ),
    Example("Refund of 40 in doubt", (_doubt("OperationUncertain", "out"),)),
    Example(
        "Refund of 40 in doubt, and decided",
        (_doubt("OperationUncertain", "out"), _doubt("OperationResolved", "out")),
    ),
    Example("Stray of 100 returned", (_FOUND, _RETURN_ASKED, _RETURNED)),
    Example(
        "Stray of 100 whose return failed after it had succeeded",
        (_FOUND, _RETURN_ASKED, _RETURNED, _stray("StrayReturnFailed")),
    ),
    Example("Stray of 100 whose return was declined", (_FOUND, _RETURN_ASKED, _stray("StrayReturnFailed"))),
    Example(
        "Stray of 100 accepted as the payment's",
        (
            _FOUND,
            _stray("StrayAccepted"),
            ("PaymentCaptured", {"object_id": "cap 2", "amount_minor": 10_000, "fee_minor": 300}),
        ),
    ),
    Example(
        "Refund of 40 found otherwise than asked, accepted as the payment's",
        (
            _CAPTURED,
            _OTHER_REFUND,
            _stray("StrayAccepted", 4_000),
            _refund("RefundAdopted", object_id="ref 2"),
        ),
    ),
    Example(
        "Refund of 40 found otherwise than asked, failed later",
        (_OTHER_REFUND, _stray("RefundStrayFailed", 4_000, object_id="ref 2")),
    ),
    Example(
        "Stray of 100 disputed, and won: suspense bears it, not the merchant",
        (
            _FOUND,
            _of_stray("DisputeWithdrawn", 10_000, "dsp 2"),
            _of_stray("DisputeReinstated", 10_000, "dsp 2"),
        ),
    ),
    Example(
        "Stray of 100 reversed, of which 30 are given back",
        (
            _FOUND,
            _of_stray("ReversalReceived", 10_000, "rvl 2"),
            _of_stray("ReversalGivenBack", 3_000, "rvl 2"),
        ),
    ),
    Example(
        "Dispute of 60 lost, and the loss taken back",
        (
            _CAPTURED,
            ("DisputeWithdrawn", {**_DISPUTE, "fee_minor": 0}),
            ("DisputeWrittenOff", _DISPUTE),
            ("DisputeWriteOffReversed", _DISPUTE),
        ),
    ),
)
