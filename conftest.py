"""Marks every test by the folder it lies in, so that nobody forgets, and loads the infrastructure fixtures."""

import gc
from pathlib import Path, PurePath

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["shared.testing.infra"]

LEVELS = (
    "unit",
    "property",
    "db",
    "kafka",
    "contract",
    "architecture",
    "integration",
    "crash",
    "e2e",
    "simulation",
)

MARKERS = {"simulation": "sim"}
"""Folders whose mark is shorter than their name."""

LONG = (
    "services/ledger/tests/property/test_adjusting_machine.py",
    "services/ledger/tests/unit/test_import_lines.py",
    "services/payment/tests/property/test_abandoning.py",
    "services/payment/tests/property/test_payment_machine.py",
    "services/payment/tests/property/test_risk_machine.py",
    "services/processor/tests/property/test_attempt_life.py",
    "services/processor/tests/unit/test_outage.py",
    "services/reconciliation/tests/property/test_random_files.py",
    "services/reconciliation/tests/unit/test_reading_is_bounded.py",
    "tests/property/test_books_follow_the_payment.py",
    "tests/property/test_dispute_orders.py",
)
"""Seconds each, without any service: ``make test-unit`` leaves them to ``make test``."""

# A generated case that takes long says that the machine is busy, not that the code is wrong.
settings.register_profile("tieout", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", settings.get_profile("tieout"), max_examples=20)
"""``make test-unit``: fewer generated cases where a test does not say how many it needs; ``make test`` has them all."""
settings.load_profile("tieout")

# Thousands of tests are collected and none goes before the last has run: the collector would read through all of them
# again and again, which is a third of what short tests cost.
gc.set_threshold(50_000, 10, 10)

# Without this the default renderer draws a picture of every traceback, at seconds of CPU each.
structlog.configure(processors=[structlog.processors.KeyValueRenderer()])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long = {config.rootpath / path for path in LONG}
    if gone := sorted(str(path) for path in long if not path.is_file()):
        raise pytest.UsageError(f"LONG in conftest.py names {', '.join(gone)}, which is not there")
    for item in items:
        if Path(item.path) in long:
            item.add_marker(pytest.mark.long)
        for level in LEVELS:
            if level in PurePath(item.path).parts:
                item.add_marker(getattr(pytest.mark, MARKERS.get(level, level)))
                break
        else:
            raise pytest.UsageError(
                f"{item.path} lies in no level folder; expected one of {', '.join(LEVELS)}"
            )


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: no collection looks at it any more."""
    gc.collect()
    gc.freeze()
