"""Capture an authorization, whole or in part."""

from datetime import datetime
from typing import Final

from services.sandbox.app import parsing, rendering
from services.sandbox.app.perform import Command
from services.sandbox.domain import authorizations
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.objects import Authorization, Effect, ProcessorObject
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids

FIELDS: Final = frozenset({"amount", "reference", "final"})


def capture_command(authorization_id: str, raw: bytes, *, key: str, ids: Ids, path: str) -> Command:
    """Read the request; the effect is decided on the authorization as it is then."""
    body = parsing.read_body(raw, FIELDS)
    amount_minor, final = parsing.amount(body), parsing.flag(body, "final")
    reference = parsing.text(body, "reference")

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        if not isinstance(parent, Authorization):
            raise Rejected("not_found", "No such authorization.", status=404)
        return authorizations.capture(
            parent, amount_minor, reference=reference, final=final, capture_id=ids.new("cap_"), now=now
        )

    return Command(
        operation=Operation.CAPTURE,
        key=key,
        fingerprint=parsing.fingerprint(path, body),
        parent_id=authorization_id,
        payment_method=None,
        decide=decide,
        reference=reference,
        render=lambda effect: (rendering.HTTP_CREATED, rendering.object_body(effect.result)),
    )
