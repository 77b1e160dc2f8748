"""The routes for operators that every service with the idempotency layer has, put together once."""

from __future__ import annotations

from typing import TypeVar

from fastapi import APIRouter

from shared.persistence.unit_of_work import UnitOfWork
from shared.runtime.idempotency_keys_http import IdempotencyKeysApi
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.operations import Operations
from shared.runtime.operator_http import ParkedKeysApi
from shared.runtime.operator_tokens import TokenVerifier

U = TypeVar("U", bound=UnitOfWork)


def mechanism_routes(
    http: IdempotentHttp[U], operations: Operations[U], verifier: TokenVerifier | None
) -> APIRouter:
    """Parked keys and idempotency keys; without a verifier nobody gets in."""
    router = APIRouter()
    router.routes.extend(ParkedKeysApi(http, operations, verifier).router().routes)
    router.routes.extend(IdempotencyKeysApi(http, verifier).router().routes)
    return router
