"""What the ledger's routes share: kinds of parameters, who is asking, and the one answer for what is not theirs."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import Path, Query, Request
from pydantic import AfterValidator

from services.ledger.app.moments import AskedMoment, TimeKind
from services.ledger.app.pages import CURSOR_MAX
from services.ledger.app.statements import PAGE_MAX
from shared.kernel.errors import Rejected
from shared.kernel.moments import in_utc

Currency = Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217 code, upper case")]
Name = Annotated[
    str | None, Query(min_length=1, max_length=200, description="Exactly this one; else all there are")
]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many")]
After = Annotated[str | None, Query(max_length=CURSOR_MAX, description="next_cursor of the page before")]
Identifier = Annotated[str, Path(pattern="^[a-z]{2,8}_[0-9a-z]{1,40}$")]
Scope = Callable[[Request], str | None]
"""Who is asking: the merchant that the caller is confined to, or None for an operator."""
Now = Callable[[], datetime]
IN_UTC: Final = AfterValidator(in_utc)
At = Annotated[
    Annotated[datetime, IN_UTC] | None,
    Query(description="Just before this time, with its offset from UTC; without it now. Booked is when sealed."),
]  # fmt: skip
AsOf = Annotated[
    int | None,
    Query(ge=0, le=2**63 - 1, description="Seal position: the same one is answered the same for ever"),
]
By = Annotated[TimeKind, Query(description="Which time counts: that of booking or that of effect")]


def asked_moment(default: TimeKind) -> Callable[..., AskedMoment]:
    """A dependency: the moment that is asked about."""

    def asked(by: By = default, at: At = None, as_of: AsOf = None) -> AskedMoment:
        return AskedMoment(by=by, at=at, as_of=as_of)

    return asked


def owner_in_scope(scope: str | None, named: str | None, param: str) -> str:
    """Whose books are asked about: a merchant's own unless an operator names somebody."""
    wanted = named or scope
    if wanted is None:
        raise Rejected("field_missing", f"Name the {param}.", status=422, param=param, stored=False)
    if scope is not None and wanted != scope:
        raise not_found()
    return wanted


def not_found() -> Rejected:
    """What does not exist, and what is somebody else's, look the same."""
    return Rejected("not_found", "There is no such thing.", status=404, stored=False)
