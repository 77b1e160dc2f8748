"""What plain models expect of the books, line by line, and the sums that tests compare."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

PROCESSOR = "alpha:acct_alpha"
OF_MERCHANT = ("merchant_pending", "merchant_available", "merchant_held", "refunds_in_flight")
OF_PROCESSOR = (
    "processor_receivable", "disputed", "in_doubt_in", "in_doubt_out", "in_doubt_contra", "bank_clearing",
    "processor_fees", "processor_reserve",
)  # fmt: skip
#: What has to return to zero, and for what: the object at the processor, the refund, the stray, the operation.
KEYED_BY = {
    "processor_receivable": "object", "disputed": "object", "merchant_held": "object",
    "refunds_in_flight": "refund", "suspense": "stray", "in_doubt_in": "operation", "in_doubt_out": "operation",
    "in_doubt_contra": "operation", "bank_clearing": "payout",
}  # fmt: skip


class Line(NamedTuple):
    """One fact on one account, for one key."""

    fact: str
    family: str
    owner: str
    currency: str
    key: str | None


def lines_of(histories):
    """Every line of several models that does not come to zero."""
    total = Counter()
    for history in histories:
        total.update(history.expected)
    return {line: net for line, net in total.items() if net}


def summed(lines, *names):
    """Those by these parts of a line, without the zeros."""
    total = Counter()
    for line, net in lines.items():
        total[tuple(getattr(line, name) for name in names)] += net
    return {parts: net for parts, net in total.items() if net}


def open_of(histories):
    """What has not returned to zero, by family, currency and key: claims of a line under what it was matched to."""
    total = Counter()
    for history in histories:
        total.update(getattr(history, "cleared", history.expected))
    keyed = {line: net for line, net in total.items() if line.key is not None}
    return summed(keyed, "family", "currency", "key")


def by_account(lines):
    return summed(lines, "family", "owner", "currency")
