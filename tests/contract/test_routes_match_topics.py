"""Every service that reads topics has a handler for just what the topic files say that it handles."""

from importlib import import_module
from pathlib import Path

import pytest

from schemas.catalogue import TOPICS
from shared.messaging.routes import check_routes, declared_subscription

REPOSITORY = Path(__file__).resolve().parents[2]
CONSUMERS = sorted(path.parts[-3] for path in REPOSITORY.glob("services/*/entrypoints/consumer.py"))


@pytest.mark.parametrize("service", CONSUMERS)
def test_handlers_are_those_of_the_topic_files(service):
    module = import_module(f"services.{service}.entrypoints.consumer")
    routes = module.ROUTES if hasattr(module, "ROUTES") else module.routes({})
    check_routes(routes, declared_subscription(service))


def test_every_consumer_of_the_topic_files_is_a_service():
    assert {consumer for topic in TOPICS.values() for consumer in topic.consumers} == set(CONSUMERS)
