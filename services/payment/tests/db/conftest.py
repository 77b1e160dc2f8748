"""Fixtures: a shop with an open door."""

from collections.abc import Iterator

import pytest

from services.payment.tests.db.shop import Shop, open_shop
from shared.testing.infra import ServiceDatabase


@pytest.fixture
def shop(service_database: ServiceDatabase) -> Iterator[Shop]:
    with open_shop(service_database("payment")) as shop:
        yield shop
