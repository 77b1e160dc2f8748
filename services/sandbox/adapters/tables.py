"""Owns the statements over the sandbox's tables, each of which is one transaction."""

from functools import cache
from typing import Final

OBJECT_COLUMNS: Final = (
    "id, kind, account, payment_method, currency, metadata, payment_id, parent_id, reference, void_reference,"
    " status, amount_minor, captured_minor, released_minor, refunded_minor, decline_code, capture_before,"
    " version, revision, created_at, updated_at, claim"
)

# Everything that one decision changes. A key used before, or room used by another writer first, is a unique
# violation, and then nothing at all is written.
WRITE: Final = f"""
WITH keyed AS (
    INSERT INTO alpha_keys (key, fingerprint, status, body, expires_at)
    SELECT %(key)s::text, %(fingerprint)s::bytea, %(status)s::smallint, %(body)s::bytea,
           %(expires_at)s::timestamptz WHERE %(key)s::text IS NOT NULL
), written AS (
    INSERT INTO alpha_objects ({OBJECT_COLUMNS}, hidden_until)
    SELECT {OBJECT_COLUMNS}, %(hidden_until)s::timestamptz
    FROM jsonb_populate_recordset(NULL::alpha_objects, %(objects)s::jsonb)
    ON CONFLICT (id) DO UPDATE SET
        status = excluded.status, void_reference = excluded.void_reference,
        captured_minor = excluded.captured_minor, released_minor = excluded.released_minor,
        refunded_minor = excluded.refunded_minor,
        decline_code = excluded.decline_code, capture_before = excluded.capture_before,
        version = excluded.version, revision = excluded.revision, updated_at = excluded.updated_at,
        reference = excluded.reference, claim = excluded.claim,
        before = CASE WHEN %(before_until)s::timestamptz IS NULL THEN alpha_objects.before
                      ELSE to_jsonb(alpha_objects.*) - 'before' - 'before_until' END,
        before_until = coalesce(%(before_until)s::timestamptz, alpha_objects.before_until)
), booked AS (
    INSERT INTO alpha_book (kind, object_id, subject_id, subject_revision, account, reference, payment_id,
                            currency, held_minor, captured_minor, refunded_minor, withdrawn_minor,
                            reversed_minor, fee_minor, booked_at, sent_under)
    SELECT kind, object_id, subject_id, subject_revision, account, reference, payment_id,
           currency, held_minor, captured_minor, refunded_minor, withdrawn_minor, reversed_minor, fee_minor,
           booked_at, %(key)s::text
    FROM jsonb_populate_recordset(NULL::alpha_book, %(movements)s::jsonb)
), announced AS (
    INSERT INTO alpha_events (id, type, object_id, created_at, body, in_feed)
    SELECT id, type, object_id, created_at, body, in_feed
    FROM jsonb_populate_recordset(NULL::alpha_events, %(events)s::jsonb)
), queued AS (
    INSERT INTO alpha_webhooks (event_id, due_at, imitation)
    SELECT event_id, due_at, imitation FROM jsonb_populate_recordset(NULL::alpha_webhooks, %(webhooks)s::jsonb)
), timed AS (
    INSERT INTO alpha_timers (action, object_id, due_at)
    SELECT action, object_id, due_at FROM jsonb_populate_recordset(NULL::alpha_timers, %(timers)s::jsonb)
)
DELETE FROM alpha_timers WHERE id = %(finished_timer)s::bigint
"""

LOAD: Final = f"""
SELECT {OBJECT_COLUMNS}, k.fingerprint, k.status, k.body, k.expires_at
FROM (VALUES (%(id)s::text, %(key)s::text)) asked (object_id, asked_key)
LEFT JOIN alpha_objects ON alpha_objects.id = asked.object_id
LEFT JOIN alpha_keys k ON k.key = asked.asked_key
""".replace(" status, amount", " alpha_objects.status, amount")

KEY: Final = "SELECT fingerprint, status, body, expires_at FROM alpha_keys WHERE key = %(key)s"
FORGET_KEY: Final = "DELETE FROM alpha_keys WHERE key = %(key)s AND expires_at <= %(now)s"
STRIKE: Final = """
INSERT INTO alpha_strikes (key, struck_at) VALUES (%(key)s, %(now)s) ON CONFLICT DO NOTHING RETURNING 1
"""
PRUNE: Final = """
WITH keys AS (DELETE FROM alpha_keys WHERE expires_at <= %(now)s)
DELETE FROM alpha_strikes WHERE struck_at <= %(struck_before)s
"""

# What a script wants shown as it was before the last call, and what is shown as it is.
_AS_IT_WAS: Final = """(
    SELECT (jsonb_populate_record(NULL::alpha_objects, before)).* FROM alpha_objects WHERE before_until > %(now)s
) earlier"""
_AS_IT_IS: Final = "(before_until IS NULL OR before_until <= %(now)s)"

