"""Void an authorization: give back what is left of the hold."""

from datetime import datetime
from typing import Final

from services.sandbox.app import parsing, rendering
from services.sandbox.app.perform import Command
from services.sandbox.domain import authorizations
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.objects import Authorization, Effect, ProcessorObject
from shared.kernel.errors import Rejected

FIELDS: Final = frozenset({"reference"})


def void_command(authorization_id: str, raw: bytes, *, key: str, path: str) -> Command:
    """Read the request; the effect is decided on the authorization as it is then."""
    body = parsing.read_body(raw, FIELDS)
    void_reference = parsing.text(body, "reference")

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        if not isinstance(parent, Authorization):
            raise Rejected("not_found", "No such authorization.", status=404)
        return authorizations.void(parent, reference=void_reference, now=now)

    return Command(
        operation=Operation.VOID,
        key=key,
        fingerprint=parsing.fingerprint(path, body),
        parent_id=authorization_id,
        payment_method=None,
        decide=decide,
        reference=void_reference,
        render=lambda effect: (rendering.HTTP_OK, rendering.object_body(effect.result)),
    )
