"""A pytest plugin of the scratch copy: writes down what every test did, and whose code was imported.

Loaded with ``-p tools.sabotage.witness`` inside the scratch run only.
"""

import json
import os
import sys
from pathlib import Path
from typing import Final

import pytest

from shared.runtime.logs import configure_logs

REPORT_VARIABLE: Final = "TIEOUT_SABOTAGE_REPORT"
OURS: Final = frozenset({"schemas", "shared", "services", "tools"})

_tests: list[dict[str, str]] = []
_collection: list[str] = []


def pytest_configure() -> None:
    """Log as production does: drawing a traceback for people takes longer than most of these tests."""
    configure_logs()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep each phase of each test, with the one line that says how it failed."""
    seen = {"test": report.nodeid, "phase": report.when, "outcome": report.outcome}
    _tests.append(seen | {"failure": _first_line(report) if report.failed else ""})


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Keep what could not even be collected."""
    if report.failed:
        _collection.append(f"{report.nodeid}: {report.longreprtext[-300:]}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the report to whoever started this run."""
    report = {"tests": _tests, "collection": _collection, "foreign": _foreign(session.config.rootpath)}
    Path(os.environ[REPORT_VARIABLE]).write_text(json.dumps(report))


def _first_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash is not None else report.longreprtext).strip().splitlines()
    return lines[0] if lines else ""


def _foreign(root: Path) -> list[str]:
    """Modules of ours that came from somewhere else than this tree: nothing they say would count."""
    files = {
        name: module.__file__
        for name, module in sys.modules.items()
        if name.partition(".")[0] in OURS and getattr(module, "__file__", None)
    }
    return sorted(name for name, file in files.items() if file and not Path(file).is_relative_to(root))
