"""The page of statuses is what the tables say."""

from __future__ import annotations

from pathlib import Path

from services.payment.domain.lifecycle import DEAD, pairs
from services.payment.domain.states_document import render

PAGE = Path(__file__).resolve().parents[4] / "docs" / "payment-states.md"


def test_the_committed_page_is_generated_from_the_tables():
    assert PAGE.read_text(encoding="utf-8") == render(), "run: payment states > docs/payment-states.md"


def test_every_legal_step_of_a_payment_is_an_arrow_and_no_other_is():
    payments = render().partition("## Payments")[2].partition("## ")[0]
    arrows = {tuple(line.split(" --> ")) for line in payments.replace("  ", "").splitlines() if "-->" in line}
    assert arrows == {("[*]", "CREATED"), *pairs(), *((status.value, "[*]") for status in DEAD)}
