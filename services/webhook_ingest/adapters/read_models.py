"""The queries behind the operator API; they change nothing."""

from __future__ import annotations

import base64
from typing import Any

import sqlalchemy as sa

from services.webhook_ingest.adapters.tables import DELIVERIES, DELIVERY_BODIES, DELIVERY_CLAIMS


def delivery_with_body(connection: sa.Connection, delivery_id: str) -> dict[str, Any] | None:
    """Return one delivery, how often it came, and its bytes while they are kept."""
    same_event = [
        DELIVERY_CLAIMS.c[name] == DELIVERIES.c[name]
        for name in ("processor", "account", "processor_event_id")
    ]
    query = (
        sa.select(DELIVERIES, DELIVERY_BODIES.c.body, DELIVERY_CLAIMS.c.times_seen)
        .join(DELIVERY_CLAIMS, sa.and_(*same_event))
        .outerjoin(DELIVERY_BODIES, DELIVERY_BODIES.c.delivery_id == DELIVERIES.c.delivery_id)
        .where(DELIVERIES.c.delivery_id == delivery_id)
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    body = row["body"]
    return {**_shown(row), "body_base64": None if body is None else base64.b64encode(body).decode()}


def list_deliveries(
    connection: sa.Connection, *, verdict: str | None, payment_id: str | None, before: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return deliveries, newest first, without their bytes."""
    query = sa.select(DELIVERIES).order_by(DELIVERIES.c.delivery_id.desc()).limit(limit)
    if verdict is not None:
        query = query.where(DELIVERIES.c.verdict == verdict)
    if payment_id is not None:
        query = query.where(DELIVERIES.c.payment_id == payment_id)
    if before is not None:
        query = query.where(DELIVERIES.c.delivery_id < before)
    return [_shown(row) for row in connection.execute(query).mappings()]


def _shown(row: sa.RowMapping) -> dict[str, Any]:
    # Plain names: the library's own kind of text is no JSON key.
    shown = {str(name): value for name, value in row.items() if name != "body"}
    return shown | {"body_sha256": bytes(row["body_sha256"]).hex()}
