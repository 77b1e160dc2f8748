"""The operator API: what was sent, what is in doubt, and every step of it. Reads only."""

from typing import Annotated, Any, Literal

import orjson
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Query, Request
from starlette.responses import Response

from services.processor.adapters.read_models import attempt_with_log, list_attempts
from shared.kernel.errors import Rejected
from shared.runtime.http import api, json_reply
from shared.runtime.operator_tokens import Operator, OperatorRole, TokenVerifier, operator_with


def make_app(engine: sa.Engine, verifier: TokenVerifier | None) -> FastAPI:
    """Return the application; without a verifier nobody gets in."""
    app = api(title="processor")
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/attempts/{operation_id}")
    def show(operation_id: str, _operator: Annotated[Operator, viewer]) -> Response:
        with engine.connect() as connection:
            found = attempt_with_log(connection, operation_id)
        if found is None:
            raise Rejected("not_found", "No such attempt.", status=404, stored=False)
        return _json(found)

    @app.get("/attempts")
    def list_all(
        _request: Request,
        _operator: Annotated[Operator, viewer],
        state: Annotated[Literal["open", "closed"] | None, Query()] = None,
        payment: Annotated[str | None, Query(max_length=64)] = None,
        exhausted: Annotated[bool | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Response:
        with engine.connect() as connection:
            rows = list_attempts(
                connection, state=state, payment_id=payment, exhausted=exhausted, limit=limit
            )
        return _json({"data": rows})

    return app


def _json(value: Any) -> Response:
    return json_reply(orjson.dumps(value))
