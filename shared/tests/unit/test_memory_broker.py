"""The memory broker against the conformance suite."""

import pytest

from shared.messaging.memory import MemoryBroker
from shared.testing.broker_conformance import BrokerConformance


class TestMemoryBroker(BrokerConformance):
    @pytest.fixture
    def broker(self):
        return MemoryBroker()
