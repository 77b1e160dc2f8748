"""What is at risk by what was announced, and whether somebody was asked about it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.simulation.at_risk import unseen_risks

CAPTURED, REFUNDED = ("PaymentCaptured.v1", 100, None), ("RefundRequested.v1", 60, None)
TAKEN, GIVEN = ("ReversalReceived.v1", 100, "merchant"), ("ReversalGivenBack.v1", 100, "merchant")


def _at(second):
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def _unseen(told, cases):
    """What is found where these things were announced, a second apart, and such cases opened and closed."""
    events = [("pay_1", f"evt_{n}", _at(n), *event) for n, event in enumerate(told)]
    opened = [("pay_1", _at(begin), None if end is None else _at(end)) for begin, end in cases]
    return list(unseen_risks(lambda query: opened if "FROM cases" in query else events))


@pytest.mark.parametrize(
    ("told", "cases", "unseen"),
    [
        ([CAPTURED, REFUNDED, GIVEN], [], 0),
        ([CAPTURED, REFUNDED, TAKEN], [], 1),
        ([CAPTURED, REFUNDED, TAKEN], [(2, None)], 0),
        ([CAPTURED, REFUNDED, TAKEN, REFUNDED], [(2, 2.5)], 1),
        ([CAPTURED, REFUNDED, TAKEN, GIVEN, TAKEN], [(2, None)], 0),
        ([CAPTURED, REFUNDED, TAKEN, GIVEN, TAKEN], [(2, 2.5)], 1),
        ([CAPTURED, REFUNDED, TAKEN, GIVEN, TAKEN], [(2, 2.5), (4, None)], 0),
        ([CAPTURED, REFUNDED, TAKEN, GIVEN, TAKEN], [(2, 3.5), (4, None)], 0),
        ([CAPTURED, CAPTURED, REFUNDED, TAKEN], [], 0),
        ([CAPTURED, ("ReversalReceived.v1", 100, "suspense"), REFUNDED], [], 0),
    ],
)
def test_what_is_at_risk_anew_is_before_a_person(told, cases, unseen):
    assert len(_unseen(told, cases)) == unseen
