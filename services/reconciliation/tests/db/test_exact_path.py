"""The exact path: captured, reported, paid out, on the bank account; everything explained, nothing left."""

import pytest

from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.tests.three_legs import World, pay


@pytest.fixture
def world(desk):
    return World(desk)


def test_a_capture_its_line_its_payout_and_the_banks_credit_leave_nothing(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1", fee=200)
    world.payout("po_1", 9_800)
    world.bank_line("b1", 9_800, "ref_po_1")
    world.match()
    assert world.matches() == {("same_object", ("l1",), ("charge:alpha:acct_alpha:cap_1",))}
    assert world.breaks() == {}
    (matched,) = world.events("SettlementLineMatched.v1")
    assert (matched["payment_id"], matched["object_id"], matched["match_number"]) == (pay(1), "cap_1", 1)
    (credit,) = world.events("BankCreditAllocated.v1")
    assert (credit["payout_id"], credit["amount_minor"], credit["allocation_number"]) == ("po_1", 9_800, 1)


@pytest.mark.parametrize("kind", list(RunKind))
def test_a_second_run_tells_nothing_and_changes_nothing(world, kind):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1")
    world.line("l2", 5_000, object_id="cap_2")
    world.payout("po_1", 10_000)
    world.bank_line("b1", 10_000, "ref_po_1")
    world.match()
    before = world.rows("SELECT count(*) FROM outbox"), world.matches(), world.breaks()
    history = world.rows("SELECT count(*) FROM break_history")
    world.match(kind)
    assert (world.rows("SELECT count(*) FROM outbox"), world.matches(), world.breaks()) == before
    assert world.rows("SELECT count(*) FROM break_history") == history


def test_a_line_that_is_announced_after_it_was_matched_is_told_then(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1", announced=False)
    world.match()
    assert world.events("SettlementLineMatched.v1") == []
    world.announce("l1")
    world.match()
    assert len(world.events("SettlementLineMatched.v1")) == 1


def test_a_line_that_was_told_of_before_our_side_came_is_told_again_with_its_match(world):
    world.line("l1", 10_000, object_id="cap_1")
    world.match()
    assert world.events("SettlementLineMatched.v1") == []
    world.captured(1, 10_000)
    world.match()
    assert len(world.events("SettlementLineMatched.v1")) == 1
