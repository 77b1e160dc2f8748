"""What the terms of one world demand of each operation, by other code than that which decides: risk asked where it must
be, nothing let go by whom it may not, every authorization where the routes of its time send it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from tests.simulation.circumstances import Circumstances

Rows = Callable[..., list[tuple[Any, ...]]]
_KIND = "CASE WHEN type = 'authorize' AND capture THEN 'sale' ELSE type END"
_ASKED = f"""
SELECT operation_id, payment_id, {_KIND}, amount_minor, created_at, risk, risk_by, risk_proposed_by, risk_approved_by
  FROM operations WHERE type IN ('authorize', 'capture') ORDER BY payment_id, number
"""
_AUTHORIZED = """
SELECT o.operation_id, o.processor, p.merchant_id, p.currency, o.created_at FROM operations AS o
  JOIN payments AS p USING (payment_id) WHERE o.type = 'authorize' ORDER BY o.operation_id
"""
_ROUTES = "SELECT merchant_id, currency, processor, valid_from FROM routes ORDER BY valid_from, route_id"
_ELSEWHERE = """
SELECT o.operation_id, o.processor, b.processor FROM operations AS o JOIN processor_objects AS b USING (operation_id)
 WHERE b.processor <> o.processor ORDER BY 1
"""


def broken_terms(drawn: Circumstances, rows: Rows) -> Iterator[str]:
    """Operations of a world in which risk is required that went another way than its terms say."""
    small_minor = {
        kind: int(limit)
        for kind, _, limit in (pair.partition("=") for pair in drawn.risk_small_minor.split(","))
    }
    judged_at: dict[str, datetime] = {}
    for operation_id, payment_id, kind, amount_minor, created_at, risk, by, first, second in rows(_ASKED):
        if risk is None:
            stale_s = (created_at - judged_at[payment_id]).total_seconds() if payment_id in judged_at else 0.0
            if kind != "capture" or stale_s > drawn.risk_recheck_after_s:
                yield f"{operation_id} ({kind}) was never judged, {stale_s:.1f} s after the last judgement"
            continue
        judged_at[payment_id] = created_at
        if by == "deadline" and risk == "ALLOWED" and amount_minor > small_minor[kind]:
            yield f"{operation_id} ({kind} of {amount_minor}) went through without a decision"
        if (
            by == "operator"
            and risk == "ALLOWED"
            and kind != "authorize"
            and (None in (first, second) or first == second)
        ):
            yield f"{operation_id} ({kind}) was let go by {first} and {second}, not by two people"


def misrouted(default: str, rows: Rows) -> Iterator[str]:
    """Authorizations that went where no rule of their time sends them, and objects found where nobody asked."""
    routes = rows(_ROUTES)
    for operation_id, processor, merchant_id, currency, created_at in rows(_AUTHORIZED):
        newest = {(m, c): goes_to for m, c, goes_to, valid_from in routes if valid_from <= created_at}
        wanted = next(
            (
                newest[pair]
                for pair in ((merchant_id, currency), (merchant_id, ""), ("", currency), ("", ""))
                if newest.get(pair) is not None
            ),
            default,
        )
        if processor != wanted:
            yield f"{operation_id} went to {processor}, its rules say {wanted}"
    for operation_id, asked, found in rows(_ELSEWHERE):
        yield f"{operation_id} was asked of {asked} and is known from {found}"
