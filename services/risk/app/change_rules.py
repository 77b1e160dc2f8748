"""Rules change by two people: one proposes a whole set, another puts it in force; or it is rejected."""

from collections.abc import Mapping
from typing import Any

from services.risk.app.ports import RiskUnit, StoredRuleSet
from services.risk.domain.rule_set_states import RuleSetState, check_four_eyes, check_step
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor, OperatorAct


def propose_rule_set(document: Mapping[str, Any], reason: str, actor: Actor, work: RiskUnit) -> StoredRuleSet:
    """Add a proposal; what is in force stays in force."""
    work.rule_sets.lock()
    proposed = work.rule_sets.propose(document=document, proposed_by=actor.name, reason=reason)
    _announce(work, actor, "rule_set_proposed", proposed.version, reason)
    return proposed


def approve_rule_set(version: int, reason: str, actor: Actor, work: RiskUnit) -> StoredRuleSet:
    """Put a proposal in force; refused for its proposer, and where the rules changed since it was written."""
    in_force = work.rule_sets.lock()
    proposed = stored_rule_set(version, work)
    check_step(version, proposed.state, RuleSetState.ACTIVE)
    check_four_eyes(proposed.proposed_by, actor.name)
    if proposed.based_on_version != in_force:
        raise Rejected(
            "rule_set_outdated",
            f"rule set {version} was written against {proposed.based_on_version}; {in_force} is in force now",
            extra={"version": version, "in_force": in_force},
        )
    work.rule_sets.activate(version, approved_by=actor.name)
    _announce(work, actor, "rule_set_approved", version, reason)
    return stored_rule_set(version, work)


def reject_rule_set(version: int, reason: str, actor: Actor, work: RiskUnit) -> StoredRuleSet:
    """End a proposal; its proposer may, too."""
    work.rule_sets.lock()
    proposed = stored_rule_set(version, work)
    check_step(version, proposed.state, RuleSetState.REJECTED)
    work.rule_sets.reject(version, closed_by=actor.name)
    _announce(work, actor, "rule_set_rejected", version, reason)
    return stored_rule_set(version, work)


def stored_rule_set(version: int, work: RiskUnit) -> StoredRuleSet:
    """The rule set, or the caller's mistake."""
    found = work.rule_sets.get(version)
    if found is None:
        raise Rejected("rule_set_not_found", f"there is no rule set {version}", status=404, stored=False)
    return found


def _announce(work: RiskUnit, actor: Actor, action: str, version: int, reason: str) -> None:
    work.announce(OperatorAct(actor=actor, action=action, target=f"rule_set:{version}", reason=reason))
