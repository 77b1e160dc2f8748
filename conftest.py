"""Marks every test by the folder it lies in, so that nobody forgets, and loads the infrastructure fixtures."""

from pathlib import PurePath

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

# A generated case that takes long says that the machine is busy, not that the code is wrong.
settings.register_profile("tieout", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tieout")

# Without this the default renderer draws a picture of every traceback, at seconds of CPU each.
structlog.configure(processors=[structlog.processors.KeyValueRenderer()])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for level in LEVELS:
            if level in PurePath(item.path).parts:
                item.add_marker(getattr(pytest.mark, MARKERS.get(level, level)))
                break
        else:
            raise pytest.UsageError(
                f"{item.path} lies in no level folder; expected one of {', '.join(LEVELS)}"
            )
