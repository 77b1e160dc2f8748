"""The page of posting rules is what the table says."""

from __future__ import annotations

from pathlib import Path

from services.ledger.domain.posting_rules import EVENT_TYPES
from services.ledger.domain.rules_document import render
from services.ledger.domain.worked_examples import EXAMPLES, balances, booked

PAGE = Path(__file__).resolve().parents[4] / "docs" / "posting-rules.md"


def test_the_committed_page_is_generated_from_the_table():
    assert PAGE.read_text(encoding="utf-8") == render(), "run: ledger posting-rules > docs/posting-rules.md"


def test_the_page_speaks_of_every_event():
    assert all(f"`{event_type}`" in render() for event_type in EVENT_TYPES)


def test_the_worked_examples_end_as_the_design_says():
    ends = [balances(booked(example)) for example in EXAMPLES]
    assert ends[0] == {
        "merchant_pending": 9_700,
        "fee_revenue": 300,
        "merchant_available": -11_500,
        "dispute_fees": 1_500,
    }
    assert ends[1] == {"processor_receivable": 10_000, "merchant_pending": 10_000}
    assert ends[2]["merchant_available"] == -4_000
    assert ends[3] == {
        "processor_receivable": 3_000,
        "merchant_pending": 10_000,
        "merchant_available": -7_000,
    }
