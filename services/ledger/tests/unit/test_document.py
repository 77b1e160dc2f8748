"""The page of posting rules is what the table says."""

from __future__ import annotations

from pathlib import Path

from services.ledger.domain.adjustment_templates import TEMPLATES
from services.ledger.domain.chart import FAMILIES, Side
from services.ledger.domain.journal import REVERSED_SUFFIX
from services.ledger.domain.posting_rules import EVENT_TYPES, POSTING_RULES
from services.ledger.domain.rules import Amendment, Posting, Reversal
from services.ledger.domain.rules_document import render
from services.ledger.domain.worked_adjustments import BY_HAND
from services.ledger.domain.worked_examples import EXAMPLES, balances, booked, booked_by_hand
from services.ledger.domain.worked_returns import RETURN_EXAMPLES
from services.ledger.domain.worked_settlements import SETTLEMENT_EXAMPLES

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


def _rules(row):
    if isinstance(row, Posting):
        return [row.rule]
    if isinstance(row, Reversal):
        return [rule + REVERSED_SUFFIX for rule in row.reverses]
    return [row.rule, row.rule + REVERSED_SUFFIX] if isinstance(row, Amendment) else []


def test_every_rule_has_a_worked_example():
    shown = {
        (journal.cause.event_type, journal.rule)
        for example in (*EXAMPLES, *RETURN_EXAMPLES, *SETTLEMENT_EXAMPLES)
        for journal in booked(example)
    }
    assert {(row.on, rule) for row in POSTING_RULES for rule in _rules(row)} - shown == set()


def test_every_template_has_a_worked_example_that_clears_what_it_is_for():
    assert set(BY_HAND) == set(TEMPLATES)
    for name, template in TEMPLATES.items():
        *before, by_hand = booked_by_hand(name)
        assert by_hand.rule == template.rule
        cleared = [entry for entry in by_hand.entries if FAMILIES[entry.account.family].transitional]
        for entry in cleared:
            assert _net(before, entry) == -_net([by_hand], entry) != 0, name


def _net(journals, like):
    return sum(
        entry.amount_minor if entry.side is Side.DEBIT else -entry.amount_minor
        for journal in journals
        for entry in journal.entries
        if (entry.account, entry.clearing_key) == (like.account, like.clearing_key)
    )


def test_what_went_all_the_way_back_leaves_nothing():
    ends = {example.title: balances(booked(example)) for example in RETURN_EXAMPLES}
    assert ends["Stray of 100 returned"] == {}
    assert ends["Charge of 40 in doubt, and decided"] == {}
    assert ends["Refund of 40 found otherwise than asked, failed later"] == {}
    assert ends["Refund of 40 that succeeded and failed later: both its journals are reversed"] == {
        "processor_receivable": 10_000,
        "merchant_pending": 9_700,
        "fee_revenue": 300,
    }
