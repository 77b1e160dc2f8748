"""What is least of an amount in the table of rules is what the contract says is least."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from schemas.catalogue import ROOT
from services.ledger.domain.journal import Cause
from services.ledger.domain.posting import journals_for
from services.ledger.domain.posting_rules import POSTING_RULES
from services.ledger.domain.rules import Posting
from services.ledger.domain.worked_examples import EXAMPLES
from services.ledger.domain.worked_settlements import SETTLEMENT_EXAMPLES
from services.ledger.tests.memory_books import MemoryBooks
from shared.kernel.errors import Poison

AT = datetime(2026, 1, 1, tzinfo=UTC)
LEAST = {"amount_minor": 1, "amount_minor_or_zero": 0, "signed_minor": None}


def contract(event_type, name):
    (file,) = (ROOT / "events").glob(f"*/{event_type}.v1.json")
    return msgspec.json.decode(file.read_bytes())["properties"][name]["$ref"].rpartition("/")[2]


@pytest.mark.parametrize(
    "row", [row for row in POSTING_RULES if isinstance(row, Posting)], ids=lambda r: r.rule
)
def test_the_table_bounds_what_an_event_states_as_its_contract_does(row):
    for name, _ in row.stated:
        assert row.least_minor == LEAST[contract(row.on, name)]


@pytest.mark.parametrize("amount", [0, -1, -10_000])
def test_whatever_moves_money_is_refused_where_it_moves_none_or_the_other_way(amount):
    told = {
        event_type: fields
        for example in (*EXAMPLES, *SETTLEMENT_EXAMPLES)
        for event_type, fields in example.told
        if event_type
        in {row.on for row in POSTING_RULES if isinstance(row, Posting) and row.least_minor == 1}
    }
    assert {
        "PaymentCaptured",
        "RefundRequested",
        "RefundSucceeded",
        "DisputeWithdrawn",
        "ReversalReceived",
    } <= set(told)
    whole = {
        "payment_id": "pay",
        "merchant_id": "mer",
        "currency": "EUR",
        "processor": "alpha",
        "account": "acct",
    }
    for event_type, fields in told.items():
        cause = Cause(event_id="event", event_type=event_type, version=1)
        stated = {"fact_key": "fact", **whole, **fields, "amount_minor": amount}
        with pytest.raises(Poison, match=r"^amount_not_positive: "):
            journals_for(cause, stated, AT, MemoryBooks(), lambda: "journal")
