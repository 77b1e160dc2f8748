"""Operators look for breaks: by what they are, whose they are and what they are about; and say whose they are."""

from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.reconciliation.adapters.break_queue import Wanted, queue
from services.reconciliation.adapters.breaks import shown
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.assign_break import assign_break
from services.reconciliation.domain.break_life import UNSETTLED, BreakState
from services.reconciliation.domain.breaks import BreakType
from services.reconciliation.entrypoints.http_bulk import Owner
from services.reconciliation.entrypoints.http_matching import BreakId, break_view
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import LIST_MAX, OperatorCaller, Reason, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

State = Literal["unsettled", "OPEN", "DEFERRED", "PROPOSED", "APPLYING", "RESOLVED", "SELF_CLOSED"]
AGE_MAX_DAYS = 36_500


class Filters(ApiModel):
    """GET /breaks: all of it has to fit."""

    # An address says everything as text.
    model_config = ConfigDict(strict=False)

    state: State = "unsettled"
    kind: BreakType | None = None
    currency: Annotated[str | None, Field(pattern="^[A-Z]{3}$")] = None
    owner: Annotated[Owner | None, Field(description="Only what is theirs.")] = None
    unowned: Annotated[bool, Field(description="Only what is nobody's.")] = False
    age_min_days: Annotated[int | None, Field(ge=0, le=AGE_MAX_DAYS)] = None
    at_risk_min_minor: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    payout_id: Annotated[
        str | None, Field(pattern="^[!-~]{1,255}$", description="The payout, and lines of it.")
    ] = None
    file_id: Annotated[
        str | None, Field(pattern="^file_[0-9a-z]{26}$", description="Lines that stand as it says.")
    ] = None
    cursor: Annotated[str | None, Field(max_length=64, description="next_cursor of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=LIST_MAX)] = 100

    def meant(self) -> Wanted:
        """The same in the queue's words."""
        said = self.model_dump(exclude={"state", "limit", "kind"})
        kind = None if self.kind is None else self.kind.value
        return Wanted(states=states_of(self.state), kind=kind, **said)


class AssignBody(ApiModel):
    """POST /breaks/{break_id}/assign: to whom, and why."""

    owner: Annotated[Owner | None, Field(description="Whose it is from now on; nobody's without.")] = None
    reason: Reason


def add_break_queue(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the routes."""
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))
    assign = http.endpoint("POST", "/breaks/{break_id}/assign", AssignBody, render=_render)

    @app.get("/breaks", dependencies=[viewer])
    def breaks(filters: Annotated[Filters, Query()]) -> Response:
        """Breaks that fit, the most money at risk first, a page at a time."""
        found = transactions.read(
            lambda uow: queue(uow.connection, uow.now, filters.meant(), limit=filters.limit), name="breaks"
        )
        return document({"data": found.breaks, "next_cursor": found.next_cursor})

    @app.get("/breaks/{break_id}", dependencies=[viewer])
    def one(break_id: BreakId) -> Response:
        """One break with its history, the usual cause and what to do."""
        return document(transactions.read(lambda uow: break_view(break_id, uow), name="break"))

    @app.post("/breaks/{break_id}/assign")
    async def assign_one(request: Request, break_id: BreakId) -> Response:
        """Say whose it is; what was decided or proposed of it stays as it is."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: AssignBody) -> Outcome:
            stored = assign_break(break_id, body.owner, body.reason, actor_of(caller), uow)
            return Outcome(resource_id=break_id, reply=json_answer(200, shown(stored, uow.now)))

        return await assign.handle(request, caller, execute, path_ids={"break_id": break_id})


def states_of(state: str) -> tuple[BreakState, ...]:
    """The states that a filter means."""
    return UNSETTLED if state == "unsettled" else (BreakState(state),)


def _render(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    return json_answer(200, break_view(resource_id, uow))
