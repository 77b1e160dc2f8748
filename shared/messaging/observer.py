"""The observers own what relay and consumer tell the outside of themselves; metrics are somebody else's.

Every call is cheap and never raises; the loops call them on their own thread.
"""

from typing import Protocol


class RelayObserver(Protocol):
    """What a relay tells."""

    def published(self, rows: int) -> None:
        """Rows were acknowledged by the broker and marked."""

    def lease(self, shard: int, *, held: bool) -> None:
        """A shard's lease was won or lost."""

    def disturbed(self, reason: str) -> None:
        """The database did not answer; the relay has thrown its queue away and tries again."""


class ConsumerObserver(Protocol):
    """What a consumer tells."""

    def applied(self, topic: str, event_type: str, *, ignored: bool, delay_s: float) -> None:
        """An event's effect is committed; ``delay_s`` counts from the event's own time."""

    def duplicate(self, topic: str) -> None:
        """A record was known already."""

    def quarantined(self, topic: str, key: str, event_id: str, reason: str) -> None:
        """A record contradicts what was applied: payload_mismatch or version_conflict. Pages."""

    def parked(self, topic: str, key: str, event_id: str, reason: str, detail: str) -> None:
        """A record was parked: gap or poison."""

    def unparked(self, topic: str, key: str) -> None:
        """A parked key flows again."""

    def batch(self, records: int, duration_s: float) -> None:
        """A batch is committed."""

    def disturbed(self, reason: str) -> None:
        """A batch could not be applied and will be tried again."""

    def lag(self, topic: str, records: int) -> None:
        """So many records of this topic wait in the partitions that this member holds; told once a second."""


class SilentRelayObserver:
    """Tells nobody."""

    def published(self, rows: int) -> None: ...
    def lease(self, shard: int, *, held: bool) -> None: ...
    def disturbed(self, reason: str) -> None: ...


class SilentConsumerObserver:
    """Tells nobody."""

    def applied(self, topic: str, event_type: str, *, ignored: bool, delay_s: float) -> None: ...
    def duplicate(self, topic: str) -> None: ...
    def quarantined(self, topic: str, key: str, event_id: str, reason: str) -> None: ...
    def parked(self, topic: str, key: str, event_id: str, reason: str, detail: str) -> None: ...
    def unparked(self, topic: str, key: str) -> None: ...
    def batch(self, records: int, duration_s: float) -> None: ...
    def disturbed(self, reason: str) -> None: ...
    def lag(self, topic: str, records: int) -> None: ...
