"""Many breaks at once: what is done is what was seen, all of it or nothing, by the rules of a single break."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from services.reconciliation.app import bulk_breaks
from services.reconciliation.app.bulk_breaks import BulkAction, Selection, Wanted, act_in_bulk, preview_bulk
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.tests.three_legs import T0, World
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor
from shared.runtime.operator_tokens import OperatorRole

pytestmark = pytest.mark.db
LOST = T0 + timedelta(days=20)
ADA = Actor(name="ada", role="operator")
BOB = Actor(name="bob", role="approver")
DIFFER = Selection(kind="amount_mismatch")


@pytest.fixture
def world(desk):
    made = World(desk)
    for number, currency in ((1, "EUR"), (2, "EUR"), (3, "USD")):
        made.captured(number, 1_000, currency=currency)
        made.line(f"l{number}", 1_000 - number, object_id=f"cap_{number}", currency=currency)
    made.match(as_of=LOST)
    return made


def preview(desk, action, selection=DIFFER, actor=ADA, **more):
    return desk.run(lambda uow: preview_bulk(Wanted(action=action, selection=selection, **more), actor, uow))


def act(desk, seen, action, selection=DIFFER, actor=ADA, **more):
    wanted = Wanted(action=action, selection=selection, **more)
    return desk.run(lambda uow: act_in_bulk(wanted, seen.preview, "a rounding", actor, uow))


def states(world):
    return dict(
        world.rows("SELECT state, count(*) FROM breaks WHERE type = 'amount_mismatch' GROUP BY state")
    )


def test_a_preview_says_what_would_become_of_each_and_changes_nothing(desk, world):
    seen = preview(desk, BulkAction.ACCEPT)
    assert [(row.state, row.becomes, row.refused) for row in seen.rows] == [("OPEN", "PROPOSED", None)] * 3
    assert (seen.changed, seen.refused, seen.at_risk_minor) == (3, 0, {"EUR": 3, "USD": 3})
    assert states(world) == {"OPEN": 3}
    assert preview(desk, BulkAction.ACCEPT) == seen


def test_what_was_seen_is_done_by_two_people_with_a_trail_of_each(desk, world):
    seen = preview(desk, BulkAction.ACCEPT)
    assert act(desk, seen, BulkAction.ACCEPT) == seen
    assert states(world) == {"PROPOSED": 3}
    own = preview(desk, BulkAction.APPROVE, actor=ADA)
    assert {row.refused for row in own.rows} == {"four_eyes"}
    assert (own.changed, own.at_risk_minor) == (0, {})
    act(desk, preview(desk, BulkAction.APPROVE, actor=BOB), BulkAction.APPROVE, actor=BOB)
    assert states(world) == {"RESOLVED": 3}
    history = world.rows(
        "SELECT trigger, from_state, to_state, actor, reason, count(*) FROM break_history JOIN breaks USING (break_id)"
        " WHERE breaks.type = 'amount_mismatch' AND actor IS NOT NULL GROUP BY 1, 2, 3, 4, 5 ORDER BY 1 DESC"
    )
    assert history == [
        ("propose", "OPEN", "PROPOSED", "ada", "a rounding", 3), ("approve", "PROPOSED", "RESOLVED", "bob", "a rounding", 3),
    ]  # fmt: skip
    acts = [(event["action"], event["actor"]) for event in world.events("OperatorActed.v1")]
    assert acts == [
        *[("break_acceptance_proposed", "ada")] * 3, ("breaks_bulk_accept", "ada"),
        *[("break_resolved", "bob")] * 3, ("breaks_bulk_approve", "bob"),
    ]  # fmt: skip


@pytest.mark.parametrize("change", ["one more", "another amount", "one less"])
def test_what_is_no_longer_what_was_seen_is_not_done(desk, world, change):
    seen = preview(desk, BulkAction.ACCEPT)
    if change == "one more":
        world.captured(4, 1_000)
        world.line("l4", 900, object_id="cap_4")
    elif change == "another amount":
        world.amend("l1", 500, object_id="cap_1")
    else:
        only = seen.rows[0].break_id
        desk.run(lambda uow: propose_acceptance(only, "alone", BOB, uow))
    world.match(as_of=LOST)
    before = states(world)
    with pytest.raises(Rejected) as refused:
        act(desk, seen, BulkAction.ACCEPT)
    assert refused.value.code == "preview_stale"
    assert states(world) == before


def test_a_token_is_good_for_its_action_only(desk, world):
    seen = preview(desk, BulkAction.ACCEPT)
    with pytest.raises(Rejected, match="look at a new preview"):
        act(desk, seen, BulkAction.DEFER, due_on=desk.run(lambda uow: uow.now.date()))
    with pytest.raises(Rejected, match="due_on"):
        preview(desk, BulkAction.DEFER)


def test_what_would_be_refused_is_named_and_left_as_it_is(desk, world):
    ids = [row.break_id for row in preview(desk, BulkAction.ACCEPT).rows]
    desk.run(lambda uow: propose_acceptance(ids[0], "alone", ADA, uow))
    named = Selection(break_ids=(*ids, "brk_" + "0" * 26))
    seen = preview(desk, BulkAction.ACCEPT, named)
    assert {row.break_id: row.refused for row in seen.rows} == {
        ids[0]: "break_wrong_state", ids[1]: None, ids[2]: None, "brk_" + "0" * 26: "break_not_found",
    }  # fmt: skip
    done = act(desk, seen, BulkAction.ACCEPT, named)
    assert (done.changed, done.refused) == (2, 2)
    assert states(world) == {"PROPOSED": 3}


def test_a_filter_narrows_and_there_is_a_most(desk, world, monkeypatch):
    narrow = Selection(kind="amount_mismatch", currency="EUR", at_risk_max_minor=1)
    assert preview(desk, BulkAction.ACCEPT, narrow).at_risk_minor == {"EUR": 1}
    monkeypatch.setattr(bulk_breaks, "BULK_MAX", 2)
    with pytest.raises(Rejected) as refused:
        preview(desk, BulkAction.ACCEPT)
    assert refused.value.code == "bulk_too_many"


def test_the_terminal_shows_first_and_does_what_was_shown(world, terminal, operators):
    def typed(*words, who="ada"):
        said = (
            "--kind",
            "amount_mismatch",
            "--token-file",
            operators(who),
            "--reason",
            "a rounding",
            "--json",
        )
        done = CliRunner().invoke(
            cli,
            ["breaks", "bulk", *words, *said],
            env=terminal,
        )
        return json.loads(done.stdout) if done.exit_code == 0 else done.output

    seen = typed("accept")
    assert states(world) == {"OPEN": 3}
    assert typed("accept", "--preview", seen["preview"]) == seen
    assert "preview_stale" in typed("accept", "--preview", seen["preview"])
    assert states(world) == {"PROPOSED": 3}


def test_over_http_it_is_shown_first_and_approved_by_an_approver(office, world):
    selection = {"kind": "amount_mismatch"}
    seen = office.call("POST", "/bulk/breaks/preview", {"action": "accept", **selection}).document
    assert seen["at_risk_minor"] == {"EUR": 3, "USD": 3}
    body = {"action": "accept", **selection, "preview": seen["preview"], "reason": "a rounding"}
    assert (
        office.call("POST", "/bulk/breaks", {**body, "preview": "0" * 64}).document["code"] == "preview_stale"
    )
    done = office.call("POST", "/bulk/breaks", body, key="one")
    assert (done.status, done.document) == (200, seen)
    assert office.call("POST", "/bulk/breaks", body, key="one").document == seen
    wanted = {"action": "approve", **selection}
    shown = office.call("POST", "/bulk/breaks/preview", wanted, who="bob").document
    body = {**selection, "preview": shown["preview"], "reason": "agreed"}
    assert office.call("POST", "/bulk/breaks/approve", body, who="bob").status == 403
    assert (
        office.call("POST", "/bulk/breaks/approve", body, who="bob", role=OperatorRole.APPROVER).status == 200
    )
    assert states(world) == {"RESOLVED": 3}
    assert office.call("POST", "/bulk/breaks/preview", wanted, role=OperatorRole.VIEWER).status == 403
