"""Fees: percentage and fixed part, rounded half up, and what a refund gives back."""

from __future__ import annotations

import pytest

from services.payment.domain.pricing import Price, RefundPolicy, capture_fee_minor, fee_returned_minor


@pytest.mark.parametrize(
    ("amount_minor", "percent_ppm", "fixed_minor", "fee_minor"),
    [(100, 5_000, 0, 1), (99, 5_000, 0, 0), (100, 29_000, 30, 33), (10, 0, 30, 10), (1, 500_000, 0, 1)],
)
def test_a_fee_is_rounded_half_up_and_never_exceeds_its_capture(
    amount_minor: int, percent_ppm: int, fixed_minor: int, fee_minor: int
) -> None:
    assert capture_fee_minor(Price(percent_ppm=percent_ppm), amount_minor, fixed_minor) == fee_minor


def test_a_proportional_policy_returns_the_whole_fee_over_all_refunds() -> None:
    price = Price(refund_policy=RefundPolicy.PROPORTIONAL)
    returned = 0
    for refunded in (33, 66, 100):
        returned += fee_returned_minor(
            price,
            total_fee_minor=7,
            captured_minor=100,
            cumulative_refunded_minor=refunded,
            returned_minor=returned,
        )
    assert returned == 7


def test_a_keeping_policy_returns_nothing() -> None:
    back = fee_returned_minor(
        Price(), total_fee_minor=7, captured_minor=100, cumulative_refunded_minor=100, returned_minor=0
    )
    assert back == 0
