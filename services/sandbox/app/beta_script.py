"""The script of acts at beta: the steps are alpha's, the words and amounts are beta's.

Like everything at beta a step has no key: asked twice, it happens twice.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.sandbox.app import parsing
from services.sandbox.app.beta_commands import amount_in, not_found, value_in
from services.sandbox.app.decisions import OnCapture
from services.sandbox.app.perform_unkeyed import Ask
from services.sandbox.app.script_acts import COLLECTIONS as ALPHAS
from services.sandbox.app.script_acts import step_in
from services.sandbox.domain.objects import Effect, ProcessorObject
from shared.kernel.ids import Ids

FIELDS: Final = frozenset({"do", "value", "ground"})
COLLECTIONS: Final[Mapping[str, str]] = {
    "holds": "authorizations",
    "charges": "captures",
    "credits": "refunds",
    "claims": "disputes",
    "clawbacks": "reversals",
}
"""Beta's word for each collection of the script."""


def script_step(collection: str, transaction_id: str, raw: bytes, *, ids: Ids) -> Ask:
    """Read what shall happen to a transaction."""
    named, body = ALPHAS[COLLECTIONS[collection]], parsing.read_body(raw, FIELDS)
    step = step_in(named, body)
    value, ground = value_in(body), _ground(body)

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect | OnCapture:
        if not isinstance(parent, named.kind):
            raise not_found()
        return step(parent, amount_in(value, parent), ids, now, ground)

    return Ask(
        operation=None,
        reference="",
        parent_id=transaction_id,
        method=None,
        decide=decide,
        travels_as=named.travels_as,
    )


def _ground(body: Mapping[str, Any]) -> str:
    return parsing.text(body, "ground").lower() if "ground" in body else "fraudulent"
