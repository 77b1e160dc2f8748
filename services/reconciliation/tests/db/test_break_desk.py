"""Operators at work on breaks, over HTTP and by command line: roles, keys, four eyes, history, explained to zero."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.tests.deciding import NONE_WAITS
from services.reconciliation.tests.three_legs import T0, World
from shared.runtime.operator_tokens import OperatorRole

LOST = T0 + timedelta(days=20)
DAYS = "first_day=2026-11-01&last_day=2026-11-30"


@pytest.fixture
def world(desk):
    made = World(desk)
    made.captured(1, 1_000)
    made.line("l1", 900, object_id="cap_1")
    made.line("l2", 50_000, object_id="cap_unknown")
    made.match(as_of=LOST)
    return made


def queue(office, **query):
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    found = office.call("GET", f"/breaks?{asked}", role=OperatorRole.VIEWER).document["data"]
    return [row for row in found if row["type"] != "unposted"]


def test_the_most_money_at_risk_comes_first_with_cause_and_fix(office, world):
    first, second = queue(office)
    assert (first["type"], first["at_risk_minor"]) == ("processor_success_internal_missing", 50_000)
    assert (second["type"], second["at_risk_minor"]) == ("amount_mismatch", 100)
    assert all((first["suggested_cause"], first["suggested_fix"], first["age_days"] >= 0))
    assert queue(office, kind="amount_mismatch") == [second]
    assert office.call("GET", "/breaks?kind=of_no_kind").status == 422


def test_a_difference_is_accepted_by_two_people_and_opens_again_when_it_changes(office, world):
    break_id = queue(office, kind="amount_mismatch")[0]["break_id"]
    assert (
        office.decide(
            break_id, "approve", who="bob", role=OperatorRole.APPROVER, proposal=NONE_WAITS
        ).document["code"]
        == "break_wrong_state"
    )
    assert office.decide(break_id, "accept").document["state"] == "PROPOSED"
    bob = {"who": "bob", "role": OperatorRole.APPROVER}
    assert office.decide(break_id, "approve", **bob).document["param"] == "proposal"
    read = office.call("GET", f"/breaks/{break_id}").document["proposal"]
    assert office.decide(break_id, "reject").document["proposal"] is None
    again = office.decide(break_id, "accept").document["proposal"]
    stale = office.decide(break_id, "approve", proposal=read, **bob)
    assert (stale.status, stale.document["code"]) == (409, "proposal_changed")
    read = {"proposal": again}
    assert (
        office.decide(break_id, "approve", **read, role=OperatorRole.APPROVER).document["code"] == "four_eyes"
    )
    assert office.decide(break_id, "approve", who="bob", **read).status == 403
    approved = office.decide(break_id, "approve", **read, **bob).document
    assert (approved["state"], approved["approved_by"]) == ("RESOLVED", "bob")
    world.match(as_of=LOST)
    assert queue(office, kind="amount_mismatch") == []
    world.amend("l1", 800, object_id="cap_1")
    world.match(as_of=LOST)
    shown = office.call("GET", f"/breaks/{break_id}").document
    assert (shown["state"], shown["at_risk_minor"], shown["approved_by"]) == ("OPEN", 200, None)
    steps = [(row["trigger"], row["to_state"], row["actor"]) for row in shown["history"]]
    assert steps == [
        ("found", "OPEN", None), ("propose", "PROPOSED", "ada"), ("reject", "OPEN", "ada"),
        ("propose", "PROPOSED", "ada"), ("approve", "RESOLVED", "bob"),
        ("changed", "OPEN", None),
    ]  # fmt: skip
    acts = [event["action"] for event in world.events("OperatorActed.v1")]
    proposed = "break_acceptance_proposed"
    assert acts == [proposed, "break_resolution_rejected", proposed, "break_resolved"]


def test_a_difference_of_timing_opens_again_after_its_day(office, world):
    break_id = queue(office, kind="amount_mismatch")[0]["break_id"]
    today = datetime.now(UTC).date()
    late = office.decide(break_id, "defer", due_on=str(today - timedelta(days=1)))
    assert (late.status, late.document["code"]) == (400, "due_date_invalid")
    deferred = office.decide(break_id, "defer", due_on=str(today + timedelta(days=2))).document
    assert (deferred["state"], deferred["resolution"]) == ("DEFERRED", "timing_difference")
    world.match(as_of=datetime.now(UTC))
    assert queue(office, state="DEFERRED", kind="amount_mismatch")
    world.match(as_of=datetime.now(UTC) + timedelta(days=4))
    assert queue(office, state="OPEN", kind="amount_mismatch")


def test_a_run_by_post_is_done_once_per_key_and_listed(office, world):
    body = {"reason": "a test"}
    done = office.call("POST", "/runs", body, key="one")
    again = office.call("POST", "/runs", body, key="one")
    assert (done.status, again.document) == (201, done.document)
    assert done.document["result"]["matches"] == {"object_differs": 1}
    listed = office.call("GET", "/runs", role=OperatorRole.VIEWER).document["data"]
    assert listed[0]["run_id"] == done.document["run_id"]
    assert len(listed) == 2
    assert office.call("GET", f"/runs/{done.document['run_id']}").document == done.document
    assert office.call("POST", "/runs", body, role=OperatorRole.VIEWER).status == 403


def test_a_run_judges_what_is_late_as_of_the_time_that_it_is_asked_for(office, world):
    world.captured(3, 700, at=datetime.now(UTC))
    delay, lost = (
        {"as_of": f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"} for days in (7, 40)
    )
    found = [office.call("POST", "/runs", {"reason": "ahead", **said}).document for said in (delay, lost, {})]
    assert [run["result"]["breaks"].get("settlement_delay", 0) for run in found] == [1, 0, 0]
    assert [run["result"]["breaks"].get("internal_success_processor_failure", 0) for run in found] == [
        0,
        1,
        0,
    ]
    assert found[0]["as_of"] == delay["as_of"]
    far = office.call("POST", "/runs", {"reason": "ahead", "as_of": "2026-12-01T00:00:00+20:00"})
    assert (far.status, far.document["as_of"]) == (201, "2026-11-30T04:00:00Z")
    for edge in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert office.call("POST", "/runs", {"reason": "ahead", "as_of": edge}).status == 201
    for wrong in (
        "tomorrow", "2026-12-01T00:00:00", 7, "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
    ):  # fmt: skip
        refused = office.call("POST", "/runs", {"reason": "ahead", "as_of": wrong})
        assert (refused.status, refused.document["param"]) == (422, "as_of")


def test_a_payout_and_a_day_are_explained_to_zero_or_by_a_named_break(office, world):
    world.payout("po_1", 50_900)
    world.bank_line("b1", 50_900, "ref_po_1")
    world.payout("po_2", 300)
    world.line("l3", 320, payout_id="po_2", fee=20, object_id="cap_9")
    world.match(as_of=LOST)
    one, other = office.call("GET", f"/explained/payouts?{DAYS}").document["data"]
    assert (one["charges_minor"], one["net_minor"], one["bank_credit_minor"]) == (50_900, 50_900, 50_900)
    assert (one["residue_minor"], one["unexplained_minor"], one["explained"]) == (0, 0, True)
    assert (other["charges_minor"], other["fees_minor"], other["net_minor"]) == (320, 20, 300)
    assert (other["residue_minor"], other["named_by"], other["explained"]) == (300, "missing_in_bank", True)
    (day,) = office.call("GET", f"/explained/days?{DAYS}").document["data"]
    assert (day["payouts"], day["net_minor"], day["residue_minor"]) == (2, 51_200, 300)
    assert day["named_by"] == [{"type": "missing_in_bank", "breaks": 1, "minor": 300}]


def test_the_terminal_says_the_same(office, world, terminal, operators):
    ada = operators("ada", OperatorRole.OPERATOR)

    def typed(*words):
        done = CliRunner().invoke(cli, [*words, "--json"], env=terminal)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def refused(*words):
        done = CliRunner().invoke(cli, [*words], env=terminal)
        assert done.exit_code == 1, done.output
        return done.output

    assert typed("match", "--token-file", ada)["result"]["matches"] == {"object_differs": 1}
    assert [row["kind"] for row in typed("runs")] == ["incremental", "incremental"]
    (listed,) = typed("breaks", "list", "--kind", "amount_mismatch")["data"]
    break_id = listed["break_id"]
    said = ("--token-file", ada, "--reason", "seen")
    assert typed("breaks", "accept", break_id, *said)["state"] == "PROPOSED"
    read = typed("breaks", "show", break_id)["proposal"]
    assert typed("breaks", "reject", break_id, *said)["state"] == "OPEN"
    again = typed("breaks", "accept", break_id, *said)["proposal"]
    bob = ("--token-file", operators("bob"), "--reason", "seen", "--proposal")
    assert "proposal_changed" in refused("breaks", "approve", break_id, *bob, read)
    assert typed("breaks", "reject", break_id, *said)["proposal"] is None
    assert again != read
    due_on = str(datetime.now(UTC).date())
    assert typed("breaks", "defer", break_id, "--due-on", due_on, *said)["state"] == "DEFERRED"
    assert [row["trigger"] for row in typed("breaks", "show", break_id)["history"]] == [
        "found", "propose", "reject", "propose", "reject", "defer",
    ]  # fmt: skip
    window = ("--first-day", "2026-11-01", "--last-day", "2026-11-30")
    assert typed("explain", "payouts", *window) == []
    assert typed("explain", "days", *window) == []


@pytest.mark.parametrize(
    "change",
    [
        "state = 'RESOLVED', resolution = 'accepted', proposed_by = 'ada', approved_by = 'bob'",
        "state = 'NONSENSE'",
    ],
)
def test_plain_sql_takes_no_step_that_the_table_does_not_list(world, app_sql, change):
    with pytest.raises(psycopg.errors.CheckViolation):
        app_sql.execute(f"UPDATE breaks SET {change}")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'RESOLVED', proposed_by = 'x', approved_by = 'ada'", "break_proposer_stays"),
        ("proposed_by = 'x'", "break_proposer_stays"),
        ("state = 'RESOLVED', approved_by = 'bob', at_risk_minor = at_risk_minor - 1", "break_as_proposed"),
    ],
)
def test_plain_sql_cannot_approve_ones_own_proposal_nor_another_one(
    office, world, app_sql, change, constraint
):
    break_id = queue(office, kind="amount_mismatch")[0]["break_id"]
    assert office.decide(break_id, "accept").document["state"] == "PROPOSED"
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        app_sql.execute(f"UPDATE breaks SET {change} WHERE break_id = %s", [break_id])
    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize("step", ["accept", "defer"])
def test_a_look_back_leaves_what_people_decided_as_it_is(office, world, step):
    world.captured(9, 700)
    world.match(as_of=LOST)
    late = "internal_success_processor_failure"
    break_id = queue(office, kind=late)[0]["break_id"]
    more = {"due_on": str(datetime.now(UTC).date())} if step == "defer" else {}
    decided = office.decide(break_id, step, **more).document
    world.match(as_of=T0)
    assert office.call("GET", f"/breaks/{break_id}").document["state"] == decided["state"]
    assert office.call("GET", f"/breaks/{break_id}").document["changed_at"] == decided["changed_at"]
    world.line("l9", 700, object_id="cap_9")
    world.match(as_of=LOST)
    assert office.call("GET", f"/breaks/{break_id}").document["state"] == "SELF_CLOSED"
