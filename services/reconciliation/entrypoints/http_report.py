"""The report page over HTTP."""

from datetime import date
from typing import Final

from fastapi import Depends, FastAPI
from starlette.responses import HTMLResponse

from services.reconciliation.adapters.report_figures import report_figures
from services.reconciliation.adapters.report_page import report_page
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

_SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def add_report(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the route."""
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/report", dependencies=[viewer], response_class=HTMLResponse)
    def report(first_day: date, last_day: date) -> HTMLResponse:
        """Some days as one page, for screen and paper."""
        figures = http.transactions.read(
            lambda uow: report_figures(uow.connection, uow.now, first_day, last_day), name="report"
        )
        return HTMLResponse(report_page(figures), headers=_SAFE)
