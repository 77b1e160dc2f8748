"""Tolerances, fees and calendars are agreed by two people, from a moment on, and count in matching from then on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from services.reconciliation.app.agree_terms import approve_term, propose_term, reject_term
from services.reconciliation.domain.terms import Said, TermKind
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.tests.three_legs import World
from shared.kernel.decisions import DecisionState
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor
from shared.runtime.operator_tokens import OperatorRole

pytestmark = pytest.mark.db
NOW = datetime.now(UTC)
ADA = Actor(name="ada", role="operator")
BOB = Actor(name="bob", role="approver")


@pytest.fixture
def world(desk):
    return World(desk)


def tolerance(minor, *, valid_from=NOW, **more):
    return Said(
        kind=TermKind.TOLERANCE, valid_from=valid_from, source="alpha_report", currency="EUR", field="gross",
        tolerance_minor=minor, **more,
    )  # fmt: skip


def agree(desk, said):
    made = desk.run(lambda uow: propose_term(said, "a contract", ADA, uow))
    return desk.run(lambda uow: approve_term(made.term_id, "read it", BOB, uow))


def broken(world, as_of):
    world.match(as_of=as_of)
    return {kind for kind, _ in world.breaks().values()}


def test_it_counts_once_a_second_person_approved_it_and_as_of_its_moment(desk, world):
    world.captured(1, 1_000)
    world.line("l1", 950, object_id="cap_1")
    soon = datetime.now(UTC) + timedelta(hours=1)
    made = desk.run(lambda uow: propose_term(tolerance(50), "a contract", ADA, uow))
    assert broken(world, soon) == {"amount_mismatch"}
    with pytest.raises(Rejected, match="cannot approve it"):
        desk.run(lambda uow: approve_term(made.term_id, "mine", ADA, uow))
    assert (
        desk.run(lambda uow: approve_term(made.term_id, "read it", BOB, uow)).state is DecisionState.APPROVED
    )
    assert broken(world, soon) == set()
    agree(desk, tolerance(49, valid_from=soon + timedelta(hours=1)))
    assert broken(world, soon) == set()
    assert broken(world, soon + timedelta(hours=2)) == {"amount_mismatch"}
    acts = [(event["action"], event["actor"]) for event in world.events("OperatorActed.v1")]
    assert acts == [("term_proposed", "ada"), ("term_approved", "bob")] * 2


def test_nothing_counts_from_before_it_was_approved_and_an_end_leaves_nothing(desk, world):
    world.captured(1, 1_000)
    world.line("l1", 950, object_id="cap_1")
    before, soon = datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1)
    agree(desk, tolerance(50, valid_from=before - timedelta(days=30)))
    assert broken(world, before) == {"amount_mismatch"}
    assert broken(world, soon) == set()
    ended = Said(
        kind=TermKind.TOLERANCE,
        valid_from=NOW,
        source="alpha_report",
        currency="EUR",
        field="gross",
        ended=True,
    )
    agree(desk, ended)
    assert broken(world, soon) == {"amount_mismatch"}


def test_a_fee_and_a_calendar_are_agreed_alike(desk, world):
    fee = Said(
        kind=TermKind.AGREED_FEE, valid_from=NOW, source="alpha_report", category="charge", currency="EUR",
        per_million=14_000, fixed_minor=25,
    )  # fmt: skip
    agree(desk, fee)
    calendar = Said(
        kind=TermKind.CALENDAR, valid_from=NOW, processor="alpha", time_zone="Europe/Berlin", settles_after_days=9,
        lost_after_days=1, holidays=(),
    )  # fmt: skip
    agree(desk, calendar)
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1", fee=164)
    assert broken(world, datetime.now(UTC) + timedelta(minutes=1)) == {"fee_mismatch"}
    ((expected,),) = world.rows("SELECT expected_by FROM our_items")
    assert expected == datetime(2026, 11, 13, 23, tzinfo=UTC)


def test_what_was_decided_is_decided(desk, world):
    made = desk.run(lambda uow: propose_term(tolerance(50), "a contract", ADA, uow))
    desk.run(lambda uow: reject_term(made.term_id, "no", ADA, uow))
    for step in (approve_term, reject_term):
        with pytest.raises(Rejected) as refused:
            desk.run(lambda uow, step=step: step(made.term_id, "again", BOB, uow))
        assert refused.value.code == "term_wrong_state"
    with pytest.raises(Rejected) as unknown:
        desk.run(lambda uow: propose_term(_of_nobody(), "x", ADA, uow))
    assert unknown.value.code == "source_not_found"


def _of_nobody():
    return Said(
        kind=TermKind.TOLERANCE,
        valid_from=NOW,
        source="nobody",
        currency="EUR",
        field="gross",
        tolerance_minor=1,
    )


_APPROVED_AT_ONCE = """
INSERT INTO terms (term_id, kind, valid_from, ended, source, currency, field, tolerance_minor, state, reason, proposed_by,
                   proposed_at, decided_by, decided_at, decision_reason)
