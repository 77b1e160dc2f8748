"""What plain SQL of the application role is refused: its own steps, lone approvals, changed rules, changed decisions."""

from __future__ import annotations

import psycopg
import pytest

from services.risk.app.change_rules import approve_rule_set, propose_rule_set, reject_rule_set
from services.risk.domain.rule_set_states import NEXT, RuleSetState
from services.risk.tests.attempts import attempt
from services.risk.tests.db.conftest import ADA, BOB
from shared.kernel.errors import Rejected

pytestmark = pytest.mark.db
PROPOSE = (
    "INSERT INTO rule_sets (version, state, document, based_on_version, proposed_by, proposed_at, reason)"
    " VALUES (2, 'PROPOSED', '{}', 1, 'ada', now(), 'a test')"
)
CLOSE = "UPDATE rule_sets SET state = 'RETIRED', closed_by = 'x', closed_at = now() WHERE version = 1"
APPROVE = "UPDATE rule_sets SET state = 'ACTIVE', approved_by = %s, activated_at = now() WHERE version = 2"
DECIDE = (
    "INSERT INTO decisions (decision_id, operation_id, payment_id, merchant_id, payment_version, operation_type,"
    " amount_minor, currency, rule_set_version, decision, reasons, cause_event_id, decided_at)"
    " VALUES (%s, 'op_1', 'pay_1', 'mer_1', 1, 'sale', 1, 'EUR', %s, 'allow', '{}', %s, now())"
)


def test_whoever_proposed_a_rule_set_cannot_approve_it(app_sql):
    app_sql.execute(PROPOSE)
    app_sql.execute(CLOSE)
    with pytest.raises(psycopg.errors.CheckViolation, match="rule_sets_four_eyes"):
        app_sql.execute(APPROVE, ["ada"])


def test_two_rule_sets_are_never_in_force(app_sql):
    app_sql.execute(PROPOSE)
    with pytest.raises(psycopg.errors.UniqueViolation, match="rule_sets_one_active"):
        app_sql.execute(APPROVE, ["bob"])


def test_the_rules_of_a_version_never_change(app_sql):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("UPDATE rule_sets SET document = '{}'")


def test_a_rule_set_is_not_born_active(app_sql):
    app_sql.execute(CLOSE)
    with pytest.raises(psycopg.errors.CheckViolation, match="born ACTIVE"):
        app_sql.execute(
            "INSERT INTO rule_sets (version, state, document, based_on_version, proposed_by, proposed_at, reason,"
            " approved_by, activated_at) VALUES (9, 'ACTIVE', '{}', 1, 'a', now(), 'r', 'b', now())"
        )


def test_sql_takes_exactly_the_steps_of_the_table(risk_urls):
    columns = {
        "PROPOSED": "approved_by = NULL, activated_at = NULL, closed_by = NULL, closed_at = NULL",
        "ACTIVE": "approved_by = 'b', activated_at = now(), closed_by = NULL, closed_at = NULL",
        "RETIRED": "approved_by = 'b', activated_at = now(), closed_by = 'c', closed_at = now()",
        "REJECTED": "approved_by = NULL, activated_at = NULL, closed_by = 'c', closed_at = now()",
    }
    taken = {source: set() for source in RuleSetState}
    with psycopg.connect(risk_urls.owner, autocommit=True) as connection:
        connection.execute("DROP INDEX rule_sets_one_active")
        connection.execute(PROPOSE)
        for source in RuleSetState:
            for target in set(RuleSetState) - {source}:
                connection.execute("ALTER TABLE rule_sets DISABLE TRIGGER rule_sets_step")
                connection.execute(
                    f"UPDATE rule_sets SET state = '{source}', {columns[source]} WHERE version = 2"
                )
                connection.execute("ALTER TABLE rule_sets ENABLE TRIGGER rule_sets_step")
                try:
                    connection.execute(
                        f"UPDATE rule_sets SET state = '{target}', {columns[target]} WHERE version = 2"
                    )
                except psycopg.errors.CheckViolation:
                    continue
                taken[source].add(target)
    assert taken == {source: set(targets) for source, targets in NEXT.items()}


def test_an_operation_is_decided_once_per_version_by_rules_that_were_in_force(app_sql):
    app_sql.execute(DECIDE, ["dec_1", 1, "evt_1"])
    with pytest.raises(psycopg.errors.UniqueViolation, match="decisions_once"):
        app_sql.execute(DECIDE, ["dec_2", 1, "evt_2"])
    app_sql.rollback()
    app_sql.execute(PROPOSE)
    with pytest.raises(psycopg.errors.IntegrityError, match="never in force"):
        app_sql.execute(DECIDE, ["dec_3", 2, "evt_3"])


@pytest.mark.parametrize("change", ["UPDATE decisions SET decision = 'block'", "DELETE FROM decisions"])
def test_a_decision_is_never_changed(desk, app_sql, change):
    desk.ask(attempt())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute(change)


def test_a_proposal_written_against_other_rules_is_refused(desk):
    stale = desk.run(lambda uow: propose_rule_set({}, "first", ADA, uow))
    desk.put_in_force()
    with pytest.raises(Rejected, match="rule_set_outdated"):
        desk.run(lambda uow: approve_rule_set(stale.version, "late", BOB, uow))
    rejected = desk.run(lambda uow: reject_rule_set(stale.version, "too late", ADA, uow))
    assert rejected.state is RuleSetState.REJECTED
    with pytest.raises(Rejected, match="rule_set_wrong_state"):
        desk.run(lambda uow: approve_rule_set(stale.version, "again", BOB, uow))


def test_decisions_name_the_rules_that_were_in_force_when_they_were_made(desk):
    before = attempt()
    desk.ask(before)
    version = desk.put_in_force(blocked={"payment_methods": ["pm_1"]})
    behind = attempt()
    assert desk.ask(behind) == ["block"]
    rows = desk.rows("SELECT operation_id, rule_set_version FROM decisions ORDER BY decided_at")
    assert rows == [(before.operation_id, 1), (behind.operation_id, version)]
