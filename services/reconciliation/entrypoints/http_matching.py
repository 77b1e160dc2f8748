"""Operators run matching, work on breaks, and see each payout and day explained to zero."""

from collections.abc import Callable, Coroutine
from datetime import date
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import Depends, FastAPI, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from services.reconciliation.adapters.breaks import one_break, shown
from services.reconciliation.adapters.explained_days import explained_days
from services.reconciliation.adapters.explaining import explained_payouts
from services.reconciliation.adapters.runs import list_runs, one_run
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.approve_break import approve_break
from services.reconciliation.app.propose_return import propose_return
from services.reconciliation.app.reject_break import reject_break
from services.reconciliation.app.resolve_break import (
    StoredBreak,
    defer_break,
    propose_acceptance,
)
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.entrypoints.http_dates import Day, Moment
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import LIST_MAX, OperatorCaller, Reason, ReasonBody, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

RunId = Annotated[str, Path(pattern="^run_[0-9a-z]{26}$")]
BreakId = Annotated[str, Path(pattern="^brk_[0-9a-f]{26}$")]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]
Handler = Callable[..., Coroutine[Any, Any, Response]]


class RunBody(ApiModel):
    """POST /runs: over what changed since the last one, or over everything anew."""

    kind: Literal["incremental", "full"] = "incremental"
    as_of: Annotated[
        Moment | None,
        Field(description="When what is late is judged to be late; now without it."),
    ] = None
    reason: Reason


class DeferBody(ApiModel):
    """POST /breaks/{break_id}/defer: a difference of timing, and until when."""

    due_on: Annotated[Day, Field(description="If it stands after that day, it opens again.")]
    reason: Reason


class ApproveBody(ApiModel):
    """POST /breaks/{break_id}/approve: which proposal, as GET /breaks/{break_id} showed it."""

    proposal: Annotated[
        str, Field(pattern="^prp_[0-9a-f]{26}$", description="`proposal` of the break as it was read.")
    ]
    reason: Reason


class Decision(NamedTuple):
    """What an operator may say about a break with nothing but a reason."""

    verb: str
    role: OperatorRole
    apply: Callable[[str, str, Actor, ReconciliationUnitOfWork], StoredBreak]
    purpose: str


DECISIONS: Final = (
    Decision(
        "accept",
        OperatorRole.OPERATOR,
        propose_acceptance,
        "Propose to accept the difference; somebody else has to approve it.",
    ),
    Decision(
        "return",
        OperatorRole.OPERATOR,
        propose_return,
        "Propose that payment gives the second or stray charge back; somebody else has to approve it.",
    ),
    Decision(
        "reject",
        OperatorRole.OPERATOR,
        reject_break,
        "Open it again; the adjustment or return that it waits for is withdrawn.",
    ),
)


def add_matching(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the routes."""
    _add_runs(app, http, verifier)
    _add_break_decisions(app, http, verifier)
    _add_explained(app, http, verifier)


def _add_runs(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))
    start = http.endpoint("POST", "/runs", RunBody, render=_render_run)

    @app.get("/runs", dependencies=[viewer])
    def runs(limit: Limit = 100) -> Response:
        """Runs, newest first."""
        return document(
            {"data": transactions.read(lambda uow: list_runs(uow.connection, limit), name="runs")}
        )

    @app.get("/runs/{run_id}", dependencies=[viewer])
    def run(run_id: RunId) -> Response:
        """One run: what each rule matches, and the breaks that it moved."""
        return document(transactions.read(lambda uow: _run_view(run_id, uow), name="run"))

    @app.post("/runs", status_code=201)
    async def run_one(request: Request) -> Response:
        """Do a run now; one that is at work is waited for."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: RunBody) -> Outcome:
            done = run_matching(RunKind(body.kind), actor_of(caller).name, uow, body.as_of)
            return Outcome(resource_id=done.run_id, reply=json_answer(201, _run_view(done.run_id, uow)))

        return await start.handle(request, caller, execute)


def _add_break_decisions(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    defer = http.endpoint("POST", "/breaks/{break_id}/defer", DeferBody, render=_render_break)

    @app.post("/breaks/{break_id}/defer")
    async def defer_one(request: Request, break_id: BreakId) -> Response:
        """Accept it as a difference of timing until a day."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: DeferBody) -> Outcome:
            return _outcome(defer_break(break_id, body.due_on, body.reason, actor_of(caller), uow), uow)

        return await defer.handle(request, caller, execute, path_ids={"break_id": break_id})

    approve = http.endpoint("POST", "/breaks/{break_id}/approve", ApproveBody, render=_render_break)

    @app.post("/breaks/{break_id}/approve")
    async def approve_one(request: Request, break_id: BreakId) -> Response:
        """Resolve it as somebody else proposed: exactly the proposal that was read, or 409 `proposal_changed`."""
        caller = OperatorCaller(verifier, request, OperatorRole.APPROVER)

        def execute(uow: ReconciliationUnitOfWork, body: ApproveBody) -> Outcome:
            return _outcome(approve_break(break_id, body.proposal, body.reason, actor_of(caller), uow), uow)

        return await approve.handle(request, caller, execute, path_ids={"break_id": break_id})

    for decision in DECISIONS:
        handle = _decision_endpoint(decision, http, verifier)
        app.add_api_route(f"/breaks/{{break_id}}/{decision.verb}", handle, methods=["POST"])


def _decision_endpoint(
    decision: Decision, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> Handler:
    path = f"/breaks/{{break_id}}/{decision.verb}"
    endpoint = http.endpoint("POST", path, ReasonBody, render=_render_break)

    async def handle(request: Request, break_id: BreakId) -> Response:
        caller = OperatorCaller(verifier, request, decision.role)

        def execute(uow: ReconciliationUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(decision.apply(break_id, body.reason, actor_of(caller), uow), uow)

        return await endpoint.handle(request, caller, execute, path_ids={"break_id": break_id})

    handle.__name__ = f"{decision.verb}_one"
    handle.__doc__ = decision.purpose
    return handle


def _add_explained(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/explained/payouts", dependencies=[viewer])
    def payouts(first_day: date, last_day: date, payout: str | None = None, limit: Limit = 100) -> Response:
        """Payouts due in these days: their parts, what the bank credited, and what is left."""
        found = transactions.read(
            lambda uow: explained_payouts(uow.connection, first_day, last_day, payout_id=payout, limit=limit),
            name="explained payouts",
        )
        return document({"data": found})

    @app.get("/explained/days", dependencies=[viewer])
    def days(first_day: date, last_day: date) -> Response:
        """The same per day and currency."""
        found = transactions.read(
            lambda uow: explained_days(uow.connection, first_day, last_day), name="explained days"
        )
        return document({"data": found})


def break_view(break_id: str, uow: ReconciliationUnitOfWork) -> dict[str, Any]:
    """The break with its history, or the caller's mistake."""
    found = one_break(uow.connection, uow.now, break_id)
    if found is None:
        raise Rejected("break_not_found", f"there is no break {break_id}", status=404, stored=False)
    return found


def _run_view(run_id: str, uow: ReconciliationUnitOfWork) -> Any:
    found = one_run(uow.connection, run_id)
    if found is None:
        raise Rejected("run_not_found", f"there is no run {run_id}", status=404, stored=False)
    return found


def _outcome(stored: StoredBreak, uow: ReconciliationUnitOfWork) -> Outcome:
    return Outcome(resource_id=stored.break_id, reply=json_answer(200, shown(stored, uow.now)))


def _render_run(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    return json_answer(201, _run_view(resource_id, uow))


def _render_break(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    return json_answer(200, break_view(resource_id, uow))
