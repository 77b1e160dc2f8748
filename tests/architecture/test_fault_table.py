"""The page of a processor's faults says what the sandbox has and what the tests do, at both processors."""

import ast
from functools import cache
from pathlib import Path

import pytest

from services.sandbox.app.beta_script import COLLECTIONS as AT_BETA
from services.sandbox.app.script_acts import COLLECTIONS
from services.sandbox.app.script_requests import EFFECTS, FAULTS, FEEDS, REPLIES, WEBHOOKS, read_rule
from services.sandbox.domain.faults import READING_FAULTS, Reading
from services.sandbox.domain.payment_methods import (
    CARD_FAULTS,
    CARD_PLANS,
    CARDS,
    PAYMENT_METHODS,
    SCRIPTED,
)
from tests.e2e.claims import BETA_WORDS
from tests.e2e.fault_table import PAGE, ROOT, ROWS, FaultRow, Tried, page

E2E = ROOT / "tests" / "e2e"
#: Whoever takes one of these is run at that processor; the last one asks for both by name.
AT_BOTH = {"processor", "shop_there", "places", "world", "sender", "request"}
AT = {"alpha": AT_BOTH | {"shop"}, "beta": AT_BOTH | {"beta_shop"}}


@cache
def functions(file: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(file.read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text() == page(), "write it again: python -m tests.e2e.fault_table"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_the_sandbox_has_what_the_table_names(row: FaultRow) -> None:
    assert [card for card in row.cards if card not in PAYMENT_METHODS] == []
    assert row.cards or row.rule or row.otherwise, "no way to have it"
    for processor in AT if row.rule else ():
        read_rule({"processor": processor, **row.rule})


def test_nothing_that_the_sandbox_can_do_wrong_is_left_out() -> None:
    """A fault, a plan, a card or a disturbed reading that is new has no test until it has a row."""
    ruled = {(name, str(value)) for row in ROWS for name, value in row.rule.items()}
    words = {"reply": REPLIES, "webhooks": WEBHOOKS, "effect": EFFECTS, "feed": FEEDS}
    assert {(name, word) for name, known in words.items() for word in known} - ruled == set()
    said = {name for name, _ in ruled} | {name for name in FAULTS for row in ROWS if name in row.otherwise}
    # The code stands beside a status, and goes with the answers that the processors' adapters are tried by.
    assert FAULTS - said == {"code"}
    read = {(row.rule.get("operation"), row.rule.get("reply", row.rule.get("delay_ms"))) for row in ROWS}
    assert {(each, reply) for each in Reading for reply in READING_FAULTS} - read == set()


def test_nothing_that_can_be_done_to_an_object_is_left_out() -> None:
    """And at beta the same can be done, under the names that it has there."""
    known = {(collection, do) for collection, named in COLLECTIONS.items() for do in named.steps}
    assert {row.act for row in ROWS if row.act} == known
    assert set(BETA_WORDS.items()) == {(alphas, betas) for betas, alphas in AT_BETA.items()}


def test_no_card_is_left_out() -> None:
    """But for those that go well; a reply fault with a webhook plan, or of one operation, is a card in their row."""
    named = {card for row in ROWS for card in row.cards}
    alone = [*filter(None, CARD_FAULTS), *filter(None, CARD_PLANS)]
    known = {card.name for card in CARDS} | SCRIPTED.keys() | {f"pm_fault_{fault}" for fault in alone}
    known |= {"pm_no_evidence", "pm_fault_outlives_key", "pm_fault_wrong_reference"}
    assert known - named == {"pm_card_visa", "pm_card_mastercard"}


@pytest.mark.parametrize("processor", AT)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_what_the_table_names_is_tried_there(row: FaultRow, processor: str) -> None:
    tried: Tried = getattr(row, processor)
    file, name = tried.test.split("::")
    test = functions(E2E / file)[name]
    assert AT[processor] & {argument.arg for argument in test.args.args}, "it does not run there"
    text = (E2E / file).read_text()
    if tried.course is not None:
        course_file, course = tried.course.split("::")
        assert course in functions(E2E / course_file)
        assert course in text, "nobody runs that course"
        text += (E2E / course_file).read_text()
    assert tried.word in text
