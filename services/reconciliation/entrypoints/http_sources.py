"""Operators declare sources: whose files are taken in, and how they are read."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from services.reconciliation.adapters.sources import list_sources
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.declare_source import declare_source, declared_source
from services.reconciliation.domain.sources import OPTION_CHARS_MAX, OPTIONS_MAX, Format, Source, SourceKind
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import OperatorCaller, Reason, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

SourceName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Option = Annotated[str, StringConstraints(max_length=OPTION_CHARS_MAX)]


class DeclareSourceBody(ApiModel):
    """POST /sources: whose files, in which format."""

    source: Words
    format: Words
    processor: Words | None = None
    account: Words | None = None
    bank_account: Words | None = None
    options: Annotated[dict[Option, Option], Field(max_length=OPTIONS_MAX)] = Field(default_factory=dict)
    reason: Reason

    def declared(self) -> Source:
        """What is declared: a bank's where it names our bank account."""
        kind = SourceKind.SETTLEMENT if self.bank_account is None else SourceKind.BANK
        return Source(
            source=self.source,
            kind=kind,
            format=self.format,
            processor=self.processor,
            account=self.account,
            bank_account=self.bank_account,
            options=self.options,
        )


def add_sources(
    app: FastAPI,
    http: IdempotentHttp[ReconciliationUnitOfWork],
    verifier: TokenVerifier | None,
    formats: Mapping[str, Format],
) -> None:
    """Add the routes; ``formats`` are those that can be read."""
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))
    declare = http.endpoint("POST", "/sources", DeclareSourceBody, render=_render)

    @app.get("/sources", dependencies=[viewer])
    def sources() -> Response:
        """Sources by name."""
        return document({"data": transactions.read(lambda uow: list_sources(uow.connection), name="sources")})

    @app.get("/sources/{source}", dependencies=[viewer])
    def one(source: SourceName) -> Response:
        """One source."""
        return document(transactions.read(lambda uow: declared_source(source, uow), name="source"))

    @app.post("/sources", status_code=201)
    async def declare_one(request: Request) -> Response:
        """Declare a source, or change how its files are read from now on."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: DeclareSourceBody) -> Outcome:
            made = declare_source(body.declared(), body.reason, actor_of(caller), formats, uow)
            return Outcome(resource_id=made.source, reply=json_answer(201, made))

        return await declare.handle(request, caller, execute)


def _render(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    """Only asked for where a reply was not stored with its effect, which here it always is."""
    return json_answer(200, declared_source(resource_id, uow))
