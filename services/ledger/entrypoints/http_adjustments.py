"""Operators' adjustments: propose, approve, reject, reverse under an idempotency key; list, look at, templates."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Depends, FastAPI, Path, Query, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from services.ledger.adapters.adjustments import list_adjustments
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.adjust_books import (
    approve_adjustment,
    propose_adjustment,
    propose_reversal,
    reject_adjustment,
    stored_adjustment,
)
from services.ledger.domain.adjustment_templates import PARAMETERS, TEMPLATES
from services.ledger.domain.adjustments import Adjustment, Proposed
from shared.kernel.decisions import DecisionState
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.models import CURRENCY, PRINTABLE, ApiModel
from shared.runtime.operator_http import LIST_MAX, OperatorCaller, Reason, ReasonBody, actor_of
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

AdjustmentId = Annotated[str, Path(pattern="^adj_[0-9a-z]{26}$")]
Attachment = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    PRINTABLE,
    Field(description="Where the document lies that says so: a ticket, a file's digest."),
]
Value = Annotated[str, StringConstraints(max_length=512)]


class ProposeBody(ApiModel):
    """POST /adjustments: a template filled in. GET /adjustment-templates says what each takes."""

    template: Annotated[str, StringConstraints(max_length=64)]
    amount: Annotated[int, Field(description="In minor units, above zero.")]
    currency: Annotated[str, StringConstraints(max_length=16), CURRENCY]
    merchant_id: Value | None = None
    clearing_key: Value | None = None
    processor: Value | None = None
    account: Value | None = None
    bank_account: Value | None = None
    reason: Reason
    attachment: Attachment

    def proposed(self) -> Proposed:
        """What is asked for."""
        given = {name: getattr(self, name) for name in PARAMETERS}
        return Proposed(
            template=self.template,
            parameters={name: value for name, value in given.items() if value is not None},
            amount_minor=self.amount,
            currency=self.currency,
            reason=self.reason,
            attachment=self.attachment,
        )


class ReverseBody(ApiModel):
    """POST /adjustments/{adjustment_id}/reverse."""

    reason: Reason
    attachment: Attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentView:
    """An adjustment with its life."""

    id: str
    template: str
    parameters: dict[str, str]
    amount: int
    currency: str
    reason: str
    attachment: str
    reverses: str | None
    state: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None
    journal_id: str | None

    @classmethod
    def of(cls, stored: Adjustment) -> Self:
        """As the API shows it."""
        return cls(
            id=stored.adjustment_id,
            template=stored.template,
            parameters=dict(stored.parameters),
            amount=stored.amount_minor,
            currency=stored.currency,
            reason=stored.reason,
            attachment=stored.attachment,
            reverses=stored.reverses_adjustment_id,
            state=stored.state.value,
            proposed_by=stored.proposed_by,
            proposed_at=stored.proposed_at,
            decided_by=stored.decided_by,
            decided_at=stored.decided_at,
            decision_reason=stored.decision_reason,
            journal_id=stored.journal_id,
        )


def add_adjustments(
    app: FastAPI, http: IdempotentHttp[LedgerUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the routes to the ledger's application."""
    _add_reads(app, http, verifier)
    _add_proposals(app, http, verifier)
    _add_decisions(app, http, verifier)


def templates_for_people() -> list[dict[str, Any]]:
    """Every template with what it takes, where it books, and what bounds it.

    ``floor``: whose balance it leaves at zero or above. ``takes_back``: whose it takes towards zero, never past.
    """
    return [
        {
            "template": template.name,
            "takes": list(template.takes),
            "floor": None if template.floor is None else template.floor.name,
            "takes_back": None if template.takes_back is None else template.takes_back.name,
            "purpose": template.purpose,
            **{leg.side.value: leg.family.name for leg in template.legs},
        }
        for template in TEMPLATES.values()
    ]


