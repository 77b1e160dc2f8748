"""Operators close months: propose, approve, reject; closed months as JSON and CSV; days as they were worked out."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from services.reconciliation.adapters.daily_runs import list_days
from services.reconciliation.adapters.period_exports import as_csv, as_json
from services.reconciliation.adapters.periods import closed_periods, list_closes
from services.reconciliation.adapters.report_figures import check_days
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.close_month import approve_close, propose_close, reject_close, stored_close
from services.reconciliation.domain.periods import PeriodClose
from services.reconciliation.entrypoints.period_views import close_view
from shared.kernel.months import Month
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import LIST_MAX, OperatorCaller, Reason, ReasonBody, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

CloseId = Annotated[str, Path(pattern="^cls_[0-9a-z]{26}$")]
Period = Annotated[str, Path(max_length=16)]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]
Table = Literal["rolls", "positions", "breaks", "late", "files", "days", "explained"]


class ProposeCloseBody(ApiModel):
    """POST /period-closes: which month, and why now."""

    period: Annotated[
        str, StringConstraints(max_length=16), Field(description="A calendar month in UTC, as 2026-10.")
    ]
    reason: Reason


def add_periods(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the routes."""
    _add_reads(app, http, verifier)
    _add_exports(app, http, verifier)
    _add_closes(app, http, verifier)


def _add_reads(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/days", dependencies=[viewer])
    def days(first_day: date, last_day: date) -> Response:
        """Days as they were worked out when they were over: matched, timing, broken, accepted, by currency."""
        check_days(first_day, last_day)
        found = transactions.read(lambda uow: list_days(uow.connection, first_day, last_day), name="days")
        return document({"data": found})

    @app.get("/periods", dependencies=[viewer])
    def periods() -> Response:
        """Closed months in order."""
        return document(
            {"data": transactions.read(lambda uow: closed_periods(uow.connection), name="periods")}
        )

    @app.get("/period-closes", dependencies=[viewer])
    def closes(limit: Limit = 100) -> Response:
        """Closes, proposed and decided, newest first."""
        found = transactions.read(lambda uow: list_closes(uow.connection, limit), name="period closes")
        return document({"data": [close_view(each) for each in found]})


def _add_exports(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/periods/{period}", dependencies=[viewer])
    def period_json(period: Period) -> Response:
        """A closed month with every table, always the same bytes."""
        made = transactions.read(lambda uow: as_json(uow.connection, period), name="period")
        return Response(made, media_type="application/json")

    @app.get("/periods/{period}/{table}.csv", dependencies=[viewer])
    def period_csv(period: Period, table: Table) -> Response:
        """One of its tables."""
        made = transactions.read(lambda uow: as_csv(uow.connection, period, table), name="period csv")
        return Response(made, media_type="text/csv; charset=utf-8")


def _add_closes(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    propose = http.endpoint("POST", "/period-closes", ProposeCloseBody, render=_render_proposed)
    approve = http.endpoint("POST", "/period-closes/{close_id}/approve", ReasonBody, render=_render_decided)
    reject = http.endpoint("POST", "/period-closes/{close_id}/reject", ReasonBody, render=_render_decided)

    @app.post("/period-closes", status_code=201)
    async def propose_one(request: Request) -> Response:
        """Do a full run, work the month out and propose to close it so; somebody else has to approve."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: ProposeCloseBody) -> Outcome:
            close = propose_close(Month.read(body.period), body.reason, actor_of(caller), uow)
            return _outcome(close, 201)

        return await propose.handle(request, caller, execute)

    @app.post("/period-closes/{close_id}/approve")
    async def approve_one(request: Request, close_id: CloseId) -> Response:
        """Close the month with exactly the figures that were proposed."""
        caller = OperatorCaller(verifier, request, OperatorRole.APPROVER)

        def execute(uow: ReconciliationUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(approve_close(close_id, body.reason, actor_of(caller), uow), 200)

        return await approve.handle(request, caller, execute, path_ids={"close_id": close_id})

    @app.post("/period-closes/{close_id}/reject")
    async def reject_one(request: Request, close_id: CloseId) -> Response:
        """End a proposal."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(reject_close(close_id, body.reason, actor_of(caller), uow), 200)

        return await reject.handle(request, caller, execute, path_ids={"close_id": close_id})


def _outcome(close: PeriodClose, status: int) -> Outcome:
    return Outcome(resource_id=close.close_id, reply=json_answer(status, close_view(close)))


def _render_proposed(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    return json_answer(201, _view(resource_id, uow))


def _render_decided(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    return json_answer(200, _view(resource_id, uow))


def _view(close_id: str, uow: ReconciliationUnitOfWork) -> dict[str, Any]:
    return close_view(stored_close(close_id, uow))
