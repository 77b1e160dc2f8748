"""The numbers behind retries and look-ups: ladder, back-off, lives of keys. Data, with units last."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DEFAULT_LADDER_S: Final = (1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0)
"""Waits before each look-up of a doubtful operation: quick at first, a day in all."""

NOT_FOUND_NEEDED: Final = 2
"""Look-ups after the visibility window that must find nothing before we believe it (design 4.4: twice)."""

PENDING_LIMITS_S: Final[Mapping[str, float]] = {
    "authorize": 86_400.0,
    "capture": 7 * 86_400.0,
    "cancel": 86_400.0,
    "refund": 30 * 86_400.0,
    "dispute_evidence": 7 * 86_400.0,
    "dispute_accept": 7 * 86_400.0,
}
"""How long "accepted, decided later" is believed, by kind: a bank may take weeks over a refund, no day over a hold."""

TOLD_CHECK_S: Final = 86_400.0
"""Wait between looks at what a processor decides over, where it tells us what became of it."""
UNTOLD_CHECK_S: Final = 3_600.0
"""The same where it tells nobody, by no webhook and in no feed: then only our own looks find it."""


class LookUpBy(StrEnum):
    """By what a processor finds an operation of ours again."""

    REFERENCE = "reference"
    """By our reference, whenever it was sent."""
    DELAYED_LIST = "delayed_list"
    """In a list of what changed, which shows it late: read from the first send on."""


CLOCKS_DIFFER_S: Final = 300.0
"""How far a processor's clock and ours may be apart, as at webhooks: what is searched by the processor's times is
searched from so much earlier, and where the two are seen to be further apart an absence proves nothing."""

KEY_LIFE_MARGIN_S: Final = 3_600.0
"""A key this close to the end of its life is not trusted for a re-send: clocks differ, calls hang. A quarter of a life
that is shorter than four of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How one processor is retried and looked up; each kind of operation may have a policy of its own."""

    keys_live_s: float
    """How long the processor remembers our idempotency keys; 0: it keeps none."""
    ladder_s: tuple[float, ...] = DEFAULT_LADDER_S
    visibility_window_s: float = 1.0
    """How long after a call the processor's look-up may still not show its effect."""
    absence_window_s: float = 600.0
    """How long after a send that is wanted no more, at a processor that keeps keys, it is still taken to be on its way.

    The visibility window is for what arrived, and believed too soon it costs one more send under the same key. Nothing
    follows here that would put it right, so this one is for a request that a proxy or a queue still holds."""
    look_up_by: LookUpBy = LookUpBy.REFERENCE
    slow_check_s: float = TOLD_CHECK_S
    """Wait between re-checks once the ladder is exhausted, or while the processor itself decides."""
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 60.0
    retry_after_cap_s: float = 600.0
    """A processor that asks for more patience than this is asked again anyway."""
    pending_limit_s: float = 7 * 86_400.0
    """How long the processor may decide over what it accepted; after that it is in doubt."""
    queue_s: float | None = None
    """How long an operation may wait to be sent, however often that failed; after that it is given up. ``None``: as
    long as it takes."""
    lease_s: float = 60.0
    lease_margin_s: float = 5.0
    """Kept of the lease for recording: a call that could not be recorded inside the lease is not begun."""
    look_up_every_s: float = 5.0
    """At most one look-up on request per operation in this time."""
    by_kind: Mapping[str, "Policy"] = field(default_factory=dict)
    """The policies of the kinds that differ."""

    def of(self, kind: str) -> "Policy":
        """Return the policy of one kind of operation."""
        return self.by_kind.get(kind, self)

    @property
    def keeps_keys(self) -> bool:
        """Say whether a send may ever be repeated under its key."""
        return self.keys_live_s > 0

    def searched_since(self, first_sent_at: datetime | None) -> datetime | None:
        """Return from when on a look-up has to search; ``None`` where the processor finds it without.

        The list goes by the processor's clock, and the send was noted by ours: begun too late, the list would leave
        out what it is read for. The window is for a clock that was set right between the send and the look-up.
        """
        if first_sent_at is None or self.look_up_by is not LookUpBy.DELAYED_LIST:
            return None
        return first_sent_at - timedelta(seconds=CLOCKS_DIFFER_S + self.visibility_window_s)

    @property
    def resend_s(self) -> float:
        """Return how long after a send it may be repeated under its key; 0 where no keys are kept."""
        return self.keys_live_s - min(KEY_LIFE_MARGIN_S, self.keys_live_s / 4)

    def wait_s(self, rung: int) -> float:
        """Return the wait before the look-up on this rung."""
        return self.ladder_s[rung] if rung < len(self.ladder_s) else self.slow_check_s

    def exhausted(self, rung: int) -> bool:
        """Say whether every rung has been used."""
        return rung >= len(self.ladder_s)

    def backoff_ceiling_s(self, failures: int) -> float:
        """Return the upper bound of the jittered wait after that many sends that did not happen."""
        exponent = min(max(failures - 1, 0), 32)
        return min(self.backoff_cap_s, self.backoff_base_s * float(2**exponent))
