"""Operators and their programs feed lines in, piece by piece, and ask which piece comes next."""

from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from starlette.responses import Response

from services.reconciliation.adapters.spooling import Spool
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.feed_lines import next_of_feed
from services.reconciliation.domain.feeds import PIECE_BYTES_MAX, PIECE_LINES_MAX
from services.reconciliation.entrypoints.feeding import feed
from services.reconciliation.entrypoints.http_files import take_in
from services.reconciliation.entrypoints.http_sources import SourceName
from shared.runtime.http import document, log_fields, request_id
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.operator_http import acting
from shared.runtime.operator_tokens import Operator, OperatorRole, TokenVerifier, operator_with

#: The body is read as its bytes, which are kept: what it may be is said here.
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["sequence", "lines"],
                    "additionalProperties": False,
                    "properties": {
                        "sequence": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "Which piece of the source's feed it is: 1, 2, 3, without a gap.",
                        },
                        "lines": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": PIECE_LINES_MAX,
                            "items": {
                                "type": "object",
                                "additionalProperties": {"type": ["string", "null"]},
                                "description": "Columns of tieout_csv by name, each as the text of its cell.",
                            },
                        },
                    },
                }
            }
        },
    }
}


def add_feed(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the routes to the application."""
    transactions = http.transactions
    operator = Depends(operator_with(verifier, OperatorRole.OPERATOR))
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.post("/sources/{source}/lines", status_code=201, openapi_extra=_BODY)
    async def lines(source: SourceName, request: Request, who: Annotated[Operator, operator]) -> Response:
        """Feed lines in; the answer says of each whether it is accepted or in quarantine, and why.

        Needs no idempotency key: the same piece again is answered alike, with 200, and does nothing. One that does not
        follow the last is refused (`feed_gap`), and so is another one of a number that came (`feed_piece_differs`).
        """
        actor = acting(who, request_id(request))
        with Spool(PIECE_BYTES_MAX) as spool:
            await take_in(request.stream(), spool, http)
            raw = spool.content().read()
        fed = await http.threads.run(feed, transactions, source, raw, actor)
        log_fields(request, file_id=fed.received.file.file_id, bytes=len(raw))
        return document(fed.view(), 201 if fed.received.is_new else 200)

    @app.get("/sources/{source}/feed", dependencies=[viewer])
    def where(source: SourceName) -> Response:
        """Which piece comes next."""
        following = transactions.read(lambda uow: next_of_feed(source, uow), name="feed")
        return document({"source": source, "next_sequence": following})
