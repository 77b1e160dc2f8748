"""Every type of break: found in its own case, at its money, once; and gone when what was missing comes."""

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from services.reconciliation.app.our_side import JournalFact
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.domain.breaks import BreakType
from services.reconciliation.domain.matching import PASSES, SEVERAL_RANKS
from services.reconciliation.tests.three_legs import T0, World, op, pay

IN_TIME, LATE, LOST = T0 + timedelta(days=1), T0 + timedelta(days=3), T0 + timedelta(days=20)
ITEM = "item:charge:alpha:acct_alpha:cap_1"


@pytest.fixture
def world(desk):
    return World(desk)


def line(name):
    return f"line:alpha_report:{name}"


def _other_currency(world):
    world.captured(1, 1_000)
    world.line("l1", 900, object_id="cap_1", currency="USD")
    return {line("l1"): ("currency_mismatch", 1_000)}


def _other_amount(world):
    world.captured(1, 1_000)
    world.line("l1", 900, object_id="cap_1")
    return {line("l1"): ("amount_mismatch", 100)}


def _two_references(world):
    world.captured(1, 1_000)
    world.line("l1", 1_000, object_id="cap_1", our_reference=op(1))
    world.line("l2", 1_000, object_id="cap_77", our_reference=op(1))
    return {line("l2"): ("duplicate_charge", 1_000)}


def _stray(world):
    world.told("StrayFound", 1, 700, stray_id="str_" + "1" * 26, kind="money")
    world.line("l1", 700, object_id="cap_1")
    return {line("l1"): ("stray_capture", 700)}


def _in_doubt(world):
    world.told("OperationUncertain", 1, 700, direction="in", object_id=None)
    world.line("l1", 700, object_id="cap_1", our_reference=op(1))
    return {line("l1"): ("status_conflict", 700)}


def _theirs_alone(world):
    world.line("l1", 700, object_id="cap_unknown")
    return {line("l1"): ("processor_success_internal_missing", 700)}


def _refund_theirs_alone(world):
    world.line("l1", -300, object_id="ref_unknown", category="refund")
    return {line("l1"): ("missing_refund", 300)}


def _other_fee(world):
    world.captured(1, 10_000)
    world.agree_fee("charge", per_million=29_000, fixed=30)
    world.line("l1", 10_000, object_id="cap_1", fee=320)
    world.captured(2, 5_000)
    world.line("l2", 5_000, object_id="cap_2", fee=190)
    return {line("l2"): ("fee_mismatch", 15)}


def _not_at_the_bank(world):
    world.payout("po_1", 9_800)
    return {"payout:alpha:acct_alpha:po_1:EUR": ("missing_in_bank", 9_800)}


def _only_at_the_bank(world):
    world.bank_line("b1", 444, "who knows")
    return {"bank:bank:b1": ("unexpected_in_bank", 444)}


CASES = {
    BreakType.CURRENCY_MISMATCH: _other_currency,
    BreakType.AMOUNT_MISMATCH: _other_amount,
    BreakType.DUPLICATE_CHARGE: _two_references,
    BreakType.STRAY_CAPTURE: _stray,
    BreakType.STATUS_CONFLICT: _in_doubt,
    BreakType.PROCESSOR_SUCCESS_INTERNAL_MISSING: _theirs_alone,
    BreakType.MISSING_REFUND: _refund_theirs_alone,
    BreakType.FEE_MISMATCH: _other_fee,
    BreakType.MISSING_IN_BANK: _not_at_the_bank,
    BreakType.UNEXPECTED_IN_BANK: _only_at_the_bank,
}


@pytest.mark.parametrize("case", CASES.values(), ids=[kind.value for kind in CASES])
def test_a_break_is_found_once_in_its_type_and_at_its_money(world, case):
    expected = case(world)
    world.match(as_of=LOST)
    assert world.breaks() == expected
    world.match(RunKind.FULL, as_of=LOST)
    assert world.breaks() == expected
    assert world.rows("SELECT count(*) FROM break_history WHERE type <> 'unposted'") == [(len(expected),)]


