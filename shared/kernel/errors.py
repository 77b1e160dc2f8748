"""The kinds of error: a wrong caller, a message that can never work, a broken promise of ours, and doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Rejected(Exception):  # noqa: N818  # names what happened to the caller's wish, not a fault of ours
    """The caller is wrong; ``code`` is stable and shown to callers.

    ``stored`` tells the idempotency layer to keep this answer for the key; validation failures leave it free.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 409,
        param: str | None = None,
        stored: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.param = param
        self.stored = stored
        self.extra: Mapping[str, Any] = dict(extra or {})


class Poison(Exception):  # noqa: N818  # the domain's own word for such a message
    """A message that can never work, however often it is tried; its key is parked.

    A ``code`` is stable and stands first in the reason, as in those of messages that break their contract.
    """

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        self.reason = f"{code}: {reason}" if code else reason
        super().__init__(self.reason)


class InvariantViolation(Exception):  # noqa: N818  # says which promise broke
    """A promise of our own does not hold. The process ends and somebody looks.

    Caught only where one of many is set aside for it, which is told as loudly: none of the others must wait for it.
    """

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail


class LeaseLost(Exception):  # noqa: N818  # an event in the life of an owner
    """Somebody else owns the work now; whatever was in progress must not be recorded."""


class CommitUnknown(Exception):  # noqa: N818  # a state of knowledge
    """The connection died at COMMIT and the outcome could not be looked up in time.

    Nothing may be assumed: a caller asks again by its own key (idempotency key, event id, resource id).
    """

    def __init__(self, name: str, transaction_id: str, detail: str) -> None:
        super().__init__(f"{name}: outcome of transaction {transaction_id} unknown: {detail}")
        self.name = name
        self.transaction_id = transaction_id
