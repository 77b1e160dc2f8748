"""What is known of one payment, object or line, over HTTP."""

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query
from starlette.responses import Response

from services.reconciliation.adapters.traces import Asked, trace
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from shared.runtime.http import document
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, operator_with

NAME_CHARS_MAX: Final = 255
Name = Annotated[str | None, Query(min_length=1, max_length=NAME_CHARS_MAX)]


def add_trace(
    app: FastAPI, http: IdempotentHttp[ReconciliationUnitOfWork], verifier: TokenVerifier | None
) -> None:
    """Add the route."""
    viewer = Depends(operator_with(verifier, OperatorRole.VIEWER))

    @app.get("/trace", dependencies=[viewer])
    def one(
        payment_id: Annotated[str | None, Query(pattern="^pay_[0-9a-z]{26}$")] = None,
        object_id: Name = None,
        source: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = None,
        line_id: Name = None,
    ) -> Response:
        """What is known of a payment, of an object, or of a line of a source.

        Our items and every revision of the lines, each with the rule that matched it; payouts with the bank's credits;
        breaks. `truncated` where more items or lines name it than are shown.
        """
        asked = Asked(payment_id=payment_id, object_id=object_id, source=source, line_id=line_id)
        return document(http.transactions.read(lambda uow: trace(uow.connection, asked), name="trace"))
