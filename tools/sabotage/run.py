"""Runs the named tests in the scratch copy and judges: green while untouched, red for the right reason without.

Red means that a test's own body failed. A tree that cannot be imported, a fixture that breaks, or a mistake in the
patch itself (a name that does not exist) proves nothing and counts as a fault of the case.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

from tools.sabotage.case import Case, StalePatch
from tools.sabotage.scratch import Scratch
from tools.sabotage.witness import REPORT_VARIABLE

BASELINE_DEADLINE_S: Final = 900.0
CASE_DEADLINE_S: Final = 120.0
FAILURE_CHARS_MAX: Final = 160
TESTS_FAILED: Final = 1
"""pytest's exit code for "ran, and some failed"; every other one but 0 says that it could not run."""
MISTAKES: Final = (
    "NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError",
    "AttributeError", "TypeError",
)  # fmt: skip
"""What broken Python raises: such a failure comes from the patch, not from the missing protection."""

_MODULE: Final = re.compile(r"^(\w+\.)+(?=\w+(:|$))")
"""The module of an exception's class: where it was defined says nothing to the reader."""


class CannotJudge(Exception):  # noqa: N818 - what the run came to
    """A run whose outcome says nothing, with the reason."""


Seen = Mapping[str, str]
"""One phase of one test, as the witness wrote it down."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """One test that went red, and how."""

    test: str
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of taking one protection out; ``problem`` is empty where every named test noticed."""

    case: Case
    noticed: tuple[Noticed, ...]
    problem: str
    duration_s: float


def check_untouched(scratch: Scratch, cases: Sequence[Case]) -> int:
    """Run every named test on the untouched copy; return how many there are, or raise ``CannotJudge``."""
    tests = sorted({test for case in cases for test in case.tests})
    code, report = _pytest(scratch, tests, deadline_s=BASELINE_DEADLINE_S, keep_byte_code=True)
    failed = [seen["test"] for seen in report["tests"] if seen["outcome"] == "failed"]
    missing = [test for test in tests if not _of(test, report["tests"], "passed")]
    if code != 0 or failed or missing:
        raise CannotJudge(f"red before anything was taken out: {failed or missing or f'exit code {code}'}")
    return len(tests)


def take_out(scratch: Scratch, case: Case) -> CaseResult:
    """Run a case's tests without its protection."""
    began_s = time.monotonic()
    noticed: tuple[Noticed, ...] = ()
    problem = ""
    try:
        with scratch.without(case):
            code, report = _pytest(scratch, case.tests, deadline_s=CASE_DEADLINE_S, keep_byte_code=False)
        noticed = judge(scratch, case, code, report["tests"])
    except (CannotJudge, StalePatch) as reason:
        problem = str(reason)
    return CaseResult(case=case, noticed=noticed, problem=problem, duration_s=time.monotonic() - began_s)


def take_out_each(
    scratch: Scratch, cases: Sequence[Case], told: Callable[[CaseResult], None], *, at_once: int
) -> list[CaseResult]:
    """Take the protections out one after the other, in as many copies as cases may run at once."""
    with ExitStack() as copies, ThreadPoolExecutor(at_once) as pool:
        free: SimpleQueue[Scratch] = SimpleQueue()
        free.put(scratch)
        for _ in range(1, at_once):
            free.put(copies.enter_context(scratch.twin()))

        def one(case: Case) -> CaseResult:
            mine = free.get()
            try:
                result = take_out(mine, case)
            finally:
                free.put(mine)
            told(result)
            return result

        return list(pool.map(one, cases))


def judge(scratch: Scratch, case: Case, code: int, tests: Sequence[Seen]) -> tuple[Noticed, ...]:
    """Return how each of the case's tests went red, or raise ``CannotJudge``."""
    set_up = [seen["failure"] for seen in tests if seen["phase"] == "setup" and seen["outcome"] == "failed"]
    if set_up:
        raise CannotJudge(f"a test could not be set up: {set_up[0]}")
    noticed = []
    for test in case.tests:
        failed = _of(test, tests, "failed")
        if not failed:
            raise CannotJudge(f"nobody noticed: {test} stays green")
        failure = _MODULE.sub("", failed[0]["failure"]).replace(str(scratch.root), "")
        if failure.startswith(MISTAKES):
            raise CannotJudge(f"the patch is broken Python: {failure}")
        noticed.append(Noticed(failed[0]["test"], _shortened(failure)))
    if code != TESTS_FAILED:
        raise CannotJudge(f"pytest ended with exit code {code}")
    return tuple(noticed)


def _of(test: str, tests: Sequence[Seen], outcome: str) -> list[Seen]:
    return [
        seen
        for seen in tests
        if seen["phase"] == "call"
        and seen["outcome"] == outcome
        and (seen["test"] == test or seen["test"].startswith(test + "["))
    ]


def _shortened(text: str) -> str:
    return text if len(text) <= FAILURE_CHARS_MAX else text[: FAILURE_CHARS_MAX - 1] + "…"


def _pytest(
    scratch: Scratch, tests: Sequence[str], *, deadline_s: float, keep_byte_code: bool
) -> tuple[int, dict[str, Any]]:
    report_file = scratch.root / ".sabotage-report.json"
    report_file.unlink(missing_ok=True)
    environment = os.environ | {
        "PYTHONPATH": str(scratch.root),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of the start-up; the one that we need is named below
        "PYTHONDONTWRITEBYTECODE": "" if keep_byte_code else "1",
        REPORT_VARIABLE: str(report_file),
    }
    words = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout",
        "-p", "tools.sabotage.witness", *tests,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            words, cwd=scratch.root, env=environment, capture_output=True, text=True,
            timeout=deadline_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as expired:
        raise CannotJudge(f"the tests hung for {deadline_s:g} s") from expired
    if not report_file.exists():
        raise CannotJudge(f"pytest could not run: {(done.stdout + done.stderr).strip()[-500:]}")
    report: dict[str, Any] = json.loads(report_file.read_text())
    if report["foreign"]:
        raise CannotJudge(f"imported from outside the copy: {', '.join(report['foreign'][:3])}")
    if report["collection"]:
        raise CannotJudge(f"not collected: {report['collection'][0]}")
    return done.returncode, report
