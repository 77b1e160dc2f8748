"""What is known of one payment, object or line: both sides, the rule that matched them, their way to the bank, breaks."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from services.reconciliation.adapters import traces
from services.reconciliation.adapters.traces import Asked, trace
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.tests.three_legs import World, op, pay
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import OperatorRole

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    """No journal was heard of. Payment 1 with its line, payout and credit; payment 2 in two lines; payment 3 whose line says other money."""
    made = World(desk)
    for number, amount in ((1, 1_000), (2, 900), (3, 500), (4, 300)):
        made.captured(number, amount)
    made.line("l1", 1_000, object_id="cap_1")
    made.line("l2a", 400, object_id="cap_2")
    made.line("l2b", 500, object_id="cap_2")
    made.line("l3", 450, object_id="cap_3")
    made.line("stranger", 77, object_id="cap_77")
    made.payout("po_1", 2_427)
    made.bank_line("b1", 2_427, "ref_po_1")
    made.match()
    return made


def traced(world, **asked):
    return world.desk.run(lambda uow: trace(uow.connection, Asked(**asked)))


def names(found):
    return (
        [row["payment_id"] for row in found["items"]],
        [(row["line_id"], row["revision"]) for row in found["lines"]],
        [row["payout_id"] for row in found["payouts"]],
        [row["type"] for row in found["breaks"] if row["type"] != "unposted"],
    )


@pytest.mark.parametrize(
    "asked", [{"payment_id": pay(1)}, {"object_id": "cap_1"}, {"source": "alpha_report", "line_id": "l1"}]
)
def test_from_either_side_it_leads_to_the_other_the_payout_and_the_banks_credit(world, asked):
    found = traced(world, **asked)
    assert names(found) == ([pay(1)], [("l1", 1)], ["po_1"], [])
    rules = {row["match"]["rule"] for row in (*found["items"], *found["lines"])}
    assert rules == {"same_object"}
    assert found["lines"][0]["match"]["why"] == "the processor's id of the object"
    (credit,) = found["payouts"][0]["credits"]
    assert (credit["line_id"], credit["amount_minor"]) == ("b1", 2_427)


@pytest.mark.parametrize(
    "asked", [{"payment_id": pay(2)}, {"source": "alpha_report", "line_id": "l2b"}, {"object_id": "cap_2"}]
)
def test_of_several_lines_of_one_match_each_leads_to_all(world, asked):
    found = traced(world, **asked)
    assert names(found)[:2] == ([pay(2)], [("l2a", 1), ("l2b", 1)])
    assert {row["match"]["rule"] for row in found["lines"]} == {"lines_of_object"}


def test_what_differs_and_what_is_alone_names_its_break(world):
    differs = traced(world, payment_id=pay(3))
    assert names(differs)[1:] == ([("l3", 1)], ["po_1"], ["amount_mismatch"])
    assert differs["items"][0]["match"]["rule"] == "object_differs"
    alone = traced(world, source="alpha_report", line_id="stranger")
    assert (alone["items"], alone["lines"][0]["match"]) == ([], None)
    assert names(alone)[3] == ["processor_success_internal_missing"]
    waiting = traced(world, payment_id=pay(4))
    assert (waiting["items"][0]["match"], waiting["lines"]) == (None, [])


def test_every_revision_of_a_line_is_there_with_the_file_that_said_it_and_what_was_told(world):
    world.amend("l3", 500, object_id="cap_3")
    world.match()
    found = traced(world, payment_id=pay(3))
    said = [
        (row["revision"], row["gross_minor"], row["stands"], row["told_as"] is not None)
        for row in found["lines"]
    ]
    assert said == [(1, 450, False, True), (2, 500, True, True)]
    assert [row["match"] and row["match"]["rule"] for row in found["lines"]] == [None, "same_object"]
    assert {row["file_id"] for row in found["lines"]} == {"file_alpha_report"}
    assert [row["state"] for row in found["breaks"] if row["type"] == "amount_mismatch"] == ["SELF_CLOSED"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "trace_of_one"),
        ({"line_id": "l1"}, "trace_of_one"),
        ({"source": "alpha_report"}, "trace_of_one"),
        ({"payment_id": pay(1), "object_id": "cap_1"}, "trace_of_one"),
        ({"payment_id": pay(99)}, "nothing_known"),
        ({"source": "alpha_report", "line_id": "l99"}, "nothing_known"),
    ],
)
def test_what_cannot_be_traced_says_why(world, asked, code):
    with pytest.raises(Rejected) as refused:
        traced(world, **asked)
    assert refused.value.code == code


@pytest.mark.parametrize(("rows_max", "truncated"), [(1, True), (2, False)])
@pytest.mark.parametrize("side", ["lines", "items"])
def test_what_has_more_on_a_side_than_is_shown_says_so(
    world, office, terminal, monkeypatch, side, rows_max, truncated
):
    monkeypatch.setattr(traces, "ROWS_MAX", rows_max)
    for number in (1, 2):
        if side == "items":
            world.captured(5, 70, object_id=f"cap_5_{number}", operation_id=op(50 + number))
        else:
            world.line(f"of_88_{number}", 70, object_id="cap_88")
    name, value = ("payment_id", pay(5)) if side == "items" else ("object_id", "cap_88")
    found = traced(world, **{name: value})
    assert (len(found[side]), found["truncated"]) == (rows_max, truncated)
    reply = office.call("GET", f"/trace?{name}={value}", role=OperatorRole.VIEWER)
    assert reply.document["truncated"] is truncated
    shown = CliRunner().invoke(cli, ["trace", f"--{name.removesuffix('_id')}", value], env=terminal)
    assert ("only the first are shown" in shown.output) is truncated


def test_over_http_and_in_the_terminal_it_is_the_same(world, office, terminal):
    reply = office.call("GET", f"/trace?payment_id={pay(1)}", role=OperatorRole.VIEWER)
    done = CliRunner().invoke(cli, ["trace", "--payment", pay(1), "--json"], env=terminal)
    assert (reply.status, done.exit_code) == (200, 0), done.output
    in_terminal = json.loads(done.output.splitlines()[-1])
    assert names(in_terminal) == names(reply.document) == ([pay(1)], [("l1", 1)], ["po_1"], [])
    assert in_terminal["lines"][0]["match"] == reply.document["lines"][0]["match"]
    shown = CliRunner().invoke(cli, ["trace", "--source", "alpha_report", "--line", "l2a"], env=terminal)
    assert (shown.exit_code, "lines_of_object" in shown.output) == (0, True), shown.output
    nothing = office.call("GET", "/trace", role=OperatorRole.VIEWER)
    assert (nothing.status, nothing.code) == (400, "trace_of_one")
