"""Operators send files in and look at them: what was received, staged or refused, and the bytes as they came."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from services.reconciliation.adapters.file_reports import (
    control_totals_of,
    quarantined_lines_of,
    statement_gaps,
)
from services.reconciliation.adapters.files import list_files
from services.reconciliation.adapters.preferences import preferences_of
from services.reconciliation.adapters.spooling import Spool
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.find_file import found_file
from services.reconciliation.app.prefer_file import ask_to_prefer
from services.reconciliation.domain.files import NAME_CHARS_MAX, ReportFile
from services.reconciliation.entrypoints.http_sources import SourceName
from services.reconciliation.entrypoints.receiving import receive_spooled
from shared.persistence.unit_of_work import Transactions
from shared.runtime.http import document, log_fields, request_id
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.operator_http import LIST_MAX, OperatorCaller, ReasonBody, acting, actor_of
from shared.runtime.operator_tokens import Operator, OperatorRole, TokenVerifier, operator_with

STREAMED: Final = re.compile(r"/sources/[a-z][a-z0-9_]{0,31}/(?:files|lines)")
"""Where a body may be as long as a file: it is taken in piece by piece, on disk."""
FileId = Annotated[str, Path(pattern="^file_[0-9a-z]{26}$")]
FileName = Annotated[str, Query(min_length=1, max_length=NAME_CHARS_MAX, description="The file's name.")]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]


def add_files(
    app: FastAPI,
    http: IdempotentHttp[ReconciliationUnitOfWork],
    verifier: TokenVerifier | None,
    bytes_max: int,
) -> None:
    """Add the routes to the application."""
    _add_upload(app, http, verifier, bytes_max)
    _add_prefer(app, http, verifier)
    _add_reads(app, http, verifier)


def _add_upload(
    app: FastAPI,
    http: IdempotentHttp[ReconciliationUnitOfWork],
    verifier: TokenVerifier | None,
    bytes_max: int,
) -> None:
    operator = Depends(operator_with(verifier, OperatorRole.OPERATOR))

    @app.post("/sources/{source}/files", status_code=201)
    async def upload(
        source: SourceName, name: FileName, request: Request, who: Annotated[Operator, operator]
    ) -> Response:
        """Send a file in; the body is its bytes.

        Needs no idempotency key: the same bytes of the same source are the same file, answered with 200 and not kept
        twice.
        """
        actor = acting(who, request_id(request))
        with Spool(bytes_max) as spool:
            await take_in(request.stream(), spool, http)
            received = await http.threads.run(receive_spooled, http.transactions, source, name, spool, actor)
        log_fields(request, file_id=received.file.file_id, bytes=received.file.byte_count)
        return document(view_of(received.file), 201 if received.is_new else 200)


def _add_prefer(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    path = "/files/{file_id}/prefer"
    endpoint = http.endpoint("POST", path, ReasonBody, render=_render)

    @app.post(path, status_code=202)
    async def prefer(file_id: FileId, request: Request) -> Response:
        """Let what the file says hold over those of its source that contradict it, though they came later.

        The worker does it in its turn; what became of it is in `preferences` of GET /files/{file_id}.
        """
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: ReasonBody) -> Outcome:
            ask_to_prefer(file_id, body.reason, actor_of(caller), uow)
            return Outcome(resource_id=file_id, reply=json_answer(202, whole_view(file_id, uow)))

        return await endpoint.handle(request, caller, execute, path_ids={"file_id": file_id})


def _render(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    """Only asked for where a reply was not stored with its effect, which here it always is."""
    return json_answer(202, whole_view(resource_id, uow))


async def take_in(
    pieces: AsyncIterator[bytes], spool: Spool, http: IdempotentHttp[ReconciliationUnitOfWork]
) -> None:
    """Write a body to the spool as it comes."""
    async for piece in pieces:
        if piece:
            await http.threads.run(spool.write, piece)


def _add_reads(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/files", dependencies=[viewer])
    def files(
        source: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = None,
        state: Annotated[str | None, Query(pattern="^(RECEIVED|STAGED|REFUSED)$")] = None,
        limit: Limit = 100,
    ) -> Response:
        """Files, newest first."""
        found = transactions.read(
            lambda uow: list_files(uow.connection, source=source, state=state, limit=limit), name="files"
        )
        return document({"data": [view_of(file) for file in found]})

    @app.get("/statement-gaps", dependencies=[viewer])
    def gaps(
        source: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = None, limit: Limit = 100
    ) -> Response:
        """Parts of statements that do not go on where another one ended; those that came first first."""
        found = transactions.read(
            lambda uow: statement_gaps(uow.connection, source=source, limit=limit), name="statement gaps"
        )
        return document({"data": found})

    @app.get("/files/{file_id}", dependencies=[viewer])
    def one(file_id: FileId) -> Response:
        """One file, with the totals that it states, and whether people had it hold."""
        return document(transactions.read(lambda uow: whole_view(file_id, uow), name="file"))

    @app.get("/files/{file_id}/quarantine", dependencies=[viewer])
    def quarantine(file_id: FileId, after: Annotated[int, Query(ge=0)] = 0, limit: Limit = 100) -> Response:
        """Lines that could not be read, in order; ``after`` is the ``nth`` of the last one seen."""

        def look(uow: ReconciliationUnitOfWork) -> list[dict[str, Any]]:
            found_file(file_id, uow)
            return quarantined_lines_of(uow.connection, file_id, after=after, limit=limit)

        return document({"data": transactions.read(look, name="quarantine")})

    @app.get("/files/{file_id}/content", dependencies=[viewer])
    def content(file_id: FileId) -> Response:
        """The bytes as they came."""
        file = transactions.read(lambda uow: found_file(file_id, uow), name="file")
        return StreamingResponse(
            _chunks(transactions, file_id),
            media_type="application/octet-stream",
            headers={"Content-Length": str(file.byte_count), "ETag": f'"{file.sha256}"'},
        )


def _chunks(transactions: Transactions[ReconciliationUnitOfWork], file_id: str) -> Iterator[bytes]:
    """One chunk per transaction: a slow reader holds none open. Chunks never change."""
    number = 0
    while True:
        wanted = number
        chunk = transactions.read(lambda uow: uow.files.chunk(file_id, wanted), name="file chunk")  # noqa: B023
        if chunk is None:
            return
        yield chunk
        number += 1


def whole_view(file_id: str, uow: ReconciliationUnitOfWork) -> dict[str, Any]:
    """A file with the totals that it states, those that do not hold first, and what was asked of it."""
    return {
        **view_of(found_file(file_id, uow)),
        "control_totals": control_totals_of(uow.connection, file_id, LIST_MAX),
        "preferences": [asdict(one) for one in preferences_of(uow.connection, file_id)],
    }


def view_of(file: ReportFile) -> dict[str, Any]:
    """A file as the API shows it."""
    shown = asdict(file)
    return {"id": shown.pop("file_id"), **shown}
