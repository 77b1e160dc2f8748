"""What is different while a seed is played, and put back afterwards: how often idle roles look, what is analysed anew,
and that a signature under a token is worked out once, since the same bytes come to the same every time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm

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
#: Once nothing goes wrong any more hardly anything happens, and a world may go on like that for minutes.
_CALMER: Final = ((call_processor, "IDLE_S", 4.0),)


def calm() -> None:
    """Let idle roles look more seldom still, until the seed is over."""
    for module, name, value in _CALMER:
        setattr(module, name, value)


@contextmanager
def paced() -> Iterator[None]:
    """At the simulation's pace inside, at the product's own outside: other tests run in the same process."""
    before = [(module, name, getattr(module, name)) for module, name, _ in _SLOWER]
    for module, name, value in _SLOWER:
        setattr(module, name, value)
    own = OKPAlgorithm.verify

    @cache
    def verified(message: bytes, key: bytes, signature: bytes) -> bool:
        return own(OKPAlgorithm(), message, Ed25519PublicKey.from_public_bytes(key), signature)

    OKPAlgorithm.verify = lambda _self, message, key, signature: verified(
        message, key.public_bytes_raw(), signature
    )
    try:
        with analyses_kept():
            yield
    finally:
        OKPAlgorithm.verify = own
        for module, name, value in before:
            setattr(module, name, value)
