"""The crash suite's table is what the code says: who can pass a point is killed there, and nobody else could be.

Points in a service's own folder are that service's. Those in ``shared`` stand on a mechanism, and who has the mechanism
is asked of the services themselves: their roles, their routes, their commands.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from shared.kernel.crash_points import KNOWN_CRASH_POINTS
from shared.runtime.idempotency_keys_http import ROUTE as INSPECTOR
from shared.runtime.idempotent_http import IdempotentHttp
from tests.architecture.faces import NEEDS, OUTSIDE_WORLD, REPOSITORY, SERVICES, Face
from tools.crash.points import PASSED_BY_COMMAND, command_cases, service_cases

REDRIVE = "/operator/parked-keys/redrive"
OF_COMMANDS = {"archive": "archive", "refill": "refill", "take_refill": "take-refill"}
"""The command whose process passes a family."""
MECHANISM = ("shared.persistence.unit_of_work", "shared.messaging", "shared.runtime.idempotent_http")


@pytest.fixture(params=sorted(NEEDS))
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    made = Face(request.param)
    yield made
    made.runtime.close()


def test_every_service_dies_at_the_points_that_it_can_pass_and_at_no_other(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = {name.partition(".")[0] for name in face.runtime.roles}
    paths = face.paths()
    has = {
        "unit_of_work": "relay" in roles,
        "relay": "relay" in roles,
        "consumer": "consume" in roles,
        "redrive": "consume" in roles and REDRIVE in paths,
        "http": INSPECTOR in paths,
        "idempotency": INSPECTOR in paths,
    }
    can = {
        point
        for point in _points_of("shared")
        if has.get(_family(point), False) and (point != LATE or _waits(face.service, monkeypatch))
    }
    assert _table(face.service) == can | _points_of(f"services/{face.service}")


LATE = "idempotency.before_reply_stored"
"""Passed where a reply is kept after its effect: by who waits in between, and by who has none to keep with it."""


def _waits(service: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the service's layer waits for anything; without it no key is in flight once its effect is committed."""
    made: list[IdempotentHttp[Any]] = []
    begin: Callable[..., None] = IdempotentHttp.__init__

    def note(http: IdempotentHttp[Any], *given: Any, **named: Any) -> None:
        begin(http, *given, **named)
        made.append(http)

    monkeypatch.setattr(IdempotentHttp, "__init__", note)
    Face(service).runtime.close()
    return any(http.waiters is not None for http in made)


def test_every_outcome_of_a_post_has_its_reply_with_it() -> None:
    """Or its key would be in flight, and the reply be kept late, in services that do not wait as well."""
    late = [
        f"{path.relative_to(REPOSITORY)}:{call.lineno}"
        for path in _sources("services", "shared")
        if "shared.runtime" in path.read_text() or path.is_relative_to(REPOSITORY / "shared")
        for call in _calls(path, "Outcome")
        if any(word.arg == "resource_id" for word in call.keywords) and not _replies(call)
    ]
    assert not late


def test_the_outside_world_has_none_of_our_mechanism() -> None:
    for service in OUTSIDE_WORLD:
        imported = {name for path in _sources(f"services/{service}") for name in _imports(path)}
        assert not [name for name in imported if name.startswith(MECHANISM)]
        assert _table(service) == _points_of(f"services/{service}")


@pytest.mark.parametrize("family", PASSED_BY_COMMAND)
def test_whoever_has_a_command_dies_in_it(family: str) -> None:
    able = {service for service in SERVICES if service in NEEDS and _can(service, family)}
    assert {case.service for case in command_cases(family)} == able
    assert {case.point for case in command_cases(family)} == {
        point for point in _points_of("shared") if _family(point) == family
    }


def test_every_known_point_stands_somewhere() -> None:
    assert _points_of("shared", "services") == KNOWN_CRASH_POINTS.keys()


def _can(service: str, family: str) -> bool:
    """Whether the service has the command and the part that it works on: an inbox for what is taken, else an outbox."""
    found = Face(service)
    roles = {name.partition(".")[0] for name in found.runtime.roles}
    found.runtime.close()
    group: Any = typer.main.get_command(import_module(f"services.{service}.entrypoints.cli").cli)
    has_command = OF_COMMANDS[family] in group.commands
    return has_command and ("consume" if family == "take_refill" else "relay") in roles


def _table(service: str) -> set[str]:
    return {case.point for case in service_cases() if case.service == service}


def _family(point: str) -> str:
    return point.partition(".")[0]


@cache
def _points_of(*folders: str) -> frozenset[str]:
    return frozenset(
        argument.value
        for path in _sources(*folders)
        for call in _calls(path, "crash_point")
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    )


def _sources(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py")))
    return [path for path in found if "tests" not in path.parts]


def _calls(path: Path, name: str) -> Iterator[ast.Call]:
    text = path.read_text()
    if name not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _replies(call: ast.Call) -> bool:
    return any(
        word.arg == "reply"
        and not any(isinstance(part, ast.Constant) and part.value is None for part in ast.walk(word.value))
        for word in call.keywords
    )


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
