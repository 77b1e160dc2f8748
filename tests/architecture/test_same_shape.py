"""Every service is one folder of one shape, so that nobody searches."""

from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = sorted(path for path in (REPOSITORY / "services").iterdir() if (path / "pyproject.toml").exists())
REQUIRED = {
    "README.md", "pyproject.toml", "settings.py", "bootstrap.py", "domain", "app", "adapters", "entrypoints",
    "migrations", "tests", "__init__.py",
}  # fmt: skip
REQUIRED_INSIDE = ("adapters/tables.py", "entrypoints/http.py", "entrypoints/cli.py", "migrations/env.py")
HEADINGS = ("Owns", "HTTP face", "Topics in and out", "Tables", "Invariants", "Alarms", "Runbook", "Owner")


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_service_has_exactly_the_entries_of_every_other(service: Path) -> None:
    found = {path.name for path in service.iterdir() if not path.name.startswith((".", "__pycache__"))}
    found = {name for name in found if not name.endswith(".egg-info")}
    assert found == REQUIRED, f"missing {REQUIRED - found}, unexpected {found - REQUIRED}"
    for entry in REQUIRED_INSIDE:
        assert (service / entry).exists(), f"{service.name} lacks {entry}"


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_service_readme_has_the_headings_of_every_other(service: Path) -> None:
    lines = (service / "README.md").read_text().splitlines()
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    positions = [headings.index(heading) for heading in HEADINGS if heading in headings]
    assert set(HEADINGS) <= set(headings), f"missing {set(HEADINGS) - set(headings)}"
    assert positions == sorted(positions), "the headings stand in another order"


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_no_command_of_a_service_takes_the_place_of_another(service: Path) -> None:
    """The last one of a name is the one that runs: a service's own ``run`` would keep it from starting."""
    registered = import_module(f"services.{service.name}.entrypoints.cli").cli.registered_commands
    names = [command.name or command.callback.__name__.replace("_", "-") for command in registered]
    assert "run" in names
    assert not [name for name, times in Counter(names).items() if times > 1]


def test_there_are_services_to_compare() -> None:
    assert len(SERVICES) >= 5
