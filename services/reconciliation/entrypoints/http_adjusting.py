"""Operators ask the ledger to adjust the books for a break: which template, filled in how, and why."""

from typing import Annotated

from fastapi import FastAPI, Request
from pydantic import Field
from starlette.responses import Response

from services.reconciliation.adapters.breaks import shown
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.propose_adjustment import WantedAdjustment, propose_adjustment
from services.reconciliation.entrypoints.http_matching import BreakId, break_view
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import ApiModel
from shared.runtime.operator_http import OperatorCaller, Reason, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier


class AdjustBody(ApiModel):
    """POST /breaks/{break_id}/adjust: one of the ledger's templates (GET /adjustment-templates there), filled in."""

    template: Annotated[str, Field(pattern="^[a-z][a-z_]{0,63}$")]
    amount_minor: Annotated[
        int | None, Field(gt=0, description="All that is at risk, where it is left out.")
    ] = None
    merchant_id: Annotated[str | None, Field(pattern="^mer_[0-9a-z]{26}$")] = None
    clearing_key: Annotated[str | None, Field(pattern="^[!-~]{1,512}$")] = None
    processor: Annotated[str | None, Field(pattern="^[a-z][a-z0-9_]{0,31}$")] = None
    account: Annotated[str | None, Field(pattern="^[!-~]{1,64}$")] = None
    bank_account: Annotated[str | None, Field(pattern="^[a-z][a-z0-9_]{0,31}$")] = None
    reason: Reason


def add_adjusting(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the route."""
    adjust = http.endpoint("POST", "/breaks/{break_id}/adjust", AdjustBody, render=_render)

    @app.post("/breaks/{break_id}/adjust")
    async def adjust_one(request: Request, break_id: BreakId) -> Response:
        """Propose an adjustment or write-off; somebody else has to approve it here, and then at the ledger."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: ReconciliationUnitOfWork, body: AdjustBody) -> Outcome:
            wanted = WantedAdjustment(
                template=body.template,
                parameters=body.model_dump(exclude={"template", "amount_minor", "reason"}, exclude_none=True),
                amount_minor=body.amount_minor,
            )
            stored = propose_adjustment(break_id, wanted, body.reason, actor_of(caller), uow)
            return Outcome(resource_id=break_id, reply=json_answer(200, shown(stored, uow.now)))

        return await adjust.handle(request, caller, execute, path_ids={"break_id": break_id})


def _render(uow: ReconciliationUnitOfWork, resource_id: str) -> Reply:
    return json_answer(200, break_view(resource_id, uow))
