"""Operators match by hand over HTTP and in the terminal: propose, approve, take back, list."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.tests.pairing import item, named_otherwise
from shared.runtime.operator_tokens import OperatorRole

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    return named_otherwise(desk)


def test_the_terminal_matches_in_twos(world, terminal, operators):
    def typed(*words):
        done = CliRunner().invoke(cli, ["hand-matches", *words, "--json"], env=terminal)
        return json.loads(done.stdout) if done.exit_code == 0 else done.output

    ada, bob = (("--token-file", operators(name), "--reason", "on paper") for name in ("ada", "bob"))
    both = ("--source", "alpha_report", "--line", "l2", "--line", "l3", "--item", item(2))
    made = typed("propose", *both, *ada)
    named = made["hand_match_id"]
    assert (made["state"], made["line_ids"], made["theirs_minor"]) == ("PROPOSED", ["l2", "l3"], 2_000)
    assert "four_eyes" in typed("approve", named, *ada)
    assert typed("approve", named, *bob)["approved_by"] == "bob"
    world.match()
    assert len(world.matches()) == 1
    assert typed("take-back", named, *ada)["state"] == "BACK_PROPOSED"
    assert typed("keep", named, *bob)["state"] == "APPROVED"
    assert typed("take-back", named, *bob)["back_proposed_by"] == "bob"
    assert typed("approve-take-back", named, *ada)["state"] == "TAKEN_BACK"
    assert "hand_match_differs" in typed("propose", *both[:4], "--item", item(2), *ada)
    again = typed("propose", *both, *bob)["hand_match_id"]
    assert typed("reject", again, *bob)["state"] == "REJECTED"
    assert [row["hand_match_id"] for row in typed("list")] == [again, named]
    assert [row["hand_match_id"] for row in typed("list", "--state", "TAKEN_BACK")] == [named]
    assert len(typed("show", named)["history"]) == 6
    assert "hand_match_not_found" in typed("show", "hnd_" + "0" * 26)


def test_over_http_an_operator_pairs_and_an_approver_approves(office, world):
    why = {"reason": "seen on paper"}
    body = {"source": "alpha_report", "line_ids": ["l1"], "item_keys": [item(1)], **why}
    made = office.call("POST", "/hand-matches", body, key="once")
    assert (made.status, made.document["state"]) == (201, "PROPOSED")
    assert office.call("POST", "/hand-matches", body, key="once").document == made.document
    path = f"/hand-matches/{made.document['hand_match_id']}"
    assert office.call("POST", f"{path}/approve", why, who="bob").status == 403
    own = office.call("POST", f"{path}/approve", why, role=OperatorRole.APPROVER)
    assert (own.status, own.document["code"]) == (403, "four_eyes")
    approved = office.call("POST", f"{path}/approve", why, who="bob", role=OperatorRole.APPROVER).document
    assert (approved["state"], approved["approved_by"], approved["line_ids"]) == ("APPROVED", "bob", ["l1"])
    assert office.call("GET", path).document == approved
    assert [
        row["state"] for row in office.call("GET", "/hand-matches?source=alpha_report").document["data"]
    ] == ["APPROVED"]
    held = office.call("POST", "/hand-matches", body)
    assert (held.status, held.document["code"], held.document["param"]) == (
        409,
        "hand_match_held",
        "line_ids",
    )
    wrong = office.call("POST", "/hand-matches", {**body, "line_ids": []})
    assert wrong.status in {400, 422}
    back = office.call("POST", f"{path}/take-back", why)
    assert back.document["state"] == "BACK_PROPOSED"
    assert office.call("POST", f"{path}/keep", why).document["state"] == "APPROVED"
    assert office.call("POST", f"{path}/reject", why).document["code"] == "hand_match_wrong_state"
