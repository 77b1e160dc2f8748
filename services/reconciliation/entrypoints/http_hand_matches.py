"""Operators match by hand what no rule matches, and take it back, in twos."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, FastAPI, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from services.reconciliation.adapters.hand_matches import list_hand_matches, one_hand_match
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.match_by_hand import (
    approve_hand_match,
    approve_taking_back,
    keep_hand_match,
    propose_hand_match,
    propose_taking_back,
    reject_hand_match,
)
from services.reconciliation.domain.hand_matches import MEMBERS_MAX, HandMatch
from shared.kernel.errors import Rejected
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import LIST_MAX, OperatorCaller, Reason, ReasonBody, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

HandMatchId = Annotated[str, Path(pattern="^hnd_[0-9a-z]{26}$")]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]
SourceName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")]
Names = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=255)]], Field(min_length=1, max_length=MEMBERS_MAX)
]
State = Literal["PROPOSED", "APPROVED", "BACK_PROPOSED", "REJECTED", "TAKEN_BACK", "OUTDATED"]
Decision = Callable[..., HandMatch]

#: What is decided of one, by the last part of its path; and who may.
DECISIONS: Final[dict[str, tuple[OperatorRole, Decision]]] = {
    "approve": (OperatorRole.APPROVER, approve_hand_match),
    "reject": (OperatorRole.OPERATOR, reject_hand_match),
    "take-back": (OperatorRole.OPERATOR, propose_taking_back),
    "approve-take-back": (OperatorRole.APPROVER, approve_taking_back),
    "keep": (OperatorRole.OPERATOR, keep_hand_match),
}


class ProposeHandMatchBody(ApiModel):
    """POST /hand-matches: lines of one source, and the items of ours that they are."""

    source: SourceName
    line_ids: Names
    item_keys: Names
    reason: Reason


def add_hand_matches(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the routes."""
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))
    propose = http.endpoint("POST", "/hand-matches", ProposeHandMatchBody, render=_render)

    @app.get("/hand-matches", dependencies=[viewer])
    def hand_matches(state: State | None = None, source: str | None = None, limit: Limit = 100) -> Response:
        """Matches by hand, the newest proposal first."""
        found = transactions.read(
            lambda uow: list_hand_matches(uow.connection, state=state, source=source, limit=limit),
            name="hand matches",
        )
        return document({"data": found})

    @app.get("/hand-matches/{hand_match_id}", dependencies=[viewer])
    def one(hand_match_id: HandMatchId) -> Response:
        """One of them with its lines and items, and who did what to it."""
        return document(transactions.read(lambda uow: hand_match_view(hand_match_id, uow), name="hand match"))

    @app.post("/hand-matches", status_code=201)
    async def propose_one(request: Request) -> Response:
        """Pair lines with items; runs match them once somebody else approved it."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: ProposeHandMatchBody) -> Outcome:
            made = propose_hand_match(
                body.source, body.line_ids, body.item_keys, body.reason, actor_of(caller), uow
            )
            return _outcome(made, uow, 201)

        return await propose.handle(request, caller, execute)

    for name, (role, step) in DECISIONS.items():
        _add_decision(app, http, verifier, name, role, step)


def _add_decision(
    app: FastAPI,
    http: IdempotentHttp[ReconciliationUnitOfWork],
    verifier: TokenVerifier | None,
    name: str,
    role: OperatorRole,
    step: Decision,
) -> None:
    path = f"/hand-matches/{{hand_match_id}}/{name}"
    endpoint = http.endpoint("POST", path, ReasonBody, render=_render)

    @app.post(path, name=f"hand_match_{name}", description=step.__doc__)
    async def decide_one(request: Request, hand_match_id: HandMatchId) -> Response:
        caller = OperatorCaller(verifier, request, role)

        def execute(uow: ReconciliationUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(step(hand_match_id, body.reason, actor_of(caller), uow), uow, 200)

        return await endpoint.handle(request, caller, execute, path_ids={"hand_match_id": hand_match_id})


def hand_match_view(hand_match_id: str, uow: ReconciliationUnitOfWork) -> dict[str, Any]:
    """The match as people see it, or the caller's mistake."""
    found = one_hand_match(uow.connection, hand_match_id)
    if found is None:
        raise Rejected(
            "hand_match_not_found", f"there is no match by hand {hand_match_id}", status=404, stored=False
        )
    return found


def _outcome(made: HandMatch, uow: ReconciliationUnitOfWork, status: int) -> Outcome:
    shown = json_answer(status, hand_match_view(made.hand_match_id, uow))
    return Outcome(resource_id=made.hand_match_id, reply=shown)


def _render(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    return json_answer(200, hand_match_view(resource_id, uow))
