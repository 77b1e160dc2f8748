"""Tries a rule set against a payment that nobody made: what it would say now, and nothing is counted or kept."""

from services.risk.app.change_rules import stored_rule_set
from services.risk.app.decide_operation import judgement_of, questions_of
from services.risk.app.ports import RiskUnit
from services.risk.domain.attempts import Attempt
from services.risk.domain.judging import Judgement
from services.risk.domain.rules import Counted, RuleSet


def try_rules(version: int, attempt: Attempt, work: RiskUnit) -> Judgement:
    """Judge by any version, in force or not, against what was really counted up to now."""
    rules = RuleSet.of(version, stored_rule_set(version, work).document)
    counts = {
        # What is tried was never stored, so it is added to what was.
        key: Counted(counted.attempts + 1, counted.amount_minor + attempt.amount_minor)
        for key, counted in work.attempts.count(questions_of(rules, [attempt])).items()
    }
    return judgement_of(rules, attempt, counts)
