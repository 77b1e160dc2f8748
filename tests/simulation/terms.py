"""What the terms of one world demand, by other code than that which decides: risk asked where it must be, nothing let go
by whom it may not, every authorization where the routes of its time send it, strays given back by policy where it
may, and months closed by two people.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from tests.simulation.circumstances import Circumstances

Rows = Callable[..., list[tuple[Any, ...]]]
REFUSED_UNSENT = frozenset({"BLOCKED", "WITHDRAWN"})
"""Whatever is asked for later was asked for when this was over already, and may not rest on it."""
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

_BY_POLICY = """
SELECT DISTINCT s.stray_id, s.mismatch, s.found_at, o.created_at FROM status_history AS h
  JOIN operations AS o ON o.operation_id = h.subject_id JOIN strays AS s USING (stray_id)
 WHERE h.cause_id = 'policy:stray_returns' ORDER BY 1, 4
"""
_LEFT = """
SELECT stray_id FROM strays AS s
 WHERE kind IN ('money', 'hold') AND NOT mismatch AND NOT released AND NOT accepted AND taken_back_minor = 0
   AND returned_minor = 0 AND NOT EXISTS (SELECT FROM operations AS o WHERE o.stray_id = s.stray_id)
   AND NOT EXISTS (SELECT FROM disputes AS d WHERE d.stray_id = s.stray_id)
"""
_CLOSES = """
SELECT c.period, p.state, p.proposed_by, p.decided_by, c.ends_at, c.closed_at, s.period FROM closed_periods AS c
  LEFT JOIN period_closes AS p USING (close_id) LEFT JOIN close_signatures AS s ON s.period = c.period ORDER BY 1
"""
_AT_THE_BOUNDARY = """
SELECT j.journal_id, j.effective_at, j.booked_at, l.told_effective_at, c.ends_at, c.closed_at FROM closed_periods AS c
  JOIN journals AS j ON j.effective_at <= c.ends_at LEFT JOIN late_journals AS l ON l.journal_position = j.position
 ORDER BY 1
"""
_OWN = """
WITH own AS (
  SELECT o.* FROM operations AS o WHERE o.type = 'capture' OR (o.type = 'authorize' AND (
         NOT EXISTS (SELECT FROM operations AS n
                      WHERE n.payment_id = o.payment_id AND n.type = 'authorize' AND n.number > o.number)
      OR EXISTS (SELECT FROM processor_objects AS b WHERE b.operation_id = o.operation_id AND b.counted_minor > 0)))),
"""
"""What a payment has its hold and its money by: an authorization before the last one only where its money counts."""
_DENIED_TOO_LATE = f"""{_OWN}denied AS (
  SELECT DISTINCT ON (payment_id) payment_id, operation_id, number, risk FROM own
   WHERE risk IN ('DENIED', 'BLOCKED') ORDER BY payment_id, number DESC)
SELECT d.operation_id, p.status, p.captured_minor,
       EXISTS (SELECT FROM operations AS c WHERE c.payment_id = d.payment_id AND c.type = 'cancel' AND c.number > d.number),
       EXISTS (SELECT FROM cases AS k WHERE k.payment_id = d.payment_id AND k.reason = 'risk_denied_late')
  FROM denied AS d JOIN payments AS p USING (payment_id)
 WHERE d.risk = 'DENIED' AND NOT EXISTS (
       SELECT FROM operations AS u WHERE u.payment_id = d.payment_id AND u.type IN ('authorize', 'capture', 'cancel')
          AND u.state NOT IN ('SUCCEEDED', 'DECLINED', 'ABANDONED', 'FAILED_LATER'))
 ORDER BY 1
"""
_NOT_DENIED = f"""{_OWN}denied AS (
  SELECT payment_id FROM own WHERE risk IN ('DENIED', 'BLOCKED'))
SELECT p.payment_id, p.released_reason = 'risk',
       EXISTS (SELECT FROM cases AS k WHERE k.payment_id = p.payment_id AND k.reason = 'risk_denied_late')
  FROM payments AS p WHERE p.payment_id NOT IN (SELECT payment_id FROM denied) ORDER BY 1
"""


def _kept_though_denied(rows: Rows) -> Iterator[str]:
    """Holds that nobody gave back, and money that no person was asked about, though risk said no in the end."""
    for operation_id, status, captured_minor, voided, asked in rows(_DENIED_TOO_LATE):
        if status == "AUTHORIZED" and not captured_minor and not voided:
            yield f"{operation_id} was denied, and what it holds was never given back"
        if captured_minor and not asked:
            yield f"{operation_id} was denied, and nobody was asked about the {captured_minor} that were taken"


def _lost_though_allowed(rows: Rows) -> Iterator[str]:
    """Holds given back, and money put before a person, for a denial of what neither came from."""
    for payment_id, given_back, asked in rows(_NOT_DENIED):
        if given_back or asked:
            what = "given back" if given_back else "put before a person"
            yield f"{payment_id} was {what} for risk, which denied nothing that it has"


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
        if risk not in REFUSED_UNSENT:
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
    yield from _kept_though_denied(rows)
    yield from _lost_though_allowed(rows)


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


def left_by_policy(drawn: Circumstances, rows: Rows) -> Iterator[str]:
    """Strays that the automatic policy has not come to yet: nobody else would."""
    if drawn.stray_policy == "automatic":
        yield from (f"payment: stray waits for the policy: {stray_id}" for (stray_id,) in rows(_LEFT))


def wrong_returns(drawn: Circumstances, rows: Rows) -> Iterator[str]:
    """What was given back by a policy that is not in force, too early, twice, or though it is a person's to decide."""
    tried: set[str] = set()
    for stray_id, mismatch, found_at, asked_at in rows(_BY_POLICY):
        if stray_id in tried:
            yield f"{stray_id} was given back by policy once more"
        tried.add(stray_id)
        lay_s = (asked_at - found_at).total_seconds()
        if drawn.stray_policy != "automatic" or mismatch or lay_s < drawn.stray_return_after_s:
            yield f"{stray_id} (mismatch: {mismatch}) was given back by policy after {lay_s:.1f} s"


def wrong_closes(rows: Rows) -> Iterator[str]:
    """Months that one person closed, or nobody signed, or too early; and journals that are not where they belong."""
    for period, state, proposed_by, decided_by, ends_at, closed_at, signed in rows(_CLOSES):
        if state != "APPROVED" or None in (proposed_by, decided_by) or proposed_by == decided_by:
            yield f"{period} was closed by {proposed_by} and {decided_by}, and is {state}"
        if closed_at < ends_at or signed is None:
            yield f"{period} was closed at {closed_at} and signed: {signed is not None}"
    for journal_id, effective_at, booked_at, told_at, ends_at, closed_at in rows(_AT_THE_BOUNDARY):
        late = booked_at > closed_at
        if late != (effective_at == ends_at and told_at is not None and told_at < ends_at):
            yield f"{journal_id} booked {booked_at} takes effect {effective_at}, told as of {told_at}"
