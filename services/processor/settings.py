"""The processor service's settings: PROCESSOR_* variables, checked at start, printable with secrets masked."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import HttpUrl, ServiceSettings

RUNGS_MIN: Final = 3
"""Not found must be seen twice before a re-send, and the last rung belongs to the review."""

LEASE_FACTOR_MIN: Final = 1.5
"""A lease leaves half of a call's time for waiting in line between taking it and calling."""

WAIT_MAX_S: Final = 366 * 86_400.0
"""Longer than any processor keeps anybody waiting; more is a slip of the pen, and no date at last."""

PROCESSORS: Final = ("alpha", "beta")
KINDS: Final = ("authorize", "capture", "cancel", "refund", "dispute_evidence", "dispute_accept")
NAMES: Final = frozenset({*PROCESSORS, *(f"{name}.{kind}" for name in PROCESSORS for kind in KINDS)})
"""Whose waits can be named: a processor, or one kind of operation there."""


class ProcessorSettings(ServiceSettings):
    """What this service needs beyond every service's settings."""

    model_config = SettingsConfigDict(
        env_prefix="PROCESSOR_", frozen=True, extra="ignore", case_sensitive=False, validate_default=True
    )

    alpha_base_url: HttpUrl = Field(
        description="address of alpha's API, e.g. https://api.alpha.example/alpha/v1"
    )
    alpha_api_key: SecretStr = Field(description="our secret key at alpha")
    alpha_account: str = Field("acct_alpha", pattern=r"^[!-~]{1,64}$", description="our account at alpha")
    alpha_timeout_s: float = Field(
        5.0, gt=0, le=30, description="seconds that one call to alpha may take in all"
    )
    alpha_concurrent_calls: int = Field(256, ge=1, le=4_096, description="calls to alpha under way at once")
    alpha_visibility_window_s: float = Field(
        1.0, ge=0, description="seconds after a call in which alpha's look-up may not show its effect yet"
    )
    alpha_absence_window_s: float = Field(
        600.0,
        ge=0,
        description="seconds after a call until what is wanted no more, and was not found twice, is taken to have"
        " never arrived; until then it may still be on its way",
    )
    alpha_keys_live_s: float = Field(
        86_400.0, gt=0, description="seconds for which alpha promises to remember our idempotency keys"
    )
    beta_base_url: HttpUrl | None = Field(
        None, description="address of beta's API, e.g. https://api.beta.example/beta/v2; none: no beta"
    )
    beta_api_key: SecretStr = Field(SecretStr(""), description="our secret key at beta")
    beta_account: str = Field("acct_beta", pattern=r"^[!-~]{1,64}$", description="our merchant code at beta")
    beta_timeout_s: float = Field(
        5.0, gt=0, le=30, description="seconds that one call to beta may take in all"
    )
    beta_concurrent_calls: int = Field(64, ge=1, le=4_096, description="calls to beta under way at once")
    beta_visibility_window_s: float = Field(
        600.0,
        ge=0,
        description="seconds after a call until its effect must show in beta's list; not there twice after it"
        " means that it never took effect",
    )
    look_up_ladder_s: str = Field(
        "1,5,30,120,600,3600,21600,86400",
        description="waits before each look-up of a doubtful operation, in seconds, ascending, comma-separated",
    )
    look_up_ladders_s: str = Field(
        "",
        description="ladders that differ, by processor or processor.kind, separated by spaces, such as"
        " beta=5,30,120,600 beta.refund=60,600,3600",
    )
    pending_limits_s: str = Field(
        "",
        description="seconds that a processor may decide over what it accepted before that is in doubt, by processor"
        " or processor.kind, separated by spaces, such as beta=86400 alpha.refund=2592000; else by kind",
    )
    authorize_queue_s: float = Field(
        300.0, gt=0, description="seconds that an authorization may wait to be sent before it is given up"
    )
    send_backoff_base_s: float = Field(
        0.5,
        gt=0,
        le=60,
        description="seconds before the second try of a send that was proved not to have happened",
    )
    send_backoff_cap_s: float = Field(
        60.0, gt=0, le=3_600, description="seconds that the doubling wait before such a try never exceeds"
    )
    retry_after_cap_s: float = Field(
        600.0, gt=0, le=86_400, description="seconds of patience that a processor may ask for by Retry-After"
    )
    feed_interval_s: float = Field(300.0, gt=0, description="seconds between readings of each event feed")
    lease_s: float = Field(60.0, ge=1, le=600, description="seconds that a worker may hold an attempt")
    lease_margin_s: float = Field(
        5.0, gt=0, le=60, description="seconds of that lease kept for recording what a call came to"
    )

    @field_validator("look_up_ladder_s")
    @classmethod
    def _ascending(cls, text: str) -> str:
        _check_ladder(text)
        return text

    @field_validator("look_up_ladders_s")
    @classmethod
    def _named(cls, text: str) -> str:
        for where, ladder in _named_ladders(text).items():
            try:
                _check_ladder(ladder)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
        return text

    @field_validator("pending_limits_s")
    @classmethod
    def _limits(cls, text: str) -> str:
        for where, limit_s in _named_ladders(text).items():
            try:
                limits_s = _waits_of(limit_s)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            if len(limits_s) != 1:
                raise ValueError(f"{where}={limit_s} is not one positive number")
        return text

    @model_validator(mode="after")
    def _leases_outlast_calls(self) -> Self:
        timeouts = {"alpha_timeout_s": self.alpha_timeout_s}
        if self.beta_base_url is not None:
            timeouts["beta_timeout_s"] = self.beta_timeout_s
        for name, timeout_s in timeouts.items():
            if self.lease_s < LEASE_FACTOR_MIN * (timeout_s + self.lease_margin_s):
                raise ValueError(
                    f"lease_s must be {LEASE_FACTOR_MIN} times {name} and lease_margin_s at least"
                )
        return self

    @model_validator(mode="after")
    def _beta_is_whole(self) -> Self:
        if self.beta_base_url is not None and not self.beta_api_key.get_secret_value():
            raise ValueError("beta_base_url needs beta_api_key")
        return self

    def ladder_s(self, processor: str, kind: str = "") -> tuple[float, ...]:
        """Return the ladder of a processor, or of one kind of operation there: the most special one counts."""
        named = _named_ladders(self.look_up_ladders_s)
        special = named.get(f"{processor}.{kind}") or named.get(processor)
        return ladder_of(special or self.look_up_ladder_s)

    def pending_limit_s(self, processor: str, kind: str) -> float | None:
        """Return how long one kind of operation may pend there, if it is set: the most special one counts."""
        named = _named_ladders(self.pending_limits_s)
        special = named.get(f"{processor}.{kind}") or named.get(processor)
        return None if special is None else float(special)


