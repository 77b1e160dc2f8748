"""The outermost HTTP face of a process: health and metrics for the platform, everything else for the
service.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from shared.runtime.health import Health
from shared.runtime.problems import Problem, new_request_id
from shared.runtime.server import ASGIApp

_JSON: Final = b"application/json"


class ProcessFace:
    """Answers /health/live, /health/ready and /metrics of every process, with or without a service's
    application.
    """

    def __init__(self, app: ASGIApp | None, health: Health) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] in _OWN_PATHS and scope["method"] in {"GET", "HEAD"}:
            status, media_type, body = self._own(scope["path"])
            await _reply(send, status, media_type, body)
        elif self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _empty_lifespan(receive, send)
        elif scope["type"] == "http":
            problem = Problem(
                status=404, code="not_found", message="This process serves health and metrics only."
            )
            await send(
                {"type": "http.response.start", "status": 404, "headers": problem.headers(new_request_id())}
            )
            await send({"type": "http.response.body", "body": problem.body()})

    def _own(self, path: str) -> tuple[int, bytes, bytes]:
        if path == "/health/live":
            stalled = self._health.stalled()
            return (503 if stalled else 200), _JSON, orjson.dumps({"live": not stalled, "stalled_s": stalled})
        if path == "/health/ready":
            ready = self._health.is_ready
            return (200 if ready else 503), _JSON, orjson.dumps({"ready": ready})
        from shared.runtime.metrics import exposition

        media_type, body = exposition()
        return 200, media_type, body


_OWN_PATHS: Final = frozenset({"/health/live", "/health/ready", "/metrics"})


async def _reply(send: Any, status: int, media_type: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"request-id", new_request_id().encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _empty_lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
