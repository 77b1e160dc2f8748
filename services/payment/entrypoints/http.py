"""The payment service's application: the merchant API, the exchange of keys for read tokens, the operator API."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from services.payment.entrypoints.edge_parts import EdgeParts
from services.payment.entrypoints.http_disputes import DisputesApi
from services.payment.entrypoints.http_operators import DecisionsApi, operator_routes
from services.payment.entrypoints.http_payments import PaymentsApi
from services.payment.entrypoints.http_refunds import RefundsApi
from services.payment.entrypoints.http_risk_reviews import RiskReviewsApi
from services.payment.entrypoints.http_routes import RoutesApi
from shared.kernel.errors import Rejected
from shared.runtime.http import api, document, shortcut, take_in
from shared.runtime.mechanism_routes import mechanism_routes
from shared.runtime.operator_tokens import READ_LIFE_S


def make_app(parts: EdgeParts) -> FastAPI:
    """Return the application."""
    app = api(title="payment")
    app.bodies = parts.http.bodies
    payments = PaymentsApi(parts)
    take_in(app, payments.router())
    shortcut(app, "POST", "/payments", payments.create)
    take_in(app, RefundsApi(parts).router())
    take_in(app, DisputesApi(parts).router())
    take_in(app, _tokens(parts))
    take_in(app, operator_routes(parts))
    take_in(app, DecisionsApi(parts).router())
    take_in(app, mechanism_routes(parts.http, parts.operations, parts.operators))
    take_in(app, RiskReviewsApi(parts).router())
    take_in(app, RoutesApi(parts).router())
    return app


def _tokens(parts: EdgeParts) -> APIRouter:
    router = APIRouter()

    @router.post("/tokens", status_code=201)
    async def exchange(request: Request) -> Response:
        """Exchange the API key for a 15-minute token that reads balances and statements elsewhere.

        Needs no idempotency key: nothing is made that a second call could make twice, and a credential is
        nothing to keep.
        """
        principal = await parts.access.merchant(request)
        if parts.tokens is None:
            raise Rejected("tokens_unavailable", "No signing key is configured.", status=503, stored=False)
        token = parts.tokens.merchant_reader(principal.owner_id, principal.mode)
        reply = document({"token": token, "token_type": "Bearer", "expires_in": READ_LIFE_S})
        reply.status_code = 201
        reply.headers["Cache-Control"] = "no-store"
        return reply

    return router