def _add_reads(app: FastAPI, http: IdempotentHttp[LedgerUnitOfWork], verifier: TokenVerifier | None) -> None:
    transactions = http.transactions
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/adjustment-templates", dependencies=[viewer])
    def templates() -> Response:
        """What may be booked by hand."""
        return document({"data": templates_for_people()})

    @app.get("/adjustments", dependencies=[viewer])
    def adjustments(
        state: DecisionState | None = None, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 100
    ) -> Response:
        """Adjustments, newest first."""
        found = transactions.read(
            lambda uow: list_adjustments(uow.connection, state, limit), name="adjustments"
        )
        return document({"data": [AdjustmentView.of(each) for each in found]})

    @app.get("/adjustments/{adjustment_id}", dependencies=[viewer])
    def adjustment(adjustment_id: AdjustmentId) -> Response:
        """One adjustment."""
        found = transactions.read(lambda uow: stored_adjustment(adjustment_id, uow), name="adjustment")
        return document(AdjustmentView.of(found))


def _add_proposals(
    app: FastAPI, http: IdempotentHttp[LedgerUnitOfWork], verifier: TokenVerifier | None
) -> None:
    propose = http.endpoint("POST", "/adjustments", ProposeBody, render=_render)
    reverse = http.endpoint("POST", "/adjustments/{adjustment_id}/reverse", ReverseBody, render=_render)

    @app.post("/adjustments", status_code=201)
    async def propose_one(request: Request) -> Response:
        """Propose an adjustment; it is booked when somebody else approves it."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: LedgerUnitOfWork, body: ProposeBody) -> Outcome:
            return _outcome(propose_adjustment(body.proposed(), actor_of(caller), uow), 201)

        return await propose.handle(request, caller, execute)

    @app.post("/adjustments/{adjustment_id}/reverse", status_code=201)
    async def reverse_one(request: Request, adjustment_id: AdjustmentId) -> Response:
        """Propose to take an approved adjustment back, exactly and once."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: LedgerUnitOfWork, body: ReverseBody) -> Outcome:
            made = propose_reversal(adjustment_id, body.reason, body.attachment, actor_of(caller), uow)
            return _outcome(made, 201)

        ids = {"adjustment_id": adjustment_id}
        return await reverse.handle(request, caller, execute, path_ids=ids)


def _add_decisions(
    app: FastAPI, http: IdempotentHttp[LedgerUnitOfWork], verifier: TokenVerifier | None
) -> None:
    approve = http.endpoint("POST", "/adjustments/{adjustment_id}/approve", ReasonBody, render=_render)
    reject = http.endpoint("POST", "/adjustments/{adjustment_id}/reject", ReasonBody, render=_render)

    @app.post("/adjustments/{adjustment_id}/approve")
    async def approve_one(request: Request, adjustment_id: AdjustmentId) -> Response:
        """Book an adjustment that somebody else proposed."""
        caller = OperatorCaller(verifier, request, OperatorRole.APPROVER)

        def execute(uow: LedgerUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(approve_adjustment(adjustment_id, body.reason, actor_of(caller), uow), 200)

        ids = {"adjustment_id": adjustment_id}
        return await approve.handle(request, caller, execute, path_ids=ids)

    @app.post("/adjustments/{adjustment_id}/reject")
    async def reject_one(request: Request, adjustment_id: AdjustmentId) -> Response:
        """End a proposal."""
        caller = OperatorCaller(verifier, request, OperatorRole.OPERATOR)

        def execute(uow: LedgerUnitOfWork, body: ReasonBody) -> Outcome:
            return _outcome(reject_adjustment(adjustment_id, body.reason, actor_of(caller), uow), 200)

        ids = {"adjustment_id": adjustment_id}
        return await reject.handle(request, caller, execute, path_ids=ids)


def _outcome(stored: Adjustment, status: int) -> Outcome:
    return Outcome(resource_id=stored.adjustment_id, reply=json_answer(status, AdjustmentView.of(stored)))


def _render(uow: LedgerUnitOfWork, resource_id: str) -> Reply:
    """Only asked for where a reply was not stored with its effect, which here it always is."""
    return json_answer(200, AdjustmentView.of(stored_adjustment(resource_id, uow)))
