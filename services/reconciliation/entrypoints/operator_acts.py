"""What reconciliation's operator endpoints share: who acts, why, and how what they changed is shown."""

from __future__ import annotations

from typing import Annotated, Final

import orjson
from pydantic import StringConstraints
from starlette.responses import Response

from services.reconciliation.app.operators import Actor
from shared.runtime.http import json_reply
from shared.runtime.idempotent_http import Reply
from shared.runtime.operator_http import OperatorCaller

LIST_MAX: Final = 1_000
_JSON: Final = {"Content-Type": "application/json"}
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)]


def actor_of(caller: OperatorCaller) -> Actor:
    """The operator behind the request's token."""
    who = caller.operator
    return Actor(name=who.subject, role=who.role.name.lower(), request_id=caller.request_id)


def kept_reply(view: object, status: int) -> Reply:
    """The reply that is stored under the request's key."""
    return Reply(status=status, body=orjson.dumps(view, option=orjson.OPT_UTC_Z), headers=_JSON)


def document(value: object, status: int = 200) -> Response:
    """What a GET shows."""
    return json_reply(orjson.dumps(value, option=orjson.OPT_UTC_Z), status)
