"""The answer key of a month: which breaks there must be after each day, and no other.

Worked out from the books, from what was planted, and from the rules as the design says them; nothing of the service is
asked. An answer is who it is about, the type and the money at risk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from services.sandbox.domain.business_days import business_days_after
from services.sandbox.domain.payouts import Payout
from services.sandbox.domain.planted_errors import Error, Planted
from tests.integration.months.answers import Answer, payout_name
from tests.integration.months.file_key import OF_FILES, Files
from tests.integration.months.trade import DECIDED, Expected, HeardLate, Story, Told, Wrong
from tests.integration.months.world import TERMS_OF, World

LOST_AFTER_DAYS = 5
"""Business days after its own that a line is late for, and not lost."""
BANK_GRACE_DAYS = 2
"""Business days after the one on which a payout is expected that it may take until it is on the bank account."""
BOOKED_WITHIN = timedelta(minutes=5)
_ON_A_LINE = {
    Error.CURRENCY, Error.AMOUNT, Error.FEE, Error.DUPLICATE, Error.STATUS, Error.UNKNOWN_CHARGE,
    Error.UNKNOWN_REFUND,
}  # fmt: skip
_OF_OUR_SIDE = {
    Wrong.STRAY: "stray_capture", Wrong.STRAY_WITHOUT_LINE: "stray_capture", Wrong.IN_DOUBT: "status_conflict",
    Wrong.PAYMENT_GIVEN_UP: "status_conflict", Wrong.ATTEMPT_GIVEN_UP: "status_conflict",
    Wrong.REFUND_GIVEN_UP: "status_conflict",
}  # fmt: skip


_DECIDED = {
    Wrong.ADJUSTED: ("processor_success_internal_missing", "unfounded_adjustment", "adjustment"),
    Wrong.RETURNED: ("duplicate_charge", "unfounded_return", "return"),
}


def end_of(day: date) -> datetime:
    """When a day is over, and its last files are in."""
    return datetime.combine(day + timedelta(days=1), time(0, 0, 5), UTC)


def line_name(processor: str, category: str, object_id: str) -> str:
    """How a line is spoken of here: formats have their own ids for it."""
    return f"line:{processor}:{category}:{object_id}"


@dataclass(slots=True)
class Key:
    """Everything that is known beforehand."""

    world: World
    planted: Sequence[Planted]
    stops: Sequence[date]
    """After these days files come and people look: each file has the days since the last one."""
    late: Sequence[HeardLate] = ()
    files: Files = field(init=False)
    found_on: dict[str, date] = field(init=False)
    """By object: when people decide what to do about a charge that we hear of late."""
    items: list[Expected] = field(default_factory=list)
    unposted: list[Told] = field(default_factory=list)
    unexplained: list[tuple[datetime, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """What follows from when the files come."""
        self.files = Files(self.world, self.planted, self.stops)
        wanted = {each.object_id for each in self.late}
        made_on = {
            line.object_id: payout.made_on
            for payouts in self.world.payouts_of.values()
            for payout in payouts
            for line in (self.world.lines_of[payout.id] if wanted else ())
            if line.object_id in wanted
        }
        self.found_on = {
            each.object_id: next(day for day in self.stops if day >= made_on[each.object_id])
            for each in self.late
        }
        self.items += [
            Expected(
                item_key=f"refund:{each.processor}:acct_{each.processor}:{each.returned_as}", category="refund",
                processor=each.processor, object_id=each.returned_as, amount_minor=-each.amount_minor,
                at=end_of(self.found_on[each.object_id]),
            )
            for each in self.late if each.wrong is Wrong.RETURNED
        ]  # fmt: skip

    def know(self, story: Story) -> None:
        """A payment more."""
        self.items += story.expected
        self.unposted += story.unposted
        self.unexplained += [(story.told[-1].at, journal_id, 4_711) for journal_id in story.unexplained]

    def answers(self, day: date) -> set[Answer]:
        """The breaks after that day, if files and events of it and all days before are in."""
        as_of = end_of(day)
        payouts = [p for found in self.world.payouts_of.values() for p in found if p.made_on <= day]
        reported = {
            (payout.processor, str(line.kind), line.object_id, line.gross_minor > 0)
            for payout in payouts
            for line in self.world.told_lines(payout)
        }
        return {
            *self._of_lines({payout.id for payout in payouts}),
            *self._of_items(reported, day, as_of),
            *self._of_payouts(payouts, day, as_of),
            *self._of_bank(day),
            *self._of_books(as_of),
            *self.files.answers(day),
        }

    def planted_breaks(self) -> Iterator[tuple[str, str]]:
        """Every planted error: who it is about, and the type that it must be found as, some time in the month."""
        keys = {(item.processor, item.object_id): item.item_key for item in self.items}
        payouts = {payout.id: payout for found in self.world.payouts_of.values() for payout in found}
        for each in self.planted:
            if each.error in _ON_A_LINE:
                line = each.changed or each.added[0].line
                about = line_name(line.processor, str(line.kind), str(line.object_id))
            elif each.error in OF_FILES:
                about = self.files.about(each)
            elif each.error is Error.UNBOOKED:
                about = payout_name(payouts[str(each.payout_id)])
            elif each.error is Error.INVENTED:
                about = f"bank:{each.currency}:{each.reference}"
            else:
                about = f"item:{keys[str(each.processor), str(each.object_id)]}"
            yield about, each.break_type
        for item in self.items:
            if item.wrong is Wrong.STRAY_WITHOUT_LINE:
                yield f"item:{item.item_key}", _OF_OUR_SIDE[item.wrong]
            elif item.wrong in _OF_OUR_SIDE:
                yield line_name(item.processor, item.category, item.object_id), _OF_OUR_SIDE[item.wrong]
            elif item.wrong in DECIDED:
                yield from ((each.about, each.type) for each in _of_decided(item))
        yield from ((f"event:{told.event_id}", "unposted") for told in self.unposted)
        yield from ((f"journal:{journal_id}", "unexplained_journal") for _, journal_id, _ in self.unexplained)

    def _of_lines(self, paid: set[str]) -> Iterator[Answer]:
        for each in self.planted:
            if each.error in _ON_A_LINE and each.payout_id in paid:
                line = each.changed or each.added[0].line
                about = line_name(line.processor, str(line.kind), str(line.object_id))
                yield Answer(about, each.break_type, each.at_risk_minor)

    def _of_items(
        self, reported: set[tuple[str, str, str | None, bool]], day: date, as_of: datetime
    ) -> Iterator[Answer]:
        for item in self.items:
            if item.wrong in DECIDED:
                found_on = self.found_on[item.object_id]
                if day >= found_on:
                    yield _of_decided(item)[day > found_on]
                continue
            if _is_reported(item, reported):
                if item.wrong in _OF_OUR_SIDE:
                    about = line_name(item.processor, item.category, item.object_id)
                    yield Answer(about, _OF_OUR_SIDE[item.wrong], abs(item.amount_minor))
                continue
            if (kind := _alone(item, as_of)) is not None:
                yield Answer(f"item:{item.item_key}", kind, abs(item.amount_minor))

    def _of_payouts(self, payouts: Iterable[Payout], day: date, as_of: datetime) -> Iterator[Answer]:
        for payout in payouts:
            net_minor = sum(line.net_minor for line in self.world.told_lines(payout))
            paid_minor = 0
            for entry in self.world.entries_by_payout[payout.id]:
                told = self.world.told.entry(entry)
                if told is not None and told.booked_on <= day:
                    paid_minor += sum(part.amount_minor for part in told.parts if part.payout_id == payout.id)
            due_on = payout.made_on if payout.processor == "beta" else payout.arrives_on
            if net_minor == paid_minor:
                continue
            short = (net_minor - paid_minor) * net_minor > 0
            if not short or business_days_after(due_on, BANK_GRACE_DAYS) < as_of.date():
                kind = "missing_in_bank" if short else "unexpected_in_bank"
                yield Answer(payout_name(payout), kind, abs(net_minor - paid_minor))

    def _of_bank(self, day: date) -> Iterator[Answer]:
        for entry in self.world.told.invented:
            if entry.booked_on <= day:
                yield Answer(
                    f"bank:{entry.currency}:{entry.reference}", "unexpected_in_bank", abs(entry.amount_minor)
                )

    def _of_books(self, as_of: datetime) -> Iterator[Answer]:
        for told in self.unposted:
            if told.at <= as_of - BOOKED_WITHIN:
                yield Answer(f"event:{told.event_id}", "unposted", told.event.amount_minor)
        for at, journal_id, amount_minor in self.unexplained:
            if at <= as_of - BOOKED_WITHIN:
                yield Answer(f"journal:{journal_id}", "unexplained_journal", amount_minor)


def _of_decided(item: Expected) -> tuple[Answer, Answer]:
    """What people find and decide about, and what becomes of it as we hear of the charge."""
    about, at_risk_minor = line_name(item.processor, item.category, item.object_id), item.amount_minor
    kind, undone, prefix = _DECIDED[item.wrong]
    return Answer(about, kind, at_risk_minor), Answer(f"{prefix}:{about}", undone, at_risk_minor)


_KINDS = {"dispute": ("dispute", "dispute_reversal"), "reversal": ("reversal", "reversal_return")}


def _is_reported(item: Expected, reported: set[tuple[str, str, str | None, bool]]) -> bool:
    kinds = _KINDS.get(item.category, (item.category,))
    return any((item.processor, kind, item.object_id, item.amount_minor > 0) in reported for kind in kinds)


def _alone(item: Expected, as_of: datetime) -> str | None:
    """What it is called when its line has not come."""
    if item.wrong in _OF_OUR_SIDE and "STRAY" not in item.wrong.name:
        return None
    settles_in = TERMS_OF[item.processor].available_after_days
    day = item.at.date()
    if as_of < end_of(business_days_after(day, settles_in)) - timedelta(seconds=5):
        return None
    if item.wrong in _OF_OUR_SIDE:
        return _OF_OUR_SIDE[item.wrong]
    if as_of < end_of(business_days_after(day, settles_in + LOST_AFTER_DAYS)) - timedelta(seconds=5):
        return "settlement_delay"
    return "missing_refund" if item.category == "refund" else "internal_success_processor_failure"
