"""RFC 9457 problem replies: one shape for every error, with a stable code and a Request-Id on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from starlette.responses import Response

from shared.kernel.errors import Rejected
from shared.kernel.ids import UlidIds

PROBLEM_JSON: Final = "application/problem+json"
TITLES: Final[Mapping[int, str]] = {
    400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
    408: "Request timeout", 409: "Conflict", 411: "Length required", 413: "Content too large",
    415: "Unsupported media type", 422: "Unprocessable content", 429: "Too many requests",
    431: "Headers too large", 500: "Internal error", 503: "Unavailable",
}  # fmt: skip
RETRY_AFTER_S: Final = 1
"""What callers are told to wait on 429, 503 and keys in flight, where nothing better is known."""

_ids = UlidIds()


def new_request_id() -> str:
    return _ids.new("req_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as callers see it; ``code`` never changes its meaning, ``message`` may be reworded."""

    status: int
    code: str
    message: str
    param: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    retry_after_s: int | None = None

    @classmethod
    def of(cls, rejected: Rejected) -> Problem:
        """``retry_after_s`` among the extras becomes the header instead of a member."""
        extra = dict(rejected.extra)
        retry = extra.pop("retry_after_s", RETRY_AFTER_S if rejected.status in {429, 503} else None)
        return cls(
            status=rejected.status, code=rejected.code, message=rejected.message, param=rejected.param,
            extra=extra, retry_after_s=retry,
        )  # fmt: skip

    def body(self) -> bytes:
        document: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": TITLES.get(self.status, "Refused"),
            "status": self.status,
            "code": self.code,
            "detail": self.message,
        }
        if self.param is not None:
            document["param"] = self.param
        return orjson.dumps({**self.extra, **document})

    def headers(self, request_id: str | None = None) -> list[tuple[bytes, bytes]]:
        found = [
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", str(len(self.body())).encode()),
        ]
        if self.retry_after_s is not None:
            found.append((b"retry-after", str(self.retry_after_s).encode()))
        if request_id is not None:
            found.append((b"request-id", request_id.encode()))
        return found

    def response(self) -> Response:
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return Response(self.body(), status_code=self.status, headers=headers, media_type=PROBLEM_JSON)