LOOK_UP: Final = f"""
SELECT {OBJECT_COLUMNS} FROM alpha_objects
WHERE reference = %(reference)s AND created_at <= %(visible_before)s
  AND (hidden_until IS NULL OR hidden_until <= %(now)s) AND {_AS_IT_IS}
UNION
SELECT {OBJECT_COLUMNS} FROM alpha_objects
WHERE void_reference = %(reference)s AND updated_at <= %(visible_before)s AND {_AS_IT_IS}
UNION
SELECT {OBJECT_COLUMNS} FROM alpha_objects
WHERE kind = 'dispute' AND claim->'answers' ? %(reference)s AND updated_at <= %(visible_before)s AND {_AS_IT_IS}
UNION
SELECT {OBJECT_COLUMNS} FROM {_AS_IT_WAS}
WHERE reference = %(reference)s OR void_reference = %(reference)s
   OR (kind = 'dispute' AND claim->'answers' ? %(reference)s)
ORDER BY id LIMIT %(limit)s
"""

SEEN: Final = f"""
SELECT {OBJECT_COLUMNS} FROM alpha_objects WHERE id = %(id)s AND {_AS_IT_IS}
UNION ALL
SELECT {OBJECT_COLUMNS} FROM {_AS_IT_WAS} WHERE id = %(id)s
"""

# Ordered by writing transaction, and only below the oldest one still running: a page can never skip an event
# that becomes visible later with a smaller place. Named with its table: alone it would be the text that is returned.
FEED: Final = """
SELECT written_by::text, position, convert_to(body, 'UTF8') FROM alpha_events
WHERE (written_by, position) > (%(written_by)s::text::xid8, %(position)s::bigint) AND in_feed
  AND written_by < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY alpha_events.written_by, position LIMIT %(limit)s
"""

DUE_TIMERS: Final = """
SELECT id, action, object_id FROM alpha_timers WHERE due_at <= %(now)s ORDER BY due_at, id LIMIT %(limit)s
"""
# What was kept back from the feed takes its place at the feed's end, as it happens now.
SHOW_EVENT: Final = """
WITH shown AS (
    INSERT INTO alpha_events (id, type, object_id, created_at, body)
    SELECT id || ':shown', type, object_id, %(now)s, body FROM alpha_events WHERE id = %(event_id)s
    ON CONFLICT DO NOTHING
)
DELETE FROM alpha_timers WHERE id = %(timer_id)s
"""
# Everything about a payment that was kept back comes now: webhooks that were lost or wait, objects, feed.
RELEASE: Final = """
WITH of_payment AS (
    SELECT e.id, e.in_feed FROM alpha_events e JOIN alpha_objects o ON o.id = e.object_id
    WHERE o.payment_id = %(payment)s AND e.id NOT LIKE '%%:%%'
), hastened AS (
    UPDATE alpha_webhooks SET due_at = %(now)s
    WHERE state = 'due' AND due_at > %(now)s AND event_id IN (SELECT id FROM of_payment) RETURNING 1
), lost AS (
    INSERT INTO alpha_webhooks (event_id, due_at)
    SELECT id, %(now)s FROM of_payment p
    WHERE %(sends_webhooks)s AND NOT EXISTS (SELECT 1 FROM alpha_webhooks w WHERE w.event_id = p.id) RETURNING 1
), seen AS (
    UPDATE alpha_objects SET hidden_until = NULL, before = NULL, before_until = NULL
    WHERE payment_id = %(payment)s AND (hidden_until > %(now)s OR before_until > %(now)s) RETURNING 1
), shown AS (
    INSERT INTO alpha_events (id, type, object_id, created_at, body)
    SELECT e.id || ':shown', e.type, e.object_id, %(now)s, e.body
    FROM of_payment p JOIN alpha_events e ON e.id = p.id WHERE NOT p.in_feed
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT (SELECT count(*) FROM hastened) + (SELECT count(*) FROM lost), (SELECT count(*) FROM seen),
       (SELECT count(*) FROM shown)
"""
DROP_TIMER: Final = "DELETE FROM alpha_timers WHERE id = %(id)s"

_CLAIM: Final = """
WITH due AS (
    SELECT id FROM alpha_webhooks WHERE {condition}
    ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE alpha_webhooks w SET due_at = %(leased_until)s FROM due, alpha_events e
WHERE w.id = due.id AND e.id = w.event_id
RETURNING w.id, w.event_id, convert_to(e.body, 'UTF8'), w.attempts, w.imitation
"""
CLAIM_DUE: Final = _CLAIM.format(condition="state = 'due' AND due_at <= %(now)s")
CLAIM_EVENTS: Final = _CLAIM.format(condition="state = 'due' AND event_id = ANY(%(event_ids)s)")

RECORD: Final = """
WITH sent AS (
    UPDATE alpha_webhooks SET state = 'sent', attempts = attempts + 1, finished_at = %(now)s
    WHERE id = ANY(%(sent)s)
), given_up AS (
    UPDATE alpha_webhooks SET state = 'given_up', attempts = attempts + 1, finished_at = %(now)s
    WHERE id = ANY(%(given_up)s)
)
UPDATE alpha_webhooks w SET attempts = w.attempts + 1, due_at = r.due_at
FROM unnest(%(retry)s::bigint[], %(retry_at)s::timestamptz[]) r (id, due_at) WHERE w.id = r.id
"""


@cache
def named(statement: str, processor: str) -> str:
    """Return the statement over another processor's tables: each has its own, and all have alpha's shape."""
    return statement.replace("alpha_", f"{processor}_")
