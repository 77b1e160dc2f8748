"""The sabotage table fits the code of today; that its tests really go red is shown by `make sabotage`."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tools.sabotage.case import Patch, StalePatch
from tools.sabotage.cases import CASES

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_patch_finds_its_text_exactly_once(case):
    changed = case.patched(REPOSITORY)
    assert changed
    for path, text in changed.items():
        assert text != path.read_text()
        if path.suffix == ".py":
            ast.parse(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_named_test_exists(case):
    assert case.tests
    for test in case.tests:
        file, _, name = test.partition("::")
        source = (REPOSITORY / file).read_text()
        if "::" in name:  # inherited from a suite; the run on the untouched copy finds it or fails
            assert f"class {name.partition('::')[0]}" in source
        else:
            assert f"def {name}(" in source


def test_a_case_has_one_name():
    assert not [name for name, count in Counter(case.name for case in CASES).items() if count > 1]


def test_the_page_shows_every_case_and_no_other():
    page = (REPOSITORY / "docs" / "sabotage.md").read_text()
    assert re.findall(r"^\| \*\*(.+?)\*\*", page, re.MULTILINE) == [case.name for case in CASES]
    assert f"\n{len(CASES)} of {len(CASES)} protections were noticed.\n" in page


@pytest.mark.parametrize("text", ["", "one two one", "two"])
def test_a_patch_whose_text_is_not_there_exactly_once_is_an_error(text):
    with pytest.raises(StalePatch):
        Patch("x.py", "one", "three").applied_to(text)
