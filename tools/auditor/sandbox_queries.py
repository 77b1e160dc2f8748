"""What is read of the outside world: the books of both of the sandbox's processors, side by side."""

from typing import Final


def at_both(table: str) -> str:
    """The rows of both of the sandbox's processors: their tables have one shape."""
    return f"(SELECT * FROM alpha_{table} UNION ALL SELECT * FROM beta_{table}) AS b"


SANDBOX: Final = (
    (
        "book",
        (
            "SELECT payment_id, currency, sum(held_minor)::bigint, sum(captured_minor)::bigint,"
            " sum(refunded_minor)::bigint, sum(withdrawn_minor)::bigint, sum(reversed_minor)::bigint"
            f" FROM {at_both('book_by_payment')} GROUP BY 1, 2"
        ),
    ),
    (
        "book_references",
        (
            # Summed over the processors: an operation that took effect at both took effect twice.
            "SELECT reference, payment_id, currency, sum(authorizations)::bigint, sum(effective_charges)::bigint,"
            " sum(effective_refunds)::bigint, sum(captured_minor)::bigint, sum(refunded_minor)::bigint"
            f" FROM {at_both('book_by_reference')} GROUP BY 1, 2, 3"
        ),
    ),
    (
        "book_objects",
        (
            # A money row's word for what it did, in the words of facts.
            "SELECT id, kind, payment_id, parent_id,"
            " CASE kind || ' ' || status WHEN 'money_row withdrawn' THEN 'opened'"
            " WHEN 'money_row taken' THEN 'succeeded' ELSE status END,"
            " amount_minor, currency, coalesce(captured_minor, 0),"
            f" coalesce(released_minor, 0), coalesce(refunded_minor, 0), reference"
            f" FROM {at_both('objects')}"
        ),
    ),
    (
        "book_keys",
        (
            # What a script does to an object goes under the script's own keys; beta knows none.
            f"SELECT DISTINCT reference, payment_id, kind, sent_under FROM {at_both('book')}"
            " WHERE sent_under IS NOT NULL AND kind IN ('authorized', 'authorization_pending', 'declined',"
            " 'captured', 'capture_pending', 'refunded', 'refund_pending', 'refund_declined')"
        ),
    ),
    ("book_webhooks", f"SELECT event_id, state FROM {at_both('webhooks')}"),
)
