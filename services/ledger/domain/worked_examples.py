"""Worked examples of the posting rules: events in, journals and balances out, booked by the rules themselves.

They stand in ``docs/posting-rules.md`` for people; being computed, they cannot say anything else than the table does.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from services.ledger.domain.chart import FAMILIES, Side, balance_on_normal_side
from services.ledger.domain.journal import Cause, Journal
from services.ledger.domain.posting import journals_for

Fields = Mapping[str, Any]
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_PAYMENT: Final[Fields] = {
    "payment_id": "pay",
    "merchant_id": "mer",
    "currency": "EUR",
    "processor": "alpha",
    "account": "acct",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A life told in events; amounts in minor units."""

    title: str
    told: tuple[tuple[str, Fields], ...]


def _captured(amount_minor: int, fee_minor: int) -> tuple[str, Fields]:
    return "PaymentCaptured", {"object_id": "cap", "amount_minor": amount_minor, "fee_minor": fee_minor}


def _dispute(event_type: str, amount_minor: int, **more: int) -> tuple[str, Fields]:
    return event_type, {
        "object_id": "dsp",
        "dispute_id": "dp",
        "charged_to": "merchant",
        "amount_minor": amount_minor,
    } | more


def _reversal(event_type: str, amount_minor: int) -> tuple[str, Fields]:
    return event_type, {
        "object_id": "rvl",
        "reversal_id": "rvs",
        "charged_to": "merchant",
        "amount_minor": amount_minor,
    }


EXAMPLES: Final[tuple[Example, ...]] = (
    Example(
        "Capture of 100 with a fee of 3; refund of 40; dispute of 60 with a fee of 15, lost",
        (
            _captured(10_000, 300),
            ("RefundRequested", {"refund_id": "re", "amount_minor": 4_000, "fee_returned_minor": 0}),
            ("RefundSucceeded", {"refund_id": "re", "object_id": "ref", "amount_minor": 4_000}),
            _dispute("DisputeWithdrawn", 6_000, fee_minor=1_500),
            _dispute("DisputeWrittenOff", 6_000),
        ),
    ),
    Example(
        "Dispute of 60 won",
        (
            _captured(10_000, 0),
            _dispute("DisputeWithdrawn", 6_000, fee_minor=0),
            _dispute("DisputeReinstated", 6_000, held_minor=6_000),
        ),
    ),
    Example(
        "Dispute of 60 lost, 20 reinstated after the loss",
        (
            _captured(10_000, 0),
            _dispute("DisputeWithdrawn", 6_000, fee_minor=0),
            _dispute("DisputeWrittenOff", 6_000),
            _dispute("DisputeReinstated", 2_000, held_minor=0),
        ),
    ),
    Example(
        "Reversal of 100, of which 30 are given back",
        (
            _captured(10_000, 0),
            _reversal("ReversalReceived", 10_000),
            _reversal("ReversalGivenBack", 3_000),
        ),
    ),
)


class _Nothing:
    """Books in which nothing is reversed."""

    def find(self, payment_id: str, rule: str, subject: str) -> Journal | None:
        """The examples reverse nothing."""
        del payment_id, rule, subject
        return None


def booked(example: Example) -> list[Journal]:
    """The example's journals, in order."""
    numbers = itertools.count(1)
    journals: list[Journal] = []
    for event_type, fields in example.told:
        number = next(numbers)
        whole = {**_PAYMENT, "fact_key": f"fact {number}", **fields}
        cause = Cause(event_id=f"event {number}", event_type=event_type, version=1)
        journals += journals_for(cause, whole, _AT, _Nothing(), lambda: f"journal {next(numbers)}")
    return journals


def balances(journals: list[Journal]) -> dict[str, int]:
    """What stands on each family at the end, on its normal side, without the zeros."""
    total: Counter[str] = Counter()
    for entry in (entry for journal in journals for entry in journal.entries):
        debit, credit = (entry.amount_minor, 0) if entry.side is Side.DEBIT else (0, entry.amount_minor)
        total[entry.account.family] += balance_on_normal_side(entry.account.family, debit, credit)
    return {family: minor for family, minor in total.items() if minor}


def render_examples() -> Iterator[str]:
    """The examples as Markdown."""
    yield "## Worked examples\n"
    yield "Amounts in minor units. Booked by the rules above when this page is generated."
    for example in EXAMPLES:
        journals = booked(example)
        yield f"\n### {example.title}\n"
        yield "| event | Dr | Cr |"
        yield "|---|---|---|"
        for journal in journals:
            yield f"| `{journal.cause.event_type}` | {_side(journal, Side.DEBIT)} | {_side(journal, Side.CREDIT)} |"
        left = ", ".join(f"{FAMILIES[name].symbol} {minor}" for name, minor in balances(journals).items())
        yield f"\nAt the end, on the normal sides: {left}."


def _side(journal: Journal, side: Side) -> str:
    return "; ".join(
        f"{FAMILIES[entry.account.family].symbol} {entry.amount_minor}"
        for entry in journal.entries
        if entry.side is side
    )
