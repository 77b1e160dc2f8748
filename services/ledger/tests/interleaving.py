"""Every order that the consumer allows: each stream in its own order, all of them mixed, anything told again."""

from __future__ import annotations

from dataclasses import replace

from services.ledger.tests import report
from services.ledger.tests.histories import histories
from services.ledger.tests.report_histories import ReportHistory
from services.ledger.tests.streams import Keyed

PAYMENTS, REPORTS = 4, 2
TOLD_AGAIN = 0.25


def wide(count):
    """Steps of stories in which every kind of event comes, if there are enough of them."""
    return [(nth % (PAYMENTS + REPORTS), nth * 7_919, 1 + nth * 31) for nth in range(count)]


def stories(steps, first=1):
    """Payments, and reports and banks that speak of them, told so far as ``steps`` say: (which, choice, amount)."""
    payments = histories(PAYMENTS, first)
    objects = [history.payment for history in payments]
    reports = [ReportHistory(f"{first}-{nth}-", objects, asks=True) for nth in range(REPORTS)]
    for which, choice, amount_minor in steps:
        if which < PAYMENTS:
            payments[which].step(choice, amount_minor)
        else:
            reports[which - PAYMENTS].step(choice, amount_minor, amount_minor % 1_000_003)
    return [*payments, *reports]


def streams_of(every):
    """What each stream brings, in its order."""
    streams = {}
    for history in every:
        for nth, event in enumerate(history.told):
            keyed = Keyed(event, event.payment_id) if hasattr(history, "payment") else report.on_stream(event)
            keyed = replace(keyed, event_id=getattr(history, "event_ids", {}).get(nth))
            streams.setdefault(keyed.key, []).append(keyed)
    return streams


def interleaved(streams, order):
    """Everything, once in a stream's order, and now and then something of before: (event, whether it is new)."""
    waiting, gone = {key: list(told) for key, told in streams.items()}, []
    while waiting:
        if gone and order.random() < TOLD_AGAIN:
            yield order.choice(gone), False
            continue
        key = order.choice(sorted(waiting))
        gone.append(waiting[key].pop(0))
        if not waiting[key]:
            del waiting[key]
        yield gone[-1], True
