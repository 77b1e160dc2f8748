"""Months and what is late, without a database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.periods import in_open_period
from services.ledger.tests.memory_books import MemoryBooks
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Rejected
from shared.kernel.months import Month, check_next

TIMES = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    "text", ["2024-13", "2024-00", "2024-1", "24-01", "2024-01-01", "", "1969-12", "２０２４-01"]
)
def test_what_is_no_month_is_refused(text):
    with pytest.raises(Rejected, match="period_invalid"):
        Month.read(text)


def test_months_follow_each_other_over_the_year():
    december = Month.read("2024-12")
    assert str(december.next) == "2025-01"
    assert (december.starts_at, december.ends_at) == (
        datetime(2024, 12, 1, tzinfo=UTC),
        datetime(2025, 1, 1, tzinfo=UTC),
    )
    assert Month.starting_at(datetime(2024, 12, 31, 23, 59, tzinfo=UTC)) == december


def test_a_month_is_over_when_the_next_has_begun():
    month = Month.read("2024-07")
    check_next(month, None, month.ends_at)
    check_next(month, month.starts_at, month.ends_at)


def captured(at):
    books, payment = MemoryBooks(), Payment(1)
    fields = {
        name: getattr(payment.captured(10_000), name) for name in payment.captured(10_000).__struct_fields__
    }
    (journal,) = books.post("PaymentCaptured", fields, at)
    return journal


@given(first=TIMES, second=TIMES, opens_at=TIMES)
def test_what_is_late_takes_effect_when_the_books_open_and_no_order_is_turned_round(first, second, opens_at):
    earlier, later = sorted([first, second])
    one, other = (in_open_period(captured(at), opens_at) for at in (earlier, later))
    assert one.effective_at <= other.effective_at
    for told, booked in ((earlier, one), (later, other)):
        assert booked.told_at == told
        assert (booked.told_effective_at is None) is (told >= opens_at)
        assert booked.effective_at == max(told, opens_at)


def test_where_nothing_is_closed_nothing_is_late():
    journal = captured(datetime(2024, 7, 1, tzinfo=UTC))
    assert in_open_period(journal, None) is journal
