"""Answer a dispute: hand evidence in, or accept it."""

from datetime import datetime
from typing import Any, Final

from services.sandbox.app import parsing, rendering
from services.sandbox.app.perform import Command
from services.sandbox.domain import disputes
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.objects import Dispute, Effect, ProcessorObject
from shared.kernel.errors import Rejected

EVIDENCE_FIELDS: Final = frozenset({"documents", "reference"})
ACCEPT_FIELDS: Final = frozenset({"reference"})


def evidence_command(dispute_id: str, raw: bytes, *, key: str, path: str) -> Command:
    """Read the request; whether evidence is still taken is decided on the dispute as it is then."""
    body = parsing.read_body(raw, EVIDENCE_FIELDS)
    documents, reference = parsing.texts(body, "documents"), parsing.text(body, "reference")
    if not documents:
        raise Rejected("field_missing", "At least one document.", status=400, param="documents")

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        return disputes.answer(_dispute(parent), documents, reference=reference, now=now)

    return _command(dispute_id, body, key=key, path=path, decide=decide)


def accept_command(dispute_id: str, raw: bytes, *, key: str, path: str) -> Command:
    """Read the request; whether it can still be accepted is decided on the dispute as it is then."""
    body = parsing.read_body(raw, ACCEPT_FIELDS)
    reference = parsing.text(body, "reference")

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        return disputes.accept(_dispute(parent), reference=reference, now=now)

    return _command(dispute_id, body, key=key, path=path, decide=decide)


def _command(dispute_id: str, body: dict[str, Any], *, key: str, path: str, decide: Any) -> Command:
    return Command(
        operation=Operation.DISPUTE,
        key=key,
        fingerprint=parsing.fingerprint(path, body),
        parent_id=dispute_id,
        payment_method=None,
        decide=decide,
        reference=body["reference"],
        render=lambda effect: (rendering.HTTP_OK, rendering.object_body(effect.result)),
    )


def _dispute(parent: ProcessorObject | None) -> Dispute:
    if not isinstance(parent, Dispute):
        raise Rejected("not_found", "No such dispute.", status=404)
    return parent


#: The last part of a route, and what it asks for.
ANSWERS: Final = {"evidence": evidence_command, "accept": accept_command}