@pytest.mark.parametrize(
    ("event_type", "key", "first", "then"),
    [
        ("PaymentCaptured", ITEM, "settlement_delay", "internal_success_processor_failure"),
        ("RefundSucceeded", "item:refund:alpha:acct_alpha:cap_1", "settlement_delay", "missing_refund"),
    ],
)
def test_ours_alone_is_waited_for_then_late_then_missing_and_closes_when_its_line_comes(
    world, event_type, key, first, then
):
    world.told(event_type, 1, 1_000, refund_id="re_" + "1" * 26)
    world.match(as_of=IN_TIME)
    assert world.breaks() == {}
    world.match(as_of=LATE)
    assert world.breaks() == {key: (first, 1_000)}
    world.match(as_of=LOST)
    assert world.breaks() == {key: (then, 1_000)}
    refund = event_type == "RefundSucceeded"
    world.line(
        "l1", -1_000 if refund else 1_000, object_id="cap_1", category="refund" if refund else "charge"
    )
    world.match(as_of=LOST)
    assert world.breaks() == {}
    assert world.breaks("SELF_CLOSED") == {key: (then, 1_000)}
    world.amend("l1", 0, category="refund" if refund else "charge", withdrawn=True)
    world.match(as_of=LOST)
    assert world.breaks() == {key: (then, 1_000)}
    triggers = world.rows("SELECT trigger FROM break_history WHERE type <> 'unposted' ORDER BY nth")
    assert [trigger for (trigger,) in triggers] == ["found", "changed", "gone", "found"]


def test_two_equal_payments_of_one_minute_are_no_duplicate(world):
    for number in (1, 2):
        world.captured(number, 1_000)
        world.line(f"l{number}", 1_000, our_reference=op(number))
    world.match(as_of=LOST)
    assert world.breaks() == {}
    assert {rule for rule, _, _ in world.matches()} == {"same_operation"}


def test_several_lines_of_one_capture_and_several_captures_in_one_line_add_up(world):
    world.captured(1, 1_000)
    for name, amount in (("l1", 600), ("l2", 400)):
        world.line(name, amount, object_id="cap_1")
    world.captured(2, 300, object_id="cap_2a")
    world.captured(2, 200, object_id="cap_2b")
    world.line("l3", 500, our_reference=pay(2))
    world.match(as_of=LOST)
    assert world.breaks() == {}
    assert {rule: lines for rule, lines, _ in world.matches()} == {
        "lines_of_object": ("l1", "l2"),
        "items_of_payment": ("l3",),
    }
    told = world.events("SettlementLineMatched.v1")
    assert [(event["line_id"], event["object_id"]) for event in told] == [("l1", "cap_1"), ("l2", "cap_1")]


def test_within_the_declared_tolerance_nothing_is_wrong(world):
    world.tolerate("gross", 5)
    world.captured(1, 1_000)
    world.line("l1", 995, object_id="cap_1")
    world.captured(2, 1_000)
    world.line("l2", 994, object_id="cap_2")
    world.match(as_of=LOST)
    assert world.breaks() == {line("l2"): ("amount_mismatch", 6)}


def test_one_credit_for_two_payouts_one_payout_in_two_credits_and_a_return(world):
    world.payout("po_1", 1_000)
    world.payout("po_2", 500)
    world.bank_line("b1", 1_500, "ref_po_1", "ref_po_2")
    world.payout("po_3", 900)
    world.bank_line("b2", 600, "ref_po_3")
    world.bank_line("b3", 300, "ref_po_3")
    world.payout("po_4", 700, bank_reference=None)
    world.bank_line("b4", 700, value_on=date(2026, 11, 4))
    world.match(as_of=LOST)
    assert world.breaks() == {}
    world.bank_line("b5", -700, "po_4", returned=True, value_on=date(2026, 11, 5))
    world.match(as_of=LOST)
    assert world.breaks() == {"payout:alpha:acct_alpha:po_4:EUR": ("missing_in_bank", 700)}
    (returned,) = world.events("PayoutReturned.v1")
    assert (returned["payout_id"], returned["amount_minor"]) == ("po_4", 700)
    told = world.events("BankCreditAllocated.v1")
    assert sorted((credit["payout_id"], credit["amount_minor"]) for credit in told) == [
        ("po_1", 1_000), ("po_2", 500), ("po_3", 300), ("po_3", 600), ("po_4", 700),
    ]  # fmt: skip


