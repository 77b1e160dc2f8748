"""Every POST of every service goes through the idempotency layer: asked of the applications themselves, route by route."""

import re
from typing import Any

import pytest
from starlette.responses import Response

from shared.runtime.idempotency_keys_http import ROUTE as INSPECTOR
from shared.runtime.idempotent_http import IdempotentEndpoint
from shared.testing.serving import served
from tests.architecture.faces import NEEDS, OUTSIDE_WORLD, REPOSITORY, SERVICES, Face

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
        "reconciliation",
        "POST /sources/{source}/lines",
    ): "a piece has its number: the same piece again is known, and another one of that number is refused",
    (
        "risk",
        "POST /rule-sets/{version}/try",
    ): "nothing is counted or kept that a second call could count twice",
    ("webhook_ingest", "POST /webhooks/{processor}"): "deduplicated by the processor's event id and digest",
}
HIDING = re.compile(r"include_in_schema|\.add_route\(|\.mount\(|\.add_api_websocket_route\(|\.websocket\(")
"""What would keep a route out of an application's description of itself."""
STUBBED = 299


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
