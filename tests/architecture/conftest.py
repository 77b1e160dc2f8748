"""The HTTP face of each service, for what holds of all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.architecture.faces import OUTSIDE_WORLD, SERVICES, Face


@pytest.fixture(params=[name for name in SERVICES if name not in OUTSIDE_WORLD])
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    made = Face(request.param)
    yield made
    made.runtime.close()