SELECT 'trm_' || repeat('0', 26), kind, valid_from, ended, source, currency, field, 9, 'APPROVED', 'x', 'ada', now(),
       'bob', now(), 'x' FROM terms
"""
_APPROVED = (
    "UPDATE terms SET state = 'APPROVED', decided_by = 'ada', decided_at = now(), decision_reason = 'x'"
)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (_APPROVED, "terms_four_eyes"),
        ("UPDATE terms SET state = 'APPROVED'", "terms_decided"),
        (_APPROVED_AT_ONCE, "term_step_legal"),
    ],
)
def test_plain_sql_agrees_nothing_alone(desk, world, app_sql, statement, constraint):
    desk.run(lambda uow: propose_term(tolerance(50), "a contract", ADA, uow))
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        app_sql.execute(statement)
    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE terms SET tolerance_minor = 1000000",
        "UPDATE terms SET proposed_by = 'somebody'",
        "DELETE FROM terms",
        "INSERT INTO tolerances VALUES ('alpha_report', 'EUR', 'gross', 1000000)",
    ],
)
def test_plain_sql_changes_no_term(desk, world, app_sql, statement):
    agree(desk, tolerance(50))
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
        app_sql.execute(statement)


def test_a_decision_is_not_taken_back_in_sql(desk, world, app_sql):
    agree(desk, tolerance(50))
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        app_sql.execute("UPDATE terms SET state = 'REJECTED'")
    assert refused.value.diag.constraint_name == "term_step_legal"


def test_the_terminal_agrees_in_twos(world, terminal, operators):
    def typed(*words):
        done = CliRunner().invoke(cli, ["terms", *words, "--json"], env=terminal)
        return json.loads(done.stdout) if done.exit_code == 0 else done.output

    ada, bob = (("--token-file", operators(name), "--reason", "a contract") for name in ("ada", "bob"))
    of = ("--source", "alpha_report", "--currency", "EUR")
    made = typed("fee", *of, "--category", "charge", "--per-million", "14000", "--fixed-minor", "25", *ada)
    assert (made["state"], made["per_million"], made["proposed_by"]) == ("PROPOSED", 14_000, "ada")
    assert "four_eyes" in typed("approve", made["term_id"], *ada)
    assert typed("approve", made["term_id"], *bob)["state"] == "APPROVED"
    assert typed("show", made["term_id"])["decided_by"] == "bob"
    holidays = ("--holiday", "2026-12-25", "--holiday", "2026-12-26")
    days = ("--time-zone", "UTC", "--settles-after-days", "2", "--lost-after-days", "5", *holidays)
    calendar = typed("calendar", "--processor", "alpha", *days, "--valid-from", "2027-01-01T00:00:00Z", *ada)
    assert calendar["holidays"] == ["2026-12-25", "2026-12-26"]
    assert typed("reject", calendar["term_id"], *ada)["state"] == "REJECTED"
    assert "tolerance_minor" in typed("tolerance", *of, "--field", "gross", *ada)
    assert [row["term_id"] for row in typed("list")] == [calendar["term_id"], made["term_id"]]


def test_over_http_an_operator_proposes_and_an_approver_approves(office, world):
    fee = {
        "kind": "agreed_fee", "source": "alpha_report", "category": "charge", "currency": "EUR", "per_million": 14_000,
        "fixed_minor": 25, "reason": "a contract",
    }  # fmt: skip
    made = office.call("POST", "/terms", fee)
    assert (made.status, made.document["state"]) == (201, "PROPOSED")
    path, why = f"/terms/{made.document['term_id']}", {"reason": "read it"}
    assert office.call("POST", f"{path}/approve", why, who="bob").status == 403
    own = office.call("POST", f"{path}/approve", why, role=OperatorRole.APPROVER)
    assert (own.status, own.document["code"]) == (403, "four_eyes")
    approved = office.call("POST", f"{path}/approve", why, who="bob", role=OperatorRole.APPROVER).document
    assert (approved["state"], approved["decided_by"], approved["per_million"]) == ("APPROVED", "bob", 14_000)
    assert office.call("GET", path).document == approved
    assert office.call("GET", "/terms?state=APPROVED").document["data"] == [approved]
    wrong = office.call("POST", "/terms", {**fee, "per_million": -1})
    assert (wrong.document["code"], wrong.document["param"]) == ("term_invalid", "per_million")
    for no_moment in ("2026-12-01", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"):
        refused = office.call("POST", "/terms", {**fee, "valid_from": no_moment})
        assert (refused.status, refused.document["param"]) == (422, "valid_from")
    far = office.call("POST", "/terms", {**fee, "valid_from": "2126-12-01T00:00:00+20:00"})
    assert far.document["valid_from"] == "2126-11-30T04:00:00Z"
