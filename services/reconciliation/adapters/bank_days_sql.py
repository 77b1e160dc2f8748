"""Until when a payout has to be on the bank account: business days of its processor, as ``domain/calendars.py`` counts.

A processor without an agreed calendar works from Monday to Friday. Of a bank no calendar is known of its own.
"""

from __future__ import annotations

from typing import Final

from services.reconciliation.domain.calendars import CLOSED_DAYS_MAX, SATURDAY

#: Business days that the bank has after the day on which a payout is expected.
BANK_GRACE_DAYS: Final = 2
_SPAN_DAYS: Final = CLOSED_DAYS_MAX * (BANK_GRACE_DAYS + 1)
_OPEN: Final = f"extract(isodow FROM day) <= {SATURDAY}"

#: To be joined where :func:`late_on` is asked about payouts ``p``.
CALENDAR_OF_PAYOUT: Final = "LEFT JOIN processor_calendars AS cal ON cal.processor = p.processor"


def late_on(due_on: str) -> str:
    """The last day on which a payout that is expected on ``due_on`` is in time; from a closed day on as from the next
    open one.
    """
    return f"""(
    SELECT day FROM (SELECT {due_on} + n AS day FROM generate_series(0, {_SPAN_DAYS}) AS n) AS days
     WHERE {_OPEN} AND day <> ALL (coalesce(cal.holidays, ARRAY[]::date[]))
     ORDER BY day OFFSET {BANK_GRACE_DAYS} LIMIT 1)"""


def in_time_before(day: str) -> str:
    """What was expected until then was late before ``day``, whichever processor's it is: nothing of it becomes late."""
    return f"""coalesce((
    SELECT day FROM (SELECT {day} - n AS day FROM generate_series(1, {_SPAN_DAYS}) AS n) AS days
     WHERE {_OPEN} AND NOT EXISTS (SELECT FROM processor_calendars AS cal WHERE day = ANY (cal.holidays))
     ORDER BY day DESC OFFSET {BANK_GRACE_DAYS} LIMIT 1), {day} - {_SPAN_DAYS})"""