def test_an_allocation_that_was_wrong_is_corrected_by_a_further_one(world):
    world.payout("po_1", 700, bank_reference=None)
    world.bank_line("b1", 700)
    world.match()
    world.payout("po_2", 700)
    world.desk.run(
        lambda uow: uow.connection.exec_driver_sql(
            "UPDATE payouts SET bank_reference = 'x' WHERE payout_id = 'po_1'"
        )
    )
    world.bank_line("b2", 700, "x")
    world.match()
    told = world.events("BankCreditAllocated.v1")
    shares = sorted((e["line_id"], e["payout_id"], e["allocation_number"], e["amount_minor"]) for e in told)
    assert shares == [
        ("b1", "po_1", 1, 700), ("b1", "po_1", 2, -700), ("b1", "po_2", 1, 700), ("b2", "po_1", 1, 700),
    ]  # fmt: skip


def test_an_event_without_journal_and_a_journal_without_event_are_named(world):
    world.captured(1, 1_000)
    world.line("l1", 1_000, object_id="cap_1")

    def booked(journal, cause):
        said = JournalFact(
            journal_id=journal, rule="capture", fact_key=cause, cause_event_id=cause,
            cause_event_type="PaymentCaptured.v1", payment_id=pay(1), currency="EUR", amount_minor=1_000,
            reverses_journal_id=None, effective_at=T0, told_at=T0,
        )  # fmt: skip
        world.desk.run(lambda uow: uow.our_side.hear_journal(said))

    def named():
        found = world.rows("SELECT type, subject FROM breaks WHERE state = 'OPEN'")
        return dict(found)

    world.match(as_of=T0 + timedelta(minutes=4))
    assert named() == {}
    world.match(as_of=T0 + timedelta(minutes=6))
    (event_id,) = world.rows("SELECT event_id FROM told_facts")[0]
    assert named() == {"unposted": f"event:{event_id}"}
    booked("jrn_1", event_id)
    booked("jrn_2", "evt_of_nobody")
    world.match(as_of=T0 + timedelta(minutes=6))
    assert named() == {"unexplained_journal": "journal:jrn_2"}


def test_a_line_and_a_credit_that_we_told_of_and_nobody_booked_are_named(world):
    world.captured(1, 1_000)
    world.line("l1", 1_000, object_id="cap_1")
    world.payout("po_1", 1_000)
    world.bank_line("b1", 1_000, "ref_po_1")
    world.match()
    told = world.rows("SELECT event_id FROM announced_lines UNION SELECT event_id FROM payout_allocations")
    world.match(as_of=datetime.now(UTC) + timedelta(minutes=6))
    unposted = world.rows("SELECT subject FROM breaks WHERE type = 'unposted' AND state = 'OPEN'")
    assert {f"event:{event_id}" for (event_id,) in told} <= {subject for (subject,) in unposted}
    assert len(told) == 2


def test_an_item_and_a_line_are_claimed_once_whoever_writes(world, app_sql):
    world.captured(1, 1_000)
    world.captured(2, 1_000)
    world.line("l1", 1_000, object_id="cap_1")
    world.match()
    for source, line_id, item in (
        (None, None, "charge:alpha:acct_alpha:cap_1"),
        ("alpha_report", "l1", "charge:alpha:acct_alpha:cap_2"),
    ):
        with pytest.raises(psycopg.errors.UniqueViolation):
            app_sql.execute(
                "INSERT INTO claims VALUES ('m', 'items_of_payment', 60, %s, %s, %s, 'run_x')",
                (source, line_id, item),
            )
        app_sql.rollback()


def test_only_a_match_of_several_has_rows_that_name_one_side(app_sql):
    for rank in sorted({one.rank for one in PASSES} - set(SEVERAL_RANKS)):
        with pytest.raises(psycopg.errors.CheckViolation, match="claims_of_two"):
            app_sql.execute(
                "INSERT INTO claims VALUES ('m', 'a_rule', %s, NULL, NULL, 'item', 'run_x')", (rank,)
            )
        app_sql.rollback()
    for rank in SEVERAL_RANKS:
        app_sql.execute("INSERT INTO claims VALUES ('m', 'a_rule', %s, 's', 'l', NULL, 'run_x')", (rank,))
        app_sql.rollback()
