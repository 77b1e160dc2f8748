"""What the merchant pays: percentage and fixed part, rounded half up, and what a refund gives back of it."""

from dataclasses import dataclass
from enum import StrEnum

PPM = 1_000_000


class RefundPolicy(StrEnum):
    """Whether a refund returns a share of the fee."""

    KEEP = "keep"
    PROPORTIONAL = "proportional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The merchant's price in one currency, as it stood when the payment was created."""

    percent_ppm: int = 0
    fixed_minor: int = 0
    refund_policy: RefundPolicy = RefundPolicy.KEEP
    #: What the merchant pays for a dispute, once, whatever becomes of it.
    dispute_fee_minor: int = 0


FREE = Price()


def round_half_up(numerator: int, denominator: int) -> int:
    """Integer division rounded half up, for non-negative operands."""
    return (2 * numerator + denominator) // (2 * denominator)


def capture_fee_minor(price: Price, amount_minor: int, fixed_minor: int) -> int:
    """Fee of one capture; never more than the capture itself, so that a merchant is never charged by it."""
    fee_minor = round_half_up(amount_minor * price.percent_ppm, PPM) + fixed_minor
    return min(fee_minor, amount_minor)


def fee_returned_minor(
    price: Price,
    *,
    total_fee_minor: int,
    captured_minor: int,
    cumulative_refunded_minor: int,
    returned_minor: int,
) -> int:
    """Share of the fee that a refund gives back: the cumulative share less what was returned already.

    Cumulative over the merchant's own refunds; adopted ones return nothing and are not among them.
    """
    if price.refund_policy is RefundPolicy.KEEP or captured_minor <= 0:
        return 0
    share_minor = round_half_up(total_fee_minor * cumulative_refunded_minor, captured_minor)
    return max(0, min(share_minor, total_fee_minor) - returned_minor)
