"""What is different while a seed is played, and put back afterwards: how often idle roles look, what is analysed anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from services.processor.app import call_processor
from shared.messaging import consumer
from shared.runtime import waiting
from tests.simulation.analysed import analyses_kept

#: Polling costs the simulation real time and finds nothing that a slower poll would not.
_SLOWER: Final[tuple[tuple[Any, str, float], ...]] = (
    (call_processor, "IDLE_S", 1.5),
    (waiting, "POLL_FRESH_S", 0.3),
    (waiting, "POLL_STALE_S", 1.0),
    (consumer, "REDRIVE_INTERVAL_S", 8.0),
)


@contextmanager
def paced() -> Iterator[None]:
    """At the simulation's pace inside, at the product's own outside: other tests run in the same process."""
    before = [(module, name, getattr(module, name)) for module, name, _ in _SLOWER]
    for module, name, value in _SLOWER:
        setattr(module, name, value)
    try:
        with analyses_kept():
            yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
