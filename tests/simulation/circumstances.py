"""How the world of one seed is set up: on which terms risk is asked, which rules and routes come when, who is down when."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.kernel.months import Month
from shared.testing.virtual_clock import START

PROCESSORS = ("alpha", "beta")
CURRENCIES = ("EUR", "USD", "JPY")
OPERATIONS = ("authorize", "sale", "capture")
CUSTOMERS = ("cus_1", "cus_2", "cus_3")
CHANGES_UNTIL_S = 20.0
"""Later than this nobody asks for anything that a rule or a route would be for."""
OUTAGE_S_MAX = 25.0
BETA_HASTE_S = 6.0
"""A window that is shorter than the network holds a request back."""
BETA_HELD_BACK = 0.35
"""How often the network does so, in a world that has such a window."""
MONTH = Month.starting_at(START)
"""The month in which every world begins."""
SMALL_MINOR = ("authorize=10000,sale=10000,capture=10000", "authorize=4000,sale=4000,capture=2000")


@dataclass(frozen=True, slots=True)
class Route:
    """An operator lets payments go somewhere from a time on; no processor takes the rule back."""

    at_s: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outage:
    """A processor that does not answer for a while, and tells nothing; ``manner`` is what a call meets."""

    processor: str
    begins_s: float
    ends_s: float
    manner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a seed decides before anything happens."""

    risk_mode: str
    risk_deadline_ms: int
    risk_recheck_after_s: float
    risk_small_minor: str
    rule_sets: Sequence[tuple[float, Mapping[str, Any]]]
    """When which rules are proposed."""
    default_processor: str
    routes: Sequence[Route]
    outages: Sequence[Outage]
    beta_list_delay_ms: int
    beta_visibility_window_s: float
    stray_policy: str
    stray_return_after_s: float
    month_ends_s: float | None
    """When the month is over in which the world begins, where that comes soon enough for anybody to close it."""
    revocations: Sequence[tuple[float, str]]
    """When which merchant's key is revoked."""
    beta_held_back: float = BETA_HELD_BACK
    ladders: str = ""
    """Ladders that differ besides beta's, where one is to end soon enough to be waited for."""

    @classmethod
    def drawn(cls, chance: random.Random, merchants: Sequence[str]) -> "Circumstances":
        """Draw those of a seed."""
        rule_sets = sorted(chance.uniform(0.0, CHANGES_UNTIL_S) for _ in range(chance.choice([0, 1, 1, 2])))
        if rule_sets and chance.random() < 0.7:
            rule_sets[0] = 0.0
        routes = sorted(chance.uniform(0.0, CHANGES_UNTIL_S) for _ in range(chance.choice([0, 1, 2, 3])))
        if routes and chance.random() < 0.7:
            routes[0] = 0.0
        return cls(
            risk_mode="required" if chance.random() < 0.85 else "off",
            risk_deadline_ms=chance.choice([300, 300, 1_000, 5_000]),
            risk_recheck_after_s=chance.choice([2.0, 5.0, 86_400.0]),
            risk_small_minor=chance.choice(SMALL_MINOR),
            rule_sets=[(at_s, _rules(chance, merchants)) for at_s in rule_sets],
            default_processor=chance.choice(["alpha", "alpha", "beta"]),
            routes=[Route(at_s, _route(chance, merchants)) for at_s in routes],
            outages=[_outage(chance, name) for name in PROCESSORS if chance.random() < 0.15],
            beta_list_delay_ms=chance.choice([0, 500, 2_000]),
            # Under the shorter one what was given up may be done after all.
            beta_visibility_window_s=chance.choice([BETA_HASTE_S, BETA_HASTE_S, 40.0]),
            stray_policy="automatic" if chance.random() < 0.5 else "review",
            stray_return_after_s=chance.choice([0.0, 3.0, 8.0]),
            month_ends_s=chance.uniform(2.0, CHANGES_UNTIL_S) if chance.random() < 0.3 else None,
            revocations=sorted(
                (chance.uniform(1.0, CHANGES_UNTIL_S), merchant_id)
                for merchant_id in merchants
                if chance.random() < 0.15
            ),
        )

    @property
    def in_haste(self) -> bool:
        """Whether beta's attempts are given up before what is held back has arrived: the way to strays as asked for."""
        return self.beta_visibility_window_s == BETA_HASTE_S

    @property
    def begins_at(self) -> datetime:
        """The time of the world's first moment."""
        return START if self.month_ends_s is None else MONTH.ends_at - timedelta(seconds=self.month_ends_s)

    def down(self, processor: str, at_s: float) -> Outage | None:
        """The outage of a processor at a time."""
        return next(
            (o for o in self.outages if o.processor == processor and o.begins_s <= at_s < o.ends_s), None
        )


def _outage(chance: random.Random, processor: str) -> Outage:
    begins_s = chance.uniform(0.0, 12.0)
    manner = chance.choice(["refused", "refused", "lost", "unavailable"])
    return Outage(processor, begins_s, begins_s + chance.uniform(3.0, OUTAGE_S_MAX), manner)


def _route(chance: random.Random, merchants: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"processor": chance.choice(["beta", "beta", "alpha", None]), "reason": "by lot"}
    if chance.random() < 0.5:
        body["merchant"] = chance.choice(merchants)
    if chance.random() < 0.5:
        body["currency"] = chance.choice(CURRENCIES)
    return body


def _rules(chance: random.Random, merchants: Sequence[str]) -> dict[str, Any]:
    """A rule set in which some rules are hit at times, so that most payments still go through."""
    limits = [
        {
            "name": f"{decision}_{operation}_{currency.lower()}", "decision": decision, "currency": currency,
            "operations": [operation],
            # What is small without a decision may be too much for the rules: so a denial can come late.
            "max_minor": chance.choice([1_500, 6_000, 12_000, 17_000]),
        }
        for operation in OPERATIONS
        for currency in CURRENCIES
        for decision in ("review", "block")
        if chance.random() < (0.3 if decision == "review" else 0.2)
    ]  # fmt: skip
    velocity = []
    for subject in ("customer", "payment_method", "merchant"):
        if chance.random() < 0.15:
            decision = chance.choice(["review", "block"])
            velocity.append(
                {"name": f"often_{subject}", "subject": subject, "window_s": chance.choice([5, 3_600]),
                 "max_count": chance.randint(1, 3), "decision": decision}
            )  # fmt: skip
    blocked = []
    if chance.random() < 0.2:
        blocked.append({"merchant": chance.choice(merchants), "customer": chance.choice(CUSTOMERS)})
    return {"limits": limits, "velocity": velocity, "blocked": {"customers": blocked}}
