"""Zones as reports name them beside a time: IANA names, and abbreviations that mean one zone only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from services.reconciliation.domain.report_values import FieldError, in_utc, zone

ABBREVIATIONS: Final[Mapping[str, str]] = {
    "WET": "Europe/Lisbon", "WEST": "Europe/Lisbon", "CET": "Europe/Amsterdam", "CEST": "Europe/Amsterdam",
    "EET": "Europe/Helsinki", "EEST": "Europe/Helsinki", "EST": "America/New_York", "EDT": "America/New_York",
    "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "JST": "Asia/Tokyo", "HKT": "Asia/Hong_Kong",
    "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney",
}  # fmt: skip
"""BST, CST, IST, MST and others mean more than one zone: a source has to declare which one it writes in."""
_UNIVERSAL: Final = frozenset({"UTC", "GMT", "Z"})


def named_time(wall: datetime, name: str, declared: str | None, field: str) -> datetime:
    """The instant of a time beside the name of its zone.

    An abbreviation is held to the zone's own calendar: CET in July is refused, and in the hour that clocks repeat it
    says which of the two is meant. The zone declared for the source goes first, where it is called so at that time.
    """
    if name in _UNIVERSAL:
        return in_utc(wall, zone("UTC"), field)
    if "/" in name:
        if zone(name) is None:
            raise FieldError("time_zone_unknown", field, "an IANA time zone")
        return in_utc(wall, zone(name), field)
    own = zone(declared) if declared else None
    if own is not None and name in {wall.replace(tzinfo=own, fold=fold).tzname() for fold in (0, 1)}:
        return in_utc(wall, own, field, name)
    if name not in ABBREVIATIONS:
        raise FieldError(
            "time_zone_unknown", field, "an IANA time zone, UTC, CET or CEST, or the source's own zone"
        )
    return in_utc(wall, zone(ABBREVIATIONS[name]), field, name)
