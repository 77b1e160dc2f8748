"""Every POST of every service goes through the idempotency layer: asked of the applications themselves, route by route."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.responses import Response

from shared.runtime.idempotency_keys_http import ROUTE as INSPECTOR
from shared.runtime.idempotent_http import IdempotentEndpoint
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import ServiceSettings, load_settings
from shared.testing.serving import Served, served

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (REPOSITORY / "services").glob("*/pyproject.toml"))
#: A service that is not here fails: it has to say what it needs to be built.
NEEDS: dict[str, dict[str, str]] = {
    "ledger": {},
    "payment": {"API_KEY_PEPPER": "a pepper"},
    "processor": {"ALPHA_BASE_URL": "http://127.0.0.1:1", "ALPHA_API_KEY": "sk"},
    "reconciliation": {},
    "risk": {},
    "webhook_ingest": {"ALPHA_WEBHOOK_SECRETS": "whsec_0123456789abcdef"},
}
OUTSIDE_WORLD = {"sandbox"}
"""Plays processors to us; its manners with keys are theirs, and have tests of their own."""
WITHOUT_KEY = {
    (
        "payment",
        "POST /tokens",
    ): "nothing is made that a second call could make twice, and credentials are not kept",
    ("reconciliation", "POST /bulk/breaks/preview"): "nothing is changed: it says what would be",
    (
        "reconciliation",
        "POST /sources/{source}/files",
    ): "the same bytes of the same source are the same file, kept once",
    (
        "risk",
        "POST /rule-sets/{version}/try",
    ): "nothing is counted or kept that a second call could count twice",
    ("webhook_ingest", "POST /webhooks/{processor}"): "deduplicated by the processor's event id and digest",
}
HIDING = re.compile(r"include_in_schema|\.add_route\(|\.mount\(|\.add_api_websocket_route\(|\.websocket\(")
"""What would keep a route out of an application's description of itself."""
READING = {"GET", "HEAD", "OPTIONS"}
ULID = "0" * 26
VALUES = {
    "payment_id": f"pay_{ULID}", "dispute_id": f"dp_{ULID}", "operation_id": f"op_{ULID}", "stray_id": f"str_{ULID}",
    "case_id": f"case_{ULID}", "decision_id": f"dec_{ULID}", "version": "1",
    "adjustment_id": f"adj_{ULID}", "close_id": f"cls_{ULID}", "break_id": f"brk_{ULID}",
    "term_id": f"trm_{ULID}", "hand_match_id": f"hnd_{ULID}",
}  # fmt: skip
"""An id of each kind that a path may hold, good enough to reach the handler."""
STUBBED = 299


class Face:
    """One service's application, built from settings alone; nothing connects."""

    def __init__(self, service: str) -> None:
        private, public = new_key_pair()
        prefix = service.upper()
        values = {f"{prefix}_{name}": value for name, value in NEEDS[service].items()}
        values[f"{prefix}_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nowhere"
        values[f"{prefix}_OPERATOR_PUBLIC_KEY"] = public
        self.service = service
        self.runtime = import_module(f"services.{service}.bootstrap").build(
            load_settings(_settings_of(import_module(f"services.{service}.settings")), values)
        )
        self.app: Any = self.runtime.make_app()
        self.token = TokenIssuer(private).operator("ann", OperatorRole.ADMIN)

    def changing(self) -> list[tuple[str, str]]:
        """Method and path of everything that is no mere reading."""
        return [
            (method.upper(), path)
            for path, methods in self.paths().items()
            for method in sorted(methods)
            if method.upper() not in READING
        ]

    def paths(self) -> dict[str, dict[str, Any]]:
        """Methods by path, as the application describes itself."""
        found: dict[str, dict[str, Any]] = self.app.openapi()["paths"]
        return found

    def call(self, web: Served, method: str, path: str) -> int:
        """Call it as an operator, and as a merchant where operators are nobody."""
        for credential in (self.token, "sk_test_nobody"):
            headers = {"Authorization": f"Bearer {credential}"}
            status = web.call(method, path.format(**VALUES), headers=headers).status
            if status != 401:
                break
        return status


def _settings_of(module: ModuleType) -> type[ServiceSettings]:
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ServiceSettings)
        and value.__module__ == module.__name__
    )
    return found


@pytest.fixture(params=[name for name in SERVICES if name not in OUTSIDE_WORLD])
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    made = Face(request.param)
    yield made
    made.runtime.close()


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which endpoints of the layer were reached; none goes on to a database."""
    found: list[str] = []

    async def handle(endpoint: Any, *_args: Any, **_named: Any) -> Response:
        found.append(endpoint.name)
        return Response(status_code=STUBBED)

    monkeypatch.setattr(IdempotentEndpoint, "handle", handle)
    return found


def test_every_route_that_changes_anything_goes_through_the_layer(face: Face, reached: list[str]) -> None:
    bare = []
    assert face.changing(), "an application without a POST is not described as it is"
    with served(face.app) as web:
        for method, path in face.changing():
            name = f"{method} {path}"
            if (face.service, name) in WITHOUT_KEY:
                continue
            reached.clear()
            status = face.call(web, method, path)
            if status != STUBBED or reached != [name]:
                bare.append((name, status, list(reached)))
    assert not bare


def test_who_has_the_layer_shows_its_keys_to_operators(face: Face) -> None:
    layered = [
        name for name in (f"{m} {p}" for m, p in face.changing()) if (face.service, name) not in WITHOUT_KEY
    ]
    assert (INSPECTOR in face.paths()) is bool(layered)
    assert ("serve.key-repeats" in face.runtime.roles) is bool(layered), "nobody would write what is counted"


def test_every_exception_is_a_route_that_exists() -> None:
    stale = set(WITHOUT_KEY)
    for service in {name for name, _ in WITHOUT_KEY}:
        face = Face(service)
        stale -= {(service, f"{method} {path}") for method, path in face.changing()}
        face.runtime.close()
    assert not stale


def test_no_service_is_left_out() -> None:
    assert set(NEEDS) | OUTSIDE_WORLD == set(SERVICES)


def test_no_route_hides_from_the_description_that_is_asked_here() -> None:
    files = [path for top in ("services", "shared") for path in (REPOSITORY / top).rglob("*.py")]
    own = [path for path in files if "tests" not in path.parts and "sandbox" not in path.parts]
    assert not [path for path in own if HIDING.search(path.read_text())]
    assert len(own) > 100
