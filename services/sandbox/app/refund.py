"""Refund a capture, whole or in part."""

from datetime import datetime
from typing import Final

from services.sandbox.app import parsing, rendering
from services.sandbox.app.perform import Command
from services.sandbox.domain import captures
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.objects import Capture, Effect, ProcessorObject
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids

FIELDS: Final = frozenset({"amount", "reference"})


def refund_command(capture_id: str, raw: bytes, *, key: str, ids: Ids, path: str) -> Command:
    """Read the request; the effect is decided on the capture as it is then."""
    body = parsing.read_body(raw, FIELDS)
    amount_minor, reference = parsing.amount(body), parsing.text(body, "reference")

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        if not isinstance(parent, Capture):
            raise Rejected("not_found", "No such capture.", status=404)
        return captures.refund(parent, amount_minor, reference=reference, refund_id=ids.new("ref_"), now=now)

    return Command(
        operation=Operation.REFUND,
        key=key,
        fingerprint=parsing.fingerprint(path, body),
        parent_id=capture_id,
        payment_method=None,
        decide=decide,
        reference=reference,
        render=lambda effect: (rendering.HTTP_CREATED, rendering.object_body(effect.result)),
    )
