"""A service that only its own folder knows is run by nobody, owned by nobody and found by nobody."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from shared.runtime import metric_names
from tools.local_stack.services import SERVICES as LOCAL

pytestmark = pytest.mark.architecture

REPOSITORY = Path(__file__).parents[2]
FOLDERS = sorted(path.parent.name for path in (REPOSITORY / "services").glob("*/pyproject.toml"))
TOPICS = sorted(path.name for path in (REPOSITORY / "schemas" / "topics").glob("*.yaml"))
OWNED = [line.split() for line in (REPOSITORY / "CODEOWNERS").read_text().splitlines() if "@" in line]
OWNERS = {place: owner for place, owner in OWNED}  # noqa: C416 - pairs by type
METRICS = {metric.name for metric in metric_names.ALL}


def text(name: str) -> str:
    return (REPOSITORY / name).read_text()


def test_the_local_stack_runs_every_service_with_all_its_roles() -> None:
    """``run`` without a word is every role of a service."""
    assert sorted(service.name for service in LOCAL) == FOLDERS
    assert '[_entry_point(service.command), "run"]' in text("tools/local_stack/stack.py")


@pytest.mark.parametrize("service", FOLDERS)
def test_a_service_has_a_team_and_stands_in_the_pictures_of_the_whole(service: str) -> None:
    assert OWNERS[f"/services/{service}/"] == "@tieout/team-" + service.replace("_", "-")
    assert f"(services/{service}/README.md)" in text("ARCHITECTURE.md")
    assert re.search(rf"\b{service}\b", text("README.md"))


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_belongs_to_a_team(topic: str) -> None:
    assert OWNERS[f"/schemas/topics/{topic}"].removeprefix("@tieout/team-").replace("-", "_") in FOLDERS


def test_no_owner_is_named_for_what_is_not_there() -> None:
    gone = [place for place in OWNERS if place != "*" and not (REPOSITORY / place.strip("/")).exists()]
    assert gone == []


@pytest.mark.parametrize("service", [name for name in FOLDERS if name != "sandbox"])
def test_every_alarm_watches_a_metric_that_is_counted(service: str) -> None:
    """The outside world has none: nobody is woken for it."""
    _, _, rest = text(f"services/{service}/README.md").partition("\n## Alarms\n")
    alarms = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert alarms
    for alarm in alarms:
        watched = re.findall(r"`(tieout_[a-z_]+)", alarm)
        assert watched, f"names no metric: {alarm}"
        assert set(watched) <= METRICS, f"{set(watched) - METRICS} of {alarm}"


def test_every_service_stands_under_the_import_contracts() -> None:
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    of = {contract["name"]: contract for contract in contracts}
    services = {f"services.{name}" for name in FOLDERS}
    assert set(of["Services never import each other"]["modules"]) == services
    assert set(of["Every service has the same layers"]["containers"]) == services
    assert set(of["Domains are pure"]["source_modules"]) == {f"{name}.domain" for name in services}
