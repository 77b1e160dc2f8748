"""What is at risk is before people: more given back than there was, anew wherever it had gone since they looked; and what
somebody claims is not sent back as well.

Worked out from what was announced, event by event, and not from what the services keep.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

Rows = Callable[..., list[tuple[Any, ...]]]
_ROOM: Mapping[str, int] = {
    "PaymentCaptured.v1": 1,
    "RefundRequested.v1": -1,
    "RefundFailed.v1": 1,
    "RefundAdopted.v1": -1,
    "ReversalReceived.v1": -1,
    "ReversalGivenBack.v1": 1,
}
"""What leaves a capture more to give, or less."""
_TOLD = """
SELECT key, cause_id, event_time, event_type, (data->>'amount_minor')::bigint, data->>'charged_to' FROM (
  SELECT key, cause_id, event_time, event_type, stream_version, convert_from(payload, 'UTF8')::jsonb AS data
    FROM outbox WHERE topic = 'payment.events') AS told
 ORDER BY key, stream_version
"""
_CASES = """
SELECT payment_id, opened_at, closed_at FROM cases WHERE reason = 'refunds_exceed_captured' ORDER BY 1, 2
"""
_OVERPAID = """
SELECT d.object_id, d.reinstated_minor - d.withdrawn_minor FROM disputes AS d
 WHERE d.status IN ('won', 'lost', 'accepted') AND d.withdrawn_minor > 0 AND d.reinstated_minor > d.withdrawn_minor
   AND NOT EXISTS (
     SELECT FROM cases AS c
      WHERE c.payment_id = d.payment_id AND c.reason = 'reinstated_too_much' AND c.subject = d.object_id
        AND (c.closed_at IS NOT NULL OR c.exposure_minor = d.reinstated_minor - d.withdrawn_minor))
 ORDER BY 1
"""
_SENT_ALTHOUGH_CLAIMED = """
WITH claimed AS (
  SELECT key AS payment_id, cause_id, event_time AS at, convert_from(payload, 'UTF8')::jsonb->>'stray_id' AS stray_id
    FROM outbox WHERE event_type = 'DisputeOpened.v1' AND convert_from(payload, 'UTF8')::jsonb->>'stage' = 'dispute'),
withdrawn AS (
  SELECT cause_id, event_time AS at, convert_from(payload, 'UTF8')::jsonb->>'operation_id' AS operation_id
    FROM outbox WHERE event_type = 'WithdrawOperation.v1')
SELECT o.operation_id, o.stray_id FROM claimed AS c JOIN operations AS o USING (stray_id)
 WHERE o.type = 'stray_return' AND o.created_at < c.at
   AND NOT EXISTS (SELECT FROM status_history AS h
                    WHERE h.subject_id = o.operation_id AND h.to_state NOT IN ('REQUESTED', 'SENT', 'UNCERTAIN')
                      AND h.at <= c.at)
   AND NOT EXISTS (SELECT FROM withdrawn AS w
                    WHERE w.operation_id = o.operation_id AND (w.cause_id = c.cause_id OR w.at < c.at
                       OR (w.at = c.at AND w.cause_id IN (
                           SELECT same.cause_id FROM claimed AS same WHERE same.stray_id = c.stray_id))))
 ORDER BY 1
"""


def returned_though_claimed(rows: Rows) -> Iterator[str]:
    """Returns not known to have arrived, tried or not, when a dispute claimed the money, and that nobody tried to stop."""
    for operation, stray in rows(_SENT_ALTHOUGH_CLAIMED):
        yield f"{stray} was claimed before {operation} sent it back, which nobody withdrew"


def unseen_overpayments(rows: Rows) -> Iterator[str]:
    """Disputes that are over and of which more came back than was taken, and nobody was asked about just that."""
    for dispute, over_minor in rows(_OVERPAID):
        yield f"{over_minor} of {dispute} came back too much, and nobody was asked"


def unseen_risks(rows: Rows) -> Iterator[str]:
    """Payments whose one capture gave more than it had, more than when somebody last looked, and nobody was asked."""
    opened: dict[str, list[tuple[datetime, datetime | None]]] = {}
    for payment, opened_at, closed_at in rows(_CASES):
        opened.setdefault(payment, []).append((opened_at, closed_at))
    for payment, told in groupby(rows(_TOLD), key=lambda row: row[0]):
        events = list(told)
        kinds = [event_type for _, _, _, event_type, *_ in events]
        if kinds.count("PaymentCaptured.v1") != 1 or "DisputeOpened.v1" in kinds:
            continue  # whose room is whose would have to be worked out as the service does
        yield from _unseen(payment, _over(events), opened.get(payment, []))


def _over(events: list[tuple[Any, ...]]) -> list[tuple[datetime, int]]:
    """How much too much was given back after each thing that happened."""
    room_minor, over = 0, []
    for (_, at), together in groupby(events, key=lambda row: (row[1], row[2])):
        for _, _, _, event_type, amount_minor, charged_to in together:
            if event_type in _ROOM and charged_to != "suspense":
                room_minor += _ROOM[event_type] * amount_minor
        over.append((at, max(-room_minor, 0)))
    return over


def _unseen(
    payment: str, over: list[tuple[datetime, int]], cases: list[tuple[datetime, datetime | None]]
) -> Iterator[str]:
    least_minor = 0
    """The least since somebody looked, or since the beginning."""
    for number, (at, over_minor) in enumerate(over):
        before = over[number - 1][0] if number else at
        if any(closed_at is not None and before < closed_at <= at for _, closed_at in cases):
            least_minor = over[number - 1][1]
        asked = any(
            opened_at <= at and (closed_at is None or closed_at > at) for opened_at, closed_at in cases
        )
        if over_minor > least_minor and not asked:
            yield f"{payment} gave back {over_minor} too much, {least_minor} of it seen, and nobody was asked"
        if not asked:
            least_minor = min(least_minor, over_minor)
