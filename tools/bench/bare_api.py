"""A FastAPI application that does nothing: what HTTP in Python costs on this machine, before any work of ours."""

from fastapi import FastAPI, Request, Response

app = FastAPI(openapi_url=None)


@app.post("/")
async def nothing(request: Request) -> Response:
    """Read the body and answer."""
    return Response(await request.body(), media_type="application/json")
