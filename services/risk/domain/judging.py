"""Judging one attempt: every rule is asked, the gravest answer decides, and every rule that was hit is named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.risk.domain.attempts import Attempt
from services.risk.domain.rules import Counted, RuleSet, Verdict

_GRAVITY: Final = {Verdict.ALLOW: 0, Verdict.REVIEW: 1, Verdict.BLOCK: 2}
#: More would fit no event; that so many rules were hit says enough.
REASONS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules of one version say; the reasons are the rules that were hit, the gravest first."""

    verdict: Verdict
    reasons: tuple[str, ...]
    rule_set_version: int


def judge(rules: RuleSet, attempt: Attempt, counted: Mapping[str, Counted]) -> Judgement:
    """Judge; ``counted`` holds, by the name of each velocity rule that asks about it, what its window held."""
    hits = [(Verdict.BLOCK, reason) for reason in rules.blocked.reasons(attempt)]
    hits += [(limit.verdict, limit.reason) for limit in rules.limits if limit.hit_by(attempt)]
    hits += [
        (rule.verdict, rule.reason)
        for rule in rules.velocity
        if rule.asks_about(attempt) and rule.exceeded_by(counted[rule.name])
    ]
    hits.sort(key=lambda hit: -_GRAVITY[hit[0]])
    verdict = hits[0][0] if hits else Verdict.ALLOW
    return Judgement(verdict, tuple(reason for _, reason in hits[:REASONS_MAX]), rules.version)
