"""Routes that are taken in as they are: found, refused and documented as included ones would be."""

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from shared.runtime.http import api, take_in


def client():
    router = APIRouter()

    @router.get("/things/{thing_id}")
    async def thing(request: Request, thing_id: str, limit: int = 1):
        return PlainTextResponse(f"{request.method} {thing_id} {limit}")

    app = api(title="things", log_requests=False)
    take_in(app, router)
    return TestClient(app, raise_server_exceptions=False)


def test_a_route_is_found_with_its_parameters():
    assert client().get("/things/seven?limit=2").text == "GET seven 2"


def test_refusals_are_problems():
    asking = client()
    assert asking.get("/nothing").json()["code"] == "not_found"
    assert asking.post("/things/seven").status_code == 405
    assert asking.get("/things/seven?limit=many").json()["code"] == "field_invalid"


def test_a_route_is_documented():
    assert set(client().app.openapi()["paths"]) == {"/things/{thing_id}"}
