"""The table of templates balances and fits the chart; a proposal that is not filled in right is refused by code."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from services.ledger.domain.adjustment_templates import TEMPLATES, check_table
from services.ledger.domain.adjustments import Adjustment, Proposed, check_proposal, journal_for
from services.ledger.domain.chart import MA
from services.ledger.domain.journal import Cause, check_entries
from services.ledger.domain.posting_rules import PAYMENT_RULES
from services.ledger.domain.rules import Posting, balances
from shared.kernel.decisions import NEXT, DecisionState
from shared.kernel.errors import InvariantViolation, Rejected

REPOSITORY = Path(__file__).parents[4]
NOW = datetime(2026, 11, 27, tzinfo=UTC)
FILLED = {
    "merchant_id": "mer_" + "0" * 26,
    "clearing_key": "line:rep_1:1",
    "processor": "alpha",
    "account": "acct_alpha",
    "bank_account": "main_eur",
}
CAUSE = Cause(event_id="evt_1", event_type="OperatorActed", version=1)


def proposed(name, **changes):
    parameters = {each: FILLED[each] for each in TEMPLATES[name].takes}
    made = Proposed(
        template=name, parameters=parameters, amount_minor=100, currency="EUR", reason="why", attachment="doc"
    )
    return replace(made, **changes)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_books_a_balanced_journal_that_fits_the_chart(name):
    wanted = proposed(name)
    assert check_proposal(wanted) is TEMPLATES[name]
    adjustment = Adjustment(
        adjustment_id="adj_1",
        state=DecisionState.PROPOSED,
        proposed_by="ada",
        proposed_at=NOW,
        template=wanted.template,
        parameters=wanted.parameters,
        amount_minor=wanted.amount_minor,
        currency=wanted.currency,
        reason=wanted.reason,
        attachment=wanted.attachment,
    )
    journal = journal_for(adjustment, CAUSE, "jrn_1", NOW)
    check_entries(journal.entries)
    assert len(journal.entries) == 2
    assert {entry.amount_minor for entry in journal.entries} == {100}


def test_nothing_starts_with_a_template_that_does_not_balance():
    whole = TEMPLATES["merchant_credit"]
    with pytest.raises(InvariantViolation) as refused:
        check_table([whole, replace(whole, legs=whole.legs[:1])])
    assert refused.value.name == "template_unbalanced"


def test_the_rules_of_payments_balance_whatever_the_amounts_are():
    assert [row.rule for row in PAYMENT_RULES if isinstance(row, Posting) and not balances(row.legs)] == []


def test_a_transitional_leg_is_one_at_most_and_has_its_key():
    for template in TEMPLATES.values():
        transitional = [leg for leg in template.legs if leg.family.transitional]
        assert len(transitional) <= 1
        assert [leg.key for leg in transitional] == [("clearing_key",)] * len(transitional)


def test_the_floor_is_that_of_payouts():
    assert {name: each.floor for name, each in TEMPLATES.items() if each.floor} == {"merchant_payout": MA}


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"template": "anything"}, "template_unknown", "template"),
        ({"parameters": {"bank_account": "main_eur"}}, "parameter_missing", "merchant_id"),
        ({"parameters": {"merchant_id": FILLED["merchant_id"]}}, "parameter_missing", "bank_account"),
        ({"parameters": FILLED}, "parameter_unknown", "clearing_key"),
        (
            {"parameters": {"merchant_id": "mer_1", "bank_account": "main_eur"}},
            "parameter_invalid",
            "merchant_id",
        ),
        ({"amount_minor": 0}, "amount_not_positive", "amount"),
        ({"amount_minor": -1}, "amount_not_positive", "amount"),
        ({"amount_minor": 2**53}, "amount_too_large", "amount"),
        ({"currency": "XXX"}, "currency_unknown", "currency"),
        ({"reason": " "}, "reason_missing", "reason"),
        ({"attachment": ""}, "attachment_missing", "attachment"),
    ],
)
def test_what_is_not_filled_in_right_is_refused_naming_the_field(changes, code, param):
    with pytest.raises(Rejected) as refused:
        check_proposal(proposed("merchant_payout", **changes))
    assert (refused.value.code, refused.value.param) == (code, param)


TAKE_STRAYS = ("suspense_to_merchant", "suspense_surplus_write_off", "suspense_from_processor_fees")


@pytest.mark.parametrize("name", [name for name, each in TEMPLATES.items() if "clearing_key" in each.takes])
def test_only_payment_gives_the_money_of_a_stray_away(name):
    wanted = proposed(name)
    of_stray = replace(wanted, parameters={**wanted.parameters, "clearing_key": "str_1"})
    if name not in TAKE_STRAYS:
        assert check_proposal(of_stray) is TEMPLATES[name]
        return
    with pytest.raises(Rejected) as refused:
        check_proposal(of_stray)
    assert (refused.value.code, refused.value.param) == ("clearing_key_of_stray", "clearing_key")


def test_the_database_knows_the_same_templates():
    path = "services/ledger/migrations/versions/0010_adjust_books.py"
    step = spec_from_file_location("step_0010", REPOSITORY / path)
    module = module_from_spec(step)
    step.loader.exec_module(module)
    assert tuple(TEMPLATES) == module.TEMPLATES


def test_nothing_is_decided_twice():
    assert NEXT[DecisionState.APPROVED] == NEXT[DecisionState.REJECTED] == frozenset()
