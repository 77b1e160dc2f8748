"""Owns the reports' HTTP face: settlement reports, bank statements, and the key of what was planted in them."""

import hmac
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from services.sandbox.app import rendering
from services.sandbox.app.plant_errors import PlantErrors
from services.sandbox.app.report_requests import FIELDS, ReportDesk
from services.sandbox.entrypoints.http_settlement import shown_error
from services.sandbox.entrypoints.wire import send_json, send_stream
from shared.kernel.errors import Rejected

BASE: Final = "/reports/v1/"
HTTP_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportsApi:
    """Reports over HTTP; alpha's key opens them."""

    desk: ReportDesk
    planting: PlantErrors
    api_key: str

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI's three
        """Answer one request; what is wrong is said before the first byte of a report."""
        try:
            self._authenticate(dict(scope["headers"]))
            query = {
                name: values[-1]
                for name, values in parse_qs(scope["query_string"].decode("ascii", "replace")).items()
            }
            await self._answer(scope["method"], scope["path"].removeprefix(BASE), query, send)
        except Rejected as rejected:
            status, body = rendering.rejection(rejected)
            await send_json(send, status, body)

    async def _answer(self, method: str, what: str, query: dict[str, str], send: Any) -> None:
        if method == "GET" and what in FIELDS:
            report = await self.desk.report(what, query)
            await send_stream(send, HTTP_OK, report.media_type, report.pieces)
        elif method == "GET" and what == "answer-key":
            planted = await self.planting.key(query.get("seed", ""))
            await send_json(send, HTTP_OK, orjson.dumps({"data": [shown_error(each) for each in planted]}))
        else:
            raise Rejected("not_found", "No such report.", status=404)

    def _authenticate(self, headers: dict[bytes, bytes]) -> None:
        expected = b"Bearer " + self.api_key.encode()
        if not hmac.compare_digest(headers.get(b"authorization", b""), expected):
            raise Rejected("unauthorized", "Show alpha's API key as a bearer token.", status=401)
