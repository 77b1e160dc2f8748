"""Answer a claim at beta: hand exhibits in, or concede it. No keys: what is said twice is heard twice."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from services.sandbox.app import parsing
from services.sandbox.app.beta_commands import not_found
from services.sandbox.app.perform_unkeyed import Ask
from services.sandbox.domain import disputes
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.objects import Dispute, Effect, ProcessorObject
from shared.kernel.errors import Rejected

EXHIBIT_FIELDS: Final = frozenset({"exhibits", "merchant_ref"})
CONCEDE_FIELDS: Final = frozenset({"merchant_ref"})


def exhibit(claim_id: str, raw: bytes) -> Ask:
    """Read the request; whether exhibits are still taken is decided on the claim as it is then."""
    body = parsing.read_body(raw, EXHIBIT_FIELDS)
    exhibits, reference = parsing.texts(body, "exhibits"), parsing.text(body, "merchant_ref")
    if not exhibits:
        raise Rejected("field_missing", "At least one exhibit.", status=400, param="exhibits")

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        return disputes.answer(_claim(parent), exhibits, reference=reference, now=now)

    return _ask(claim_id, reference, decide)


def concede(claim_id: str, raw: bytes) -> Ask:
    """Read the request; whether there is anything left to concede is decided on the claim as it is then."""
    reference = parsing.text(parsing.read_body(raw, CONCEDE_FIELDS), "merchant_ref")

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        return disputes.accept(_claim(parent), reference=reference, now=now)

    return _ask(claim_id, reference, decide)


def _ask(claim_id: str, reference: str, decide: Callable[[Any, datetime], Effect]) -> Ask:
    return Ask(
        operation=Operation.DISPUTE, reference=reference, parent_id=claim_id, method=None, decide=decide
    )


def _claim(parent: ProcessorObject | None) -> Dispute:
    if not isinstance(parent, Dispute):
        raise not_found()
    return parent


#: The last part of a route, and what it asks for.
ANSWERS: Final[Mapping[str, Callable[[str, bytes], Ask]]] = {"exhibits": exhibit, "concede": concede}
