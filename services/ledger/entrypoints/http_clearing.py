"""``GET /clearing``: what has not returned to zero, for operators."""

from typing import Annotated

from fastapi import Depends, FastAPI, Query

from services.ledger.app.clearing import PAGE_MAX, Clearing, ClearingReport, ClearingWanted, report_clearing
from services.ledger.app.pages import BY_ACCOUNT, place_of
from services.ledger.entrypoints.http_parts import After
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with


def add_clearing(app: FastAPI, clearing: Clearing, operators: TokenVerifier | None) -> None:
    """Add the route to the ledger's application."""

    @app.get("/clearing", dependencies=[Depends(operator_with(operators, OperatorRole.VIEWER))])
    def clearing_report(
        family: Annotated[
            str | None, Query(min_length=1, max_length=200, description="Only this family of the chart")
        ] = None,
        currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217 code")] = None,
        min_age_s: Annotated[int, Query(ge=0, le=10**9, description="Open for at least so long")] = 0,
        cursor: After = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many")] = 100,
    ) -> ClearingReport:
        """Sums by family and currency of what is at least so old, and its keys, the oldest first, a page at a time."""
        wanted = ClearingWanted(
            family=family,
            currency=currency,
            min_age_s=min_age_s,
            limit=limit,
            after=place_of(cursor, BY_ACCOUNT),
        )
        return report_clearing(wanted, clearing)
