"""Operators agree tolerances, fees and processors' calendars, in twos."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from services.reconciliation.adapters.terms import list_terms, one_term, shown
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.agree_terms import approve_term, propose_term, reject_term
from services.reconciliation.domain.terms import HOLIDAYS_MAX, Said, Term, TermKind
from services.reconciliation.entrypoints.http_dates import Day, Moment
from shared.kernel.errors import Rejected
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import LIST_MAX, OperatorCaller, Reason, ReasonBody, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

TermId = Annotated[str, Path(pattern="^trm_[0-9a-z]{26}$")]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]
Words = Annotated[str, Field(min_length=1, max_length=64)]
Kind = Literal["tolerance", "agreed_fee", "calendar"]
State = Literal["PROPOSED", "APPROVED", "REJECTED"]


class ProposeTermBody(ApiModel):
    """POST /terms: each kind has its own key and values; without a moment it counts from its approval on."""

    kind: Kind
    valid_from: Moment | None = None
    ended: bool = False
    source: Words | None = None
    processor: Words | None = None
    currency: Words | None = None
    field: Words | None = None
    category: Words | None = None
    tolerance_minor: int | None = None
    per_million: int | None = None
    fixed_minor: int | None = None
    time_zone: Words | None = None
    settles_after_days: int | None = None
    lost_after_days: int | None = None
    holidays: Annotated[list[Day], Field(max_length=HOLIDAYS_MAX)] | None = None
    reason: Reason

    def said(self, now: datetime) -> Said:
        """What is to be agreed."""
        given = self.model_dump(exclude={"reason"})
        holidays = None if self.holidays is None else tuple(self.holidays)
        return Said(
            **given
            | {"kind": TermKind(self.kind), "valid_from": self.valid_from or now, "holidays": holidays}
        )


def add_terms(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the routes."""
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))
    propose = http.endpoint("POST", "/terms", ProposeTermBody, render=_render)
    approve = http.endpoint("POST", "/terms/{term_id}/approve", ReasonBody, render=_render)
    reject = http.endpoint("POST", "/terms/{term_id}/reject", ReasonBody, render=_render)

    @app.get("/terms", dependencies=[viewer])
    def terms(kind: Kind | None = None, state: State | None = None, limit: Limit = 100) -> Response:
        """Tolerances, agreed fees and calendars, the newest proposal first."""
        found = transactions.read(
            lambda uow: list_terms(uow.connection, kind=kind, state=state, limit=limit), name="terms"
        )
        return document({"data": [shown(term) for term in found]})

    @app.get("/terms/{term_id}", dependencies=[viewer])
    def one(term_id: TermId) -> Response:
        """One of them, and who did what to it."""
        return document(transactions.read(lambda uow: term_view(term_id, uow), name="term"))

    @app.post("/terms", status_code=201)
    async def propose_one(request: Request) -> Response:
        """Propose one; it counts once somebody else approved it."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: ProposeTermBody) -> Outcome:
            return _outcome(propose_term(body.said(uow.now), body.reason, actor_of(caller), uow), 201)

        return await propose.handle(request, caller, execute)

    @app.post("/terms/{term_id}/approve")
    async def approve_one(request: Request, term_id: TermId) -> Response:
        """Let it count, from its moment on and never from before this one."""
        caller = OperatorCaller(verifier, request, OperatorRole.APPROVER)

        def execute(uow: ReconciliationUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(approve_term(term_id, body.reason, actor_of(caller), uow), 200)

        return await approve.handle(request, caller, execute, path_ids={"term_id": term_id})

    @app.post("/terms/{term_id}/reject")
    async def reject_one(request: Request, term_id: TermId) -> Response:
        """End a proposal."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(reject_term(term_id, body.reason, actor_of(caller), uow), 200)

        return await reject.handle(request, caller, execute, path_ids={"term_id": term_id})


def term_view(term_id: str, uow: ReconciliationUnitOfWork) -> dict[str, Any]:
    """The term as people see it, or the caller's mistake."""
    found = one_term(uow.connection, term_id)
    if found is None:
        raise Rejected("term_not_found", f"there is no term {term_id}", status=404, stored=False)
    return shown(found)


def _outcome(term: Term, status: int) -> Outcome:
    return Outcome(resource_id=term.term_id, reply=json_answer(status, shown(term)))


def _render(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    return json_answer(200, term_view(resource_id, uow))
