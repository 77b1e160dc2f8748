"""Every case has a reason that a person understands; every type of operation fits what the migrations leave behind."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from services.payment.domain.case_reasons import REASONS, explain
from services.payment.domain.operations import BLOCKING, OperationType

SERVICE = Path(__file__).parents[2]


def reasons_opened() -> set[str]:
    """The first words of every ``open_case`` and ``review`` in the code, where they are written out."""
    found = set()
    for folder in ("domain", "app"):
        for path in (SERVICE / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                at = {"open_case": 0, "review": 2}.get(name)
                if at is not None and len(node.args) > at and isinstance(node.args[at], ast.Constant):
                    found.add(str(node.args[at].value))
    return found


def test_every_reason_is_explained() -> None:
    opened = reasons_opened()
    assert {"stray_found", "ladder_exhausted", "echo_mismatch"} <= opened
    assert opened - REASONS.keys() == set()
    assert all(text.endswith(".") and len(text) > 20 for text in REASONS.values())


def test_an_unknown_reason_is_told_by_its_code() -> None:
    assert explain("something_newer") == "something newer"


def test_the_last_word_of_the_migrations_knows_every_type_of_operation() -> None:
    text = "\n".join(path.read_text() for path in sorted((SERVICE / "migrations/versions").glob("0*.py")))
    stated = re.findall(r"ADD CONSTRAINT operations_type_check CHECK \((.*?)\);", text, re.DOTALL)
    assert set(re.findall(r"'(\w+)'", stated[-1])) >= {kind.value for kind in OperationType}
    index = re.findall(
        r"CREATE UNIQUE INDEX operations_one_undecided ON.*?WHERE type IN \((.*?)\)", text, re.DOTALL
    )
    assert set(re.findall(r"'(\w+)'", index[-1])) == {kind.value for kind in BLOCKING}
