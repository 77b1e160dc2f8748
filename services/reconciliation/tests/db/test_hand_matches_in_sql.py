"""Whoever writes plain SQL matches nothing by hand alone, nothing twice, and nothing that does not come out."""

from __future__ import annotations

import psycopg
import pytest

from services.reconciliation.tests.pairing import agree, item, named_otherwise, propose

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    return named_otherwise(desk)


@pytest.mark.parametrize("taken", ["line", "item"])
def test_plain_sql_holds_nothing_twice(desk, world, app_sql, taken):
    propose(desk, ["l1"], [item(1)])
    other = propose(desk, ["l2", "l3"], [item(2)])
    statement = {
        "line": "INSERT INTO hand_match_lines VALUES (%s, 'alpha_report', 'l1', 1)",
        "item": f"INSERT INTO hand_match_items VALUES (%s, '{item(1)}', 'evt_x')",
    }[taken]
    with pytest.raises(psycopg.errors.UniqueViolation):
        app_sql.execute(statement, (other.hand_match_id,))


_PROPOSED = """INSERT INTO hand_matches (hand_match_id, source, currency, ours_minor, theirs_minor, state, reason,
    proposed_by, proposed_at) VALUES ('hnd_' || repeat('0', 26), 'alpha_report', 'EUR', {ours}, {theirs}, 'PROPOSED',
    'x', 'ada', now());
INSERT INTO hand_match_lines SELECT 'hnd_' || repeat('0', 26), 'alpha_report', 'l1', 1;
INSERT INTO hand_match_items SELECT 'hnd_' || repeat('0', 26), item_key, event_id FROM our_items
 WHERE item_key = '{item}'"""
_APPROVED = "UPDATE hand_matches SET state = 'APPROVED', approved_by = '{by}'"


@pytest.mark.parametrize(
    ("ours", "theirs", "named", "by", "constraint"),
    [
        (1_000, 1_000, item(1), "ada", "hand_matches_four_eyes"),
        (2_000, 1_000, item(2), "bob", "hand_match_comes_out"),
        (1_000, 1_000, item(2), "bob", "hand_match_comes_out"),
        (1_000, 1_000, "charge:nobody", "bob", "hand_match_comes_out"),
    ],
)
def test_plain_sql_approves_nothing_alone_and_nothing_that_does_not_come_out(
    desk, world, app_sql, ours, theirs, named, by, constraint
):
    app_sql.execute(_PROPOSED.format(ours=ours, theirs=theirs, item=named))
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        app_sql.execute(_APPROVED.format(by=by))
    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE hand_matches SET state = 'TAKEN_BACK', back_proposed_by = 'x', back_approved_by = 'y'",
         "hand_match_step_legal"),
        ("UPDATE hand_matches SET state = 'PROPOSED', approved_by = NULL", "hand_match_step_legal"),
        ("UPDATE hand_matches SET state = 'BACK_PROPOSED', back_proposed_by = 'x', approved_by = 'eve'",
         "hand_match_people_stay"),
        ("INSERT INTO hand_match_lines SELECT hand_match_id, 'alpha_report', 'l2', 1 FROM hand_matches",
         "hand_match_as_proposed"),
    ],
)  # fmt: skip
def test_plain_sql_changes_nothing_that_was_agreed(desk, world, app_sql, statement, constraint):
    agree(desk, ["l1"], [item(1)])
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        app_sql.execute(statement)
    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE hand_matches SET theirs_minor = 1",
        "UPDATE hand_match_lines SET holds = false",
        "DELETE FROM hand_match_items",
        "UPDATE hand_match_history SET reason = 'another'",
    ],
)
def test_plain_sql_rewrites_nothing(desk, world, app_sql, statement):
    agree(desk, ["l1"], [item(1)])
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
        app_sql.execute(statement)