def _named_ladders(text: str) -> dict[str, str]:
    ladders = {}
    for part in text.split():
        where, separator, ladder = part.partition("=")
        if not separator:
            raise ValueError(f"{part!r} is not spelled name=1,5,30")
        if where not in NAMES:
            raise ValueError(
                f"{where!r} is no processor ({', '.join(PROCESSORS)}) or processor.kind ({', '.join(KINDS)})"
            )
        if where in ladders:
            raise ValueError(f"{where!r} is named twice")
        ladders[where] = ladder
    return ladders


def _check_ladder(text: str) -> None:
    rungs = _waits_of(text)
    if len(rungs) < RUNGS_MIN or any(b < a for a, b in pairwise(rungs)):
        raise ValueError(f"needs at least {RUNGS_MIN} ascending, positive numbers")


def _waits_of(text: str) -> tuple[float, ...]:
    try:
        waits_s = ladder_of(text)
    except ValueError:
        waits_s = (math.nan,)
    # Also what is no number at all (nan, inf): it would be accepted here, and end the worker at its first wait.
    if not all(0 < wait_s <= WAIT_MAX_S for wait_s in waits_s):
        raise ValueError(f"{text!r} is not positive numbers of seconds, at most a year, separated by commas")
    return waits_s


def ladder_of(text: str) -> tuple[float, ...]:
    """Return the ladder that a setting spells."""
    return tuple(float(part) for part in text.split(","))
