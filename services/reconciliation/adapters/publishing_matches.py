"""Matches and the bank's credits as the contract's events."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from schemas.generated import (
    BankCreditAllocatedV1,
    PayoutReturnedV1,
    SettlementLineMatchedV1,
    SettlementLineUnmatchedV1,
)

TOPIC: Final = "reconciliation.events"


def line_matched(row: sa.RowMapping, match_number: int, now: datetime) -> SettlementLineMatchedV1:
    """An announced line, and the object of ours that it is about."""
    return SettlementLineMatchedV1(
        source=row["source"],
        line_id=row["line_id"],
        revision=row["revision"],
        processor=row["processor"],
        account=row["account"],
        payout_id=row["payout_id"],
        category=row["category"],
        match_number=match_number,
        payment_id=row["payment_id"],
        merchant_id=row["merchant_id"],
        object_id=row["object_id"],
        currency=row["currency"],
        gross_minor=row["gross_minor"],
        available_on=row["available_on"],
        matched_at=now,
        rule=row["rule"],
    )


def line_unmatched(row: sa.RowMapping, match_number: int, now: datetime) -> SettlementLineUnmatchedV1:
    """An announced line that was told to be about an object of ours, and is about none that is known."""
    return SettlementLineUnmatchedV1(
        source=row["source"],
        line_id=row["line_id"],
        revision=row["revision"],
        processor=row["processor"],
        account=row["account"],
        payout_id=row["payout_id"],
        category=row["category"],
        match_number=match_number,
        payment_id=row["told_payment_id"],
        object_id=row["told_object_id"],
        currency=row["currency"],
        gross_minor=row["gross_minor"],
        available_on=row["available_on"],
        unmatched_at=now,
    )


def bank_credit_allocated(row: sa.RowMapping, effective_at: datetime) -> BankCreditAllocatedV1:
    """A further part of a bank's line that is a payout's, or less of it."""
    return BankCreditAllocatedV1(
        source=row["source"],
        line_id=row["line_id"],
        bank_account=row["bank_account"],
        processor=row["processor"],
        account=row["account"],
        payout_id=row["payout_id"],
        allocation_number=row["allocation_number"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        effective_at=effective_at,
    )


def payout_returned(row: sa.RowMapping, effective_at: datetime) -> PayoutReturnedV1:
    """A payout that the bank sent back; its line is a debit."""
    return PayoutReturnedV1(
        source=row["source"],
        line_id=row["line_id"],
        bank_account=row["bank_account"],
        processor=row["processor"],
        account=row["account"],
        payout_id=row["payout_id"],
        amount_minor=-row["amount_minor"],
        currency=row["currency"],
        effective_at=effective_at,
    )
