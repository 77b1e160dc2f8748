"""From the bytes of a report and of a statement to zero: captured, reported, paid out, on the bank account, in events."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.reconciliation.adapters.explaining import explained_payouts
from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.tests.reports import declare, payout, report, take_in
from services.reconciliation.tests.three_legs import World, pay
from services.reconciliation.tests.writers import camt_entry, camt_file, camt_statement

pytestmark = pytest.mark.db
AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
AS_OF = datetime(2026, 12, 20, tzinfo=UTC)


@pytest.fixture
def world(desk):
    made = World(desk)
    declare(desk)
    return made


def at_the_bank(world, *entries):
    total = sum(minor for minor, _ in entries)
    written = [camt_entry(minor, reference=f"bank_{n}", text=text) for n, (minor, text) in enumerate(entries)]
    return take_in(
        world.desk, camt_file(camt_statement("S1", written, 0, total)), source="bank", name="camt.xml"
    )


def explained(world):
    found = world.desk.run(
        lambda uow: explained_payouts(uow.connection, AT.date(), AS_OF.date(), payout_id=None, limit=10)
    )
    return {row["payout_id"]: row for row in found}


def test_a_payout_of_real_files_is_explained_to_zero(world):
    world.captured(1, 10_000, account="acct_1", at=AT)
    world.captured(2, 10_000, account="acct_1", at=AT)
    refund = {"object_id": "ref_3", "account": "acct_1", "refund_id": "re_" + "3" * 26, "at": AT}
    world.told("RefundSucceeded", 2, 4_000, **refund)
    given_back = {"minor": -4_000, "fee_minor": 0, "category": "refund", "source_id": "ref_3"}
    staged = take_in(world.desk, report(payout("po_11111", (1, {}), (2, {}), (3, given_back))))
    assert staged.state == "STAGED"
    assert at_the_bank(world, (15_660, "PAYOUT po_11111 PROCESSOR LTD")).state == "STAGED"
    world.desk.run(announce_lines)
    run = world.match(as_of=AS_OF)
    assert run.result["matches"] == {"same_object": 3}
    assert world.breaks() == {}
    row = explained(world)["po_11111"]
    assert (row["charges_minor"], row["refunds_minor"], row["fees_minor"]) == (20_000, -4_000, 340)
    assert (row["net_minor"], row["bank_credit_minor"], row["residue_minor"]) == (15_660, 15_660, 0)
    assert (row["unexplained_minor"], row["explained"]) == (0, True)
    accepted = {
        event["line_id"]: event.get("payment_id") for event in world.events("SettlementLineAccepted.v1")
    }
    assert sorted(accepted.values()) == [pay(1), pay(2), pay(2)]
    (credit,) = world.events("BankCreditAllocated.v1")
    assert (credit["payout_id"], credit["amount_minor"], credit["bank_account"]) == (
        "po_11111",
        15_660,
        "main",
    )


def test_what_the_files_and_we_do_not_agree_on_has_names(world):
    world.captured(1, 9_000, account="acct_1", at=AT)
    world.captured(4, 10_000, account="acct_1", at=AT)
    take_in(world.desk, report(payout("po_11111", (1, {}), (2, {}))))
    at_the_bank(world, (19_000, "PAYOUT po_11111"), (77, "somebody"))
    run = world.match(as_of=AS_OF)
    types = {kind: count for kind, count in run.result["breaks"].items() if kind != "unposted"}
    assert types == {
        "amount_mismatch": 1, "internal_success_processor_failure": 1, "missing_in_bank": 1,
        "processor_success_internal_missing": 1, "unexpected_in_bank": 1,
    }  # fmt: skip
    row = explained(world)["po_11111"]
    assert (row["residue_minor"], row["named_by"], row["explained"]) == (660, "missing_in_bank", True)
