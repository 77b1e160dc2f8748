"""Accepts one delivery: verified over its raw bytes, kept, deduplicated, announced; then it may be answered.

An event id that comes again with other bytes is authentic all the same, so it is answered 2xx (a retry would bring
the same bytes) and kept; but it is not believed: it is quarantined, counted for an alarm, and makes the payment
service look the object up, as anything that we cannot read does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from datetime import datetime

from services.webhook_ingest.app.ports import Delivery, IngestUnitOfWork, Source, Verdict
from services.webhook_ingest.domain.reading import read
from shared.kernel.crash_points import crash_point


def authenticate(source: Source, body: bytes, signature: str | None, *, now: datetime) -> Delivery:
    """Return the delivery if its signature is good and it can be read, else raise ``Refused``. No parse before."""
    secret = source.verify(signature, body, source.secrets, now=now)
    return Delivery(
        source=source,
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        signature=signature or "",
        secret_fingerprint=secret.fingerprint,
        reading=read(body, account=source.account, read_event=source.read_event, names=source.names),
    )


def accept_webhook(delivery: Delivery, uow: IngestUnitOfWork) -> Generator[None, None, Verdict]:
    """Keep and announce the delivery once; every later copy changes a counter only. Until the yield it only asks."""
    delivery_id = uow.ids.new("whd_")
    claimed = uow.deliveries.claim(delivery)
    yield
    claim = claimed()
    if claim.is_first:
        verdict = Verdict.ACCEPTED if delivery.reading.fact is not None else Verdict.UNRECOGNISED
    elif claim.same_bytes:
        return Verdict.DUPLICATE
    else:
        verdict = Verdict.QUARANTINED
        if not claim.is_new_conflict:
            return verdict
    uow.deliveries.keep(delivery, delivery_id, verdict)
    if verdict is Verdict.ACCEPTED:
        uow.announcements.fact_received(delivery, delivery_id)
    else:
        uow.announcements.unrecognised(delivery, delivery_id)
    crash_point("webhook.after_insert")
    return verdict


def refuse_webhook(source: str, body: bytes, reason: str, uow: IngestUnitOfWork) -> None:
    """Keep a trace of a delivery that is not taken; nothing else ever happens because of it."""
    uow.deliveries.refuse(source, body, reason)
