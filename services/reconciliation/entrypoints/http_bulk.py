"""Operators decide about many breaks at once: a preview first, then exactly what it showed."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.bulk_breaks import (
    BULK_MAX,
    BulkAction,
    BulkResult,
    Selection,
    Wanted,
    act_in_bulk,
    preview_bulk,
)
from services.reconciliation.domain.breaks import BreakType
from services.reconciliation.entrypoints.http_dates import Day
from shared.persistence.unit_of_work import Transactions
from shared.runtime.http import document, read_json_body
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import OperatorCaller, Reason, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier

BreakId = Annotated[str, StringConstraints(pattern="^brk_[0-9a-f]{26}$")]
Owner = Annotated[str, StringConstraints(pattern="^[!-~]([ -~]{0,126}[!-~])?$")]
Token = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_PATH = "/bulk/breaks"


class Selecting(ApiModel):
    """To which breaks something is to be done: those that are named, or else all of a state that fit."""

    break_ids: Annotated[list[BreakId], Field(max_length=BULK_MAX)] = Field(default_factory=list)
    state: Literal["OPEN", "DEFERRED", "PROPOSED", "APPLYING", "RESOLVED", "SELF_CLOSED"] | None = None
    kind: Literal[tuple(kind.value for kind in BreakType)] | None = None  # type: ignore[valid-type]
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] | None = None
    at_risk_max_minor: Annotated[int, Field(ge=0)] | None = None
    due_on: Day | None = None
    owner: Annotated[Owner | None, Field(description="To whom to assign; nobody without.")] = None

    def meant(self, action: str) -> Wanted:
        """The same in the use case's words."""
        selection = Selection(
            break_ids=tuple(self.break_ids),
            state=self.state,
            kind=self.kind,
            currency=self.currency,
            at_risk_max_minor=self.at_risk_max_minor,
        )
        return Wanted(action=BulkAction(action), selection=selection, due_on=self.due_on, owner=self.owner)


class SelectBody(Selecting):
    """POST /bulk/breaks/preview: what is to be done, to which breaks."""

    action: Literal["defer", "accept", "approve", "reject", "assign"]


class ActBody(Selecting):
    """POST /bulk/breaks: the same selection, and the token of the preview that was seen."""

    action: Literal["defer", "accept", "reject", "assign"]
    preview: Token
    reason: Reason


class ApproveBody(Selecting):
    """POST /bulk/breaks/approve: resolve as others proposed."""

    preview: Token
    reason: Reason


def add_bulk(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the routes."""
    transactions = http.transactions
    act = http.endpoint("POST", _PATH, ActBody, render=_render)
    approve = http.endpoint("POST", f"{_PATH}/approve", ApproveBody, render=_render)

    @app.post(f"{_PATH}/preview")
    async def preview(request: Request) -> Response:
        """What would become of each break, and the money at risk per currency.

        Needs no idempotency key: nothing is changed.
        """
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)
        await http.threads.run(caller)
        body = await read_json_body(request, SelectBody)
        return document(await http.threads.run(_previewed, transactions, body, caller))

    @app.post(_PATH)
    async def act_on_many(request: Request) -> Response:
        """Put off, propose to accept, open again, or assign what a preview showed; all of it or nothing."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: ActBody) -> Outcome:
            return _outcome(body.meant(body.action), body, caller, uow)

        return await act.handle(request, caller, execute)

    @app.post(f"{_PATH}/approve")
    async def approve_many(request: Request) -> Response:
        """Resolve as somebody else proposed; all of it or nothing."""
        caller = OperatorCaller(verifier, request, OperatorRole.APPROVER)

        def execute(uow: ReconciliationUnitOfWork, body: ApproveBody) -> Outcome:
            return _outcome(body.meant(BulkAction.APPROVE), body, caller, uow)

        return await approve.handle(request, caller, execute)


def _previewed(
    transactions: Transactions[ReconciliationUnitOfWork], body: SelectBody, caller: OperatorCaller
) -> dict[str, Any]:
    actor = actor_of(caller)
    wanted = body.meant(body.action)
    return asdict(transactions.read(lambda uow: preview_bulk(wanted, actor, uow), name="bulk preview"))


def _outcome(
    wanted: Wanted, body: ActBody | ApproveBody, caller: OperatorCaller, uow: ReconciliationUnitOfWork
) -> Outcome:
    done: BulkResult = act_in_bulk(wanted, body.preview, body.reason, actor_of(caller), uow)
    return Outcome(resource_id=done.preview, reply=json_answer(200, asdict(done)))


def _render(_uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    """Only asked for where a reply was not stored with its effect, which here it always is."""
    return json_answer(200, {"preview": resource_id})
