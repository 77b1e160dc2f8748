"""A sabotage run counts as noticed only where a test's own body went red because of the missing protection."""

import contextlib

import pytest

from tools.sabotage.case import Case, Patch, StalePatch
from tools.sabotage.run import CannotJudge, Noticed, judge
from tools.sabotage.scratch import Scratch

CASE = Case(
    name="guard",
    protection="p",
    change="c",
    patches=(Patch("code.py", "guarded = True", "guarded = False"),),
    tests=("test_code.py::test_guard",),
)


@pytest.fixture
def scratch(tmp_path):
    (tmp_path / "code.py").write_text("guarded = True\n")
    return Scratch(tmp_path)


def seen(outcome, *, phase="call", test="test_code.py::test_guard", failure="assert 2 == 1"):
    return {"test": test, "phase": phase, "outcome": outcome, "failure": failure}


def test_a_red_test_has_noticed_and_its_first_parameter_is_named(scratch):
    found = judge(scratch, CASE, 1, [seen("passed"), seen("failed", test="test_code.py::test_guard[two]")])
    assert found == (Noticed("test_code.py::test_guard[two]", "assert 2 == 1"),)


@pytest.mark.parametrize(
    ("code", "tests", "why"),
    [
        (0, [seen("passed")], "nobody noticed"),
        (1, [seen("failed", test="test_code.py::test_guardian")], "nobody noticed"),
        (1, [seen("failed", phase="setup")], "could not be set up"),
        (1, [seen("failed", phase="teardown")], "nobody noticed"),
        (1, [seen("failed", failure="NameError: name 'x' is not defined")], "broken Python"),
        (1, [seen("failed", failure="shop.Broken.AttributeError: no x")], "broken Python"),
        (2, [seen("failed")], "exit code 2"),
    ],
)
def test_everything_else_proves_nothing(scratch, code, tests, why):
    with pytest.raises(CannotJudge, match=why):
        judge(scratch, CASE, code, tests)


def test_a_long_failure_is_one_short_line_without_the_place_of_the_copy(scratch):
    failure = f"shop.errors.Broken: {scratch.root}/code.py " + "x" * 500
    (noticed,) = judge(scratch, CASE, 1, [seen("failed", failure=failure)])
    assert noticed.failure.startswith("Broken: /code.py x")
    assert len(noticed.failure) == 160


def test_the_protection_is_back_whatever_happened_without_it(scratch):
    path = scratch.root / "code.py"
    before = path.stat().st_mtime_ns
    with contextlib.suppress(LookupError), scratch.without(CASE):
        assert path.read_text() == "guarded = False\n"
        assert path.stat().st_mtime_ns != before, "else byte code of the untouched text would be run"
        raise LookupError
    assert (path.read_text(), path.stat().st_mtime_ns) == ("guarded = True\n", before)


def test_a_stale_patch_changes_nothing(scratch):
    stale = Case(
        name="stale", protection="p", change="c", tests=CASE.tests,
        patches=(*CASE.patches, Patch("code.py", "guarded = True", "gone")),
    )  # fmt: skip
    with pytest.raises(StalePatch), scratch.without(stale):
        pytest.fail("entered")
    assert (scratch.root / "code.py").read_text() == "guarded = True\n"
