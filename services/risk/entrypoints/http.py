"""The operator API of risk: rule sets are proposed, tried, approved by somebody else; decisions are read."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request
from starlette.responses import Response

from services.risk.adapters.read_models import decisions_of, list_rule_sets
from services.risk.adapters.unit_of_work import RiskUnitOfWork
from services.risk.app.change_rules import (
    approve_rule_set,
    propose_rule_set,
    reject_rule_set,
    stored_rule_set,
)
from services.risk.app.ports import StoredRuleSet
from services.risk.app.try_rules import try_rules
from services.risk.app.views import RuleSetLife, RuleSetView
from services.risk.domain.attempts import Attempt, OperationType
from services.risk.entrypoints.requests import ProposeBody, ReasonBody, TryBody
from shared.persistence.idempotency import Principal
from shared.persistence.unit_of_work import Transactions
from shared.runtime.http import api, document, read_json_body, request_id, take_in
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Reply, json_answer
from shared.runtime.mechanism_routes import mechanism_routes
from shared.runtime.operations import Operations
from shared.runtime.operator_http import LIST_MAX, acting
from shared.runtime.operator_tokens import Operator, OperatorRole, TokenVerifier, operator_with

Version = Annotated[int, Path(ge=1, le=2_147_483_647)]
PaymentId = Annotated[str, Query(pattern="^pay_[0-9a-z]{26}$")]


def make_app(
    http: IdempotentHttp[RiskUnitOfWork],
    verifier: TokenVerifier | None,
    operations: Operations[RiskUnitOfWork],
) -> FastAPI:
    """Return the application; without a verifier nobody gets in."""
    app = api(title="risk")
    app.bodies = http.bodies
    take_in(app, mechanism_routes(http, operations, verifier))
    _add_reads(app, http, verifier)
    _add_changes(app, http, verifier)
    return app


def _add_reads(app: FastAPI, http: IdempotentHttp[RiskUnitOfWork], verifier: TokenVerifier | None) -> None:
    transactions = http.transactions
    viewer = operator_with(verifier, OperatorRole.VIEWER)

    @app.get("/rule-sets", dependencies=[Depends(viewer)])
    def rule_sets(limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 100) -> Response:
        """Rule sets, newest first."""
        found = transactions.read(lambda uow: list_rule_sets(uow.connection, limit), name="rule sets")
        return document({"data": found})

    @app.get("/rule-sets/{version}", dependencies=[Depends(viewer)])
    def rule_set(version: Version) -> Response:
        """One rule set."""
        return document(transactions.read(lambda uow: _view(stored_rule_set(version, uow)), name="rule set"))

    @app.get("/decisions", dependencies=[Depends(viewer)])
    def decisions(payment: PaymentId) -> Response:
        """What was decided of a payment, oldest first."""
        found = transactions.read(lambda uow: decisions_of(uow.connection, payment), name="decisions")
        return document({"data": found})

    @app.post("/rule-sets/{version}/try", dependencies=[Depends(viewer)])
    async def attempt(version: Version, request: Request) -> Response:
        """What a rule set would say of a payment.

        Needs no idempotency key: nothing is counted or kept that a second call could count twice.
        """
        body = await read_json_body(request, TryBody)
        said = await http.threads.run(_try, transactions, version, body)
        return document(said)


def _try(transactions: Transactions[RiskUnitOfWork], version: int, body: TryBody) -> dict[str, Any]:
    def work(uow: RiskUnitOfWork) -> dict[str, Any]:
        judgement = try_rules(version, tried_attempt(body, uow), uow)
        return {
            "rule_set_version": version,
            "decision": judgement.verdict.value,
            "reasons": judgement.reasons,
        }

    return transactions.read(work, name="try rules")


def tried_attempt(body: TryBody, uow: RiskUnitOfWork) -> Attempt:
    """A payment that nobody made, as of now."""
    return Attempt(
        operation_id="op_tried",
        payment_id="pay_tried",
        payment_version=1,
        merchant_id=body.merchant,
        operation_type=OperationType(body.operation),
        amount_minor=body.amount,
        currency=body.currency,
        at=uow.now,
        customer=body.customer,
        payment_method=body.payment_method,
    )


def _add_changes(app: FastAPI, http: IdempotentHttp[RiskUnitOfWork], verifier: TokenVerifier | None) -> None:
    propose = http.endpoint("POST", "/rule-sets", ProposeBody, render=_render_created)
    approve = http.endpoint("POST", "/rule-sets/{version}/approve", ReasonBody, render=_render)
    reject = http.endpoint("POST", "/rule-sets/{version}/reject", ReasonBody, render=_render)
    operator = Depends(operator_with(verifier, OperatorRole.OPERATOR))
    approver = Depends(operator_with(verifier, OperatorRole.APPROVER))

    @app.post("/rule-sets", status_code=201)
    async def propose_one(request: Request, who: Annotated[Operator, operator]) -> Response:
        """Propose a whole rule set; it takes effect when somebody else approves it."""

        def execute(uow: RiskUnitOfWork, body: ProposeBody) -> Outcome:
            made = propose_rule_set(body.rules.document(), body.reason, acting(who, request_id(request)), uow)
            return Outcome(resource_id=str(made.version), reply=json_answer(201, _view(made)))

        return await propose.handle(request, _principal(who), execute)

    @app.post("/rule-sets/{version}/approve")
    async def approve_one(request: Request, version: Version, who: Annotated[Operator, approver]) -> Response:
        """Put a proposal of somebody else in force."""

        def execute(uow: RiskUnitOfWork, body: ReasonBody) -> Outcome:
            return _decided(approve_rule_set(version, body.reason, acting(who, request_id(request)), uow))

        return await approve.handle(request, _principal(who), execute, path_ids={"version": str(version)})

    @app.post("/rule-sets/{version}/reject")
    async def reject_one(request: Request, version: Version, who: Annotated[Operator, operator]) -> Response:
        """End a proposal."""

        def execute(uow: RiskUnitOfWork, body: ReasonBody) -> Outcome:
            return _decided(reject_rule_set(version, body.reason, acting(who, request_id(request)), uow))

        return await reject.handle(request, _principal(who), execute, path_ids={"version": str(version)})


def _principal(who: Operator) -> Principal:
    """Each operator has keys of their own."""
    return Principal(owner_id=f"operator:{who.subject}", mode="operator")


def _decided(stored: StoredRuleSet) -> Outcome:
    return Outcome(resource_id=str(stored.version), reply=_life(stored))


def _render(uow: RiskUnitOfWork, resource_id: str) -> Reply:
    return _life(stored_rule_set(int(resource_id), uow))


def _render_created(uow: RiskUnitOfWork, resource_id: str) -> Reply:
    return json_answer(201, _view(stored_rule_set(int(resource_id), uow)))


def _life(stored: StoredRuleSet) -> Reply:
    """A proposal came within a body, so its reply can be kept; a decision may be about rules from a terminal."""
    return json_answer(200, RuleSetLife.of(stored))


def _view(stored: StoredRuleSet) -> RuleSetView:
    return RuleSetView.of(stored)
