"""Where new authorizations go, as an operator sets it: by merchant, by currency, by both, or for all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.payment.app.merchant_ports import Merchants
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRule:
    """One rule; an empty merchant or currency means all, no processor takes the rule back."""

    merchant_id: str
    currency: str
    processor: str | None
    reason: str
    set_by: str
    valid_from: datetime


class Routes(Protocol):
    """The rules."""

    def add(self, rule: RouteRule) -> None: ...

    def current(self) -> Sequence[RouteRule]:
        """The rules that hold now, the most special first."""
        ...


class RouteUnit(Protocol):
    """What one transaction offers these use cases."""

    @property
    def now(self) -> datetime: ...
    @property
    def merchants(self) -> Merchants: ...
    @property
    def routes(self) -> Routes: ...

    def acted(self, actor: Actor, action: str, target: str, reason: str) -> None:
        """Announce what an operator did."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoute:
    """An operator's wish."""

    processor: str | None
    reason: str
    actor: Actor
    merchant_id: str = ""
    currency: str = ""


def set_route(command: SetRoute, configured: Collection[str], uow: RouteUnit) -> RouteRule:
    """Let a rule hold for authorizations asked for from now on; what was asked for before stays where it is.

    Announced as an operator's act. Refused: a processor that is not configured, no reason, an unknown merchant.
    """
    if command.processor is not None and command.processor not in configured:
        raise Rejected(
            "processor_unknown",
            f"{command.processor} is not configured here; these are: {', '.join(sorted(configured))}",
            status=422,
            param="processor",
        )
    if not command.reason.strip():
        raise Rejected("reason_missing", "say why", status=422, param="reason")
    if command.merchant_id and not uow.merchants.exists(command.merchant_id):
        raise Rejected("merchant_not_found", f"there is no merchant {command.merchant_id}", status=404)
    rule = RouteRule(
        merchant_id=command.merchant_id,
        currency=command.currency,
        processor=command.processor,
        reason=command.reason.strip(),
        set_by=command.actor.name,
        valid_from=uow.now,
    )
    uow.routes.add(rule)
    target = f"route:{rule.merchant_id or 'all merchants'}:{rule.currency or 'all currencies'}"
    uow.acted(command.actor, "set_route", target, rule.reason)
    return rule
