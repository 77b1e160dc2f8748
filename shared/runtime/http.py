"""What a service's HTTP entry point uses: an application with our edge and our errors, and strict body
reading.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.kernel.errors import Rejected
from shared.persistence.idempotency import KEY_CHARS_MAX
from shared.runtime.edge import API_BODY_BYTES_MAX, BODY_DEADLINE_S, Edge
from shared.runtime.models import ApiModel, read_model, validate_model
from shared.runtime.openapi import Bodies, complete
from shared.runtime.problems import Problem
from shared.runtime.server import ASGIApp
from shared.runtime.strict_json import invalid, malformed, refuse_bad_text, shown

__all__ = [
    "ApiModel", "Problem", "api", "idempotency_key", "invalid", "json_reply", "log_fields", "malformed", "read_body",
    "read_json_body", "refuse_bad_text", "request_id", "shortcut", "take_in", "validate_model",
]  # fmt: skip

M = TypeVar("M", bound=BaseModel)
_KEY: Final = re.compile(rf"[!-~]{{1,{KEY_CHARS_MAX}}}")
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def api(
    *,
    title: str,
    version: str = "1",
    body_bytes_max: int = API_BODY_BYTES_MAX,
    body_deadline_s: float = BODY_DEADLINE_S,
    lifespan: Any = None,
    log_requests: bool = True,
    streamed: re.Pattern[str] | None = None,
    bearer: str | None = None,
) -> Api:
    """A FastAPI application whose every error is problem+json and whose every reply has a Request-Id.

    ``bearer``: which token each of its routes asks for, where that is so.
    """
    edge = partial(
        Edge,
        body_bytes_max=body_bytes_max,
        body_deadline_s=body_deadline_s,
        log_requests=log_requests,
        streamed=streamed,
    )
    app = Api(
        title=title, version=version, lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the edge does all three
    )  # fmt: skip
    app.shortcuts = {}
    app.bearer = bearer
    app.by_shortcut = edge(_answer_shortcut)
    app.add_exception_handler(Rejected, _rejected)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _request_validation)
    app.add_middleware(edge)
    return app


def take_in(app: FastAPI, router: APIRouter) -> None:
    """As ``include_router`` without a prefix or anything else to add: the routes are taken in as they are.

    Included ones are analysed a second time at the first request and looked for in a tree at every one.
    """
    app.router.routes.extend(router.routes)


def shortcut(app: Api, method: str, path: str, endpoint: Endpoint) -> None:
    """Answer a busy route without the framework's layers and router before it, which cost as much as a statement.

    For endpoints that take the request alone, on fixed paths that the router knows as well: it documents them.
    """
    app.shortcuts[method, path] = _Shortcut(path, endpoint)


@dataclass(frozen=True, slots=True)
class _Shortcut:
    """Stands in ``scope`` where the router would put its route."""

    path: str
    endpoint: Endpoint


class Api(FastAPI):
    """Both ways lie behind an edge, which answers their errors alike."""

    shortcuts: dict[tuple[str, str], _Shortcut]
    by_shortcut: ASGIApp
    bodies: Callable[[], Bodies] = dict
    """Asked once, when all routes are there: what POSTs take."""
    bearer: str | None = None

    def openapi(self) -> dict[str, Any]:
        """What the framework knows of the routes, and the rest."""
        if self.openapi_schema is None:
            complete(super().openapi(), self.bodies(), self.bearer)
        return super().openapi()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (found := self.shortcuts.get((scope["method"], scope["path"]))):
            scope["route"] = found
            await self.by_shortcut(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def _answer_shortcut(scope: Any, receive: Any, send: Any) -> None:
    response = await scope["route"].endpoint(Request(scope, receive))
    await response(scope, receive, send)


async def read_body(request: Request) -> bytes:
    """The raw bytes, already within their limits."""
    read: bytes | None = request.scope["state"].get("body")
    return await request.body() if read is None else read


async def read_json_body(request: Request, model: type[M]) -> M:
    """The body as a strict model; an absent body is an empty object."""
    return read_model(model, await read_body(request))


def idempotency_key(request: Request) -> str:
    """The request's key: required, one, 1 to 255 visible ASCII characters, and no card number."""
    found = request.headers.getlist("idempotency-key")
    if not found:
        raise malformed(
            "idempotency_key_missing", "Every POST needs an Idempotency-Key header.", "Idempotency-Key"
        )
    key = found[0]
    if len(found) > 1 or not _KEY.fullmatch(key):
        raise malformed(
            "idempotency_key_invalid",
            f"One key of 1 to {KEY_CHARS_MAX} visible ASCII characters.",
            "Idempotency-Key",
        )
    refuse_bad_text(key, "Idempotency-Key")
    return key


def json_reply(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def document(value: object, status: int = 200) -> Response:
    """A value as we show it, kept by nobody; times in UTC."""
    return json_reply(orjson.dumps(value, option=orjson.OPT_UTC_Z), status)


def request_id(request: Request) -> str:
    return str(request.scope["state"]["request_id"])


def log_fields(request: Request, **fields: str | int | None) -> None:
    """Add ids to the request's one log line."""
    request.scope["state"].setdefault("log", {}).update({k: v for k, v in fields.items() if v is not None})


async def _rejected(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Rejected):
        raise error
    return Problem.of(error).response()


async def _http_exception(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "request_refused")
    response = Problem(
        status=error.status_code,
        code=code,
        message="No such route." if code == "not_found" else str(error.detail),
    ).response()
    response.headers.update(error.headers or {})
    return response


async def _request_validation(_request: Request, error: Exception) -> Response:
    """Path and query parameters that FastAPI checks; bodies go through ``read_json_body``."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    param = shown(".".join(where[1:])) or None
    return Problem(status=422, code="field_invalid", message=f"{first['msg']}.", param=param).response()
