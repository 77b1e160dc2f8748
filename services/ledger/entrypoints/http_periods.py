"""Operators close months: propose, approve, reject under an idempotency key; and which months are closed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from fastapi import Depends, FastAPI, Path, Query, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from services.ledger.adapters.periods import closed_periods, list_closes
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.close_period import approve_close, propose_close, reject_close, stored_close
from services.ledger.app.period_ports import ClosedPeriod
from shared.kernel.months import Month, PeriodClose
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import LIST_MAX, OperatorCaller, Reason, ReasonBody, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

CloseId = Annotated[str, Path(pattern="^cls_[0-9a-z]{26}$")]


class ProposeCloseBody(ApiModel):
    """POST /period-closes: which month, and why now."""

    period: Annotated[
        str, StringConstraints(max_length=16), Field(description="A calendar month in UTC, as 2026-10.")
    ]
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseView:
    """The close of a month with its life."""

    id: str
    period: str
    reason: str
    state: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None

    @classmethod
    def of(cls, stored: PeriodClose) -> Self:
        """As the API shows it."""
        return cls(
            id=stored.close_id,
            period=stored.period,
            reason=stored.reason,
            state=stored.state.value,
            proposed_by=stored.proposed_by,
            proposed_at=stored.proposed_at,
            decided_by=stored.decided_by,
            decided_at=stored.decided_at,
            decision_reason=stored.decision_reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedView:
    """A closed month; everything that takes effect before ``ends_at`` is sealed up to ``position``."""

    period: str
    close_id: str
    ends_at: datetime
    shard: int
    position: int
    hash: str
    closed_at: datetime
    signed_at: str | None
    key_id: str | None
    signature: str | None

    @classmethod
    def of(cls, closed: ClosedPeriod) -> Self:
        """As the API shows it."""
        signed = closed.signed
        return cls(
            period=closed.period,
            close_id=closed.close_id,
            ends_at=closed.ends_at,
            shard=closed.shard,
            position=closed.position,
            hash=closed.hash,
            closed_at=closed.closed_at,
            signed_at=None if signed is None else signed.signed_at,
            key_id=None if signed is None else signed.key_id,
            signature=None if signed is None else signed.signature,
        )


def add_periods(app: FastAPI, http: IdempotentHttp[LedgerUnitOfWork], verifier: TokenVerifier | None) -> None:
    """Add the routes to the ledger's application."""
    _add_reads(app, http, verifier)
    _add_proposal(app, http, verifier)
    _add_decisions(app, http, verifier)


def _add_reads(app: FastAPI, http: IdempotentHttp[LedgerUnitOfWork], verifier: TokenVerifier | None) -> None:
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/periods", dependencies=[viewer])
    def periods() -> Response:
        """Closed months in order, and from when on the books are open (null: nothing is closed)."""
        found = transactions.read(lambda uow: closed_periods(uow.connection), name="periods")
        opens_at = found[-1].ends_at if found else None
        return document({"opens_at": opens_at, "data": [ClosedView.of(each) for each in found]})

    @app.get("/period-closes", dependencies=[viewer])
    def closes(limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 100) -> Response:
        """Closes, proposed and decided, newest first."""
        found = transactions.read(lambda uow: list_closes(uow.connection, limit), name="period closes")
        return document({"data": [CloseView.of(each) for each in found]})

    @app.get("/period-closes/{close_id}", dependencies=[viewer])
    def close(close_id: CloseId) -> Response:
        """One close."""
        found = transactions.read(lambda uow: stored_close(close_id, uow), name="period close")
        return document(CloseView.of(found))


def _add_proposal(
    app: FastAPI, http: IdempotentHttp[LedgerUnitOfWork], verifier: TokenVerifier | None
) -> None:
    propose = http.endpoint("POST", "/period-closes", ProposeCloseBody, render=_render)

    @app.post("/period-closes", status_code=201)
    async def propose_one(request: Request) -> Response:
        """Propose to close a month; it is closed when somebody else approves it."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: LedgerUnitOfWork, body: ProposeCloseBody) -> Outcome:
            made = propose_close(Month.read(body.period), body.reason, actor_of(caller), uow)
            return _outcome(made, 201)

        return await propose.handle(request, caller, execute)


def _add_decisions(
    app: FastAPI, http: IdempotentHttp[LedgerUnitOfWork], verifier: TokenVerifier | None
) -> None:
    approve = http.endpoint("POST", "/period-closes/{close_id}/approve", ReasonBody, render=_render)
    reject = http.endpoint("POST", "/period-closes/{close_id}/reject", ReasonBody, render=_render)

    @app.post("/period-closes/{close_id}/approve")
    async def approve_one(request: Request, close_id: CloseId) -> Response:
        """Close a month that somebody else proposed, for good."""
        caller = OperatorCaller(verifier, request, OperatorRole.APPROVER)

        def execute(uow: LedgerUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(approve_close(close_id, body.reason, actor_of(caller), uow), 200)

        return await approve.handle(request, caller, execute, path_ids={"close_id": close_id})

    @app.post("/period-closes/{close_id}/reject")
    async def reject_one(request: Request, close_id: CloseId) -> Response:
        """End a proposal."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: LedgerUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(reject_close(close_id, body.reason, actor_of(caller), uow), 200)

        return await reject.handle(request, caller, execute, path_ids={"close_id": close_id})


def _outcome(stored: PeriodClose, status: int) -> Outcome:
    return Outcome(resource_id=stored.close_id, reply=json_answer(status, CloseView.of(stored)))


def _render(uow: LedgerUnitOfWork, resource_id: str) -> Reply:
    """Only asked for where a reply was not stored with its effect, which here it always is."""
    return json_answer(200, CloseView.of(stored_close(resource_id, uow)))
