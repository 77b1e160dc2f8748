"""Fixtures: a shop with an open door, and the operators' desk behind it."""

from collections.abc import Iterator

import pytest

from services.payment.tests.db.desk import Desk
from services.payment.tests.db.shop import Shop, open_shop
from shared.testing.infra import ServiceDatabase


@pytest.fixture
def shop(service_database: ServiceDatabase) -> Iterator[Shop]:
    with open_shop(service_database("payment")) as shop:
        yield shop


@pytest.fixture
def desk(shop: Shop) -> Desk:
    return Desk(shop)
