"""The kernel's small promises: ids, money, currencies, time, errors."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from shared.kernel.clock import SystemClock
from shared.kernel.errors import InvariantViolation, Rejected
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.kernel.money import Money, currency_scale, normalise_currency
from shared.testing.virtual_clock import START, VirtualClock
from shared.testing.waiting import NeverHappened, eventually


def test_ids_are_typed_lower_case_and_of_one_length():
    made = UlidIds().new("pay_")
    assert made.startswith("pay_")
    assert len(made) == 30
    assert made == made.lower()
    assert not set(made[4:]) & set("ilou")


def test_an_id_spells_its_millisecond_and_its_entropy_in_crockford_base_32():
    # The time of the ULID specification's own example.
    clock = VirtualClock(datetime(2016, 7, 30, 23, 54, 10, 259_500, tzinfo=UTC))
    assert UlidIds(clock, entropy=lambda size: b"\xff" * size).new("") == "01arz3ndek" + "z" * 16
    assert UlidIds(clock, entropy=bytes).new("evt_") == "evt_01arz3ndek" + "0" * 16


def test_ids_grow_within_a_millisecond_and_when_the_clock_steps_back():
    clock = VirtualClock()
    ids = UlidIds(clock)
    made = [ids.new("op_") for _ in range(5)]
    clock._start -= timedelta(hours=1)
    made.append(ids.new("op_"))
    clock.advance(7200)
    made.append(ids.new("op_"))
    assert made == sorted(set(made))


@pytest.mark.parametrize("prefix", ["pay", "PAY_", "_", "pay__", "päy_", "pay_\n"])
def test_a_prefix_that_is_no_word_is_refused(prefix):
    with pytest.raises(InvariantViolation):
        UlidIds().new(prefix)


@pytest.mark.parametrize(("code", "scale"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_a_currency_knows_its_decimals(code, scale):
    assert currency_scale(code) == scale
    assert normalise_currency(code.lower()) == code


@pytest.mark.parametrize("text", ["", "EU", "EURO", "XAU", "XXX", "XTS", "eur ", "ſek", "ＥＵＲ", "$"])
def test_what_cannot_be_charged_is_no_currency(text):
    with pytest.raises(Rejected) as refused:
        normalise_currency(text)
    assert (refused.value.code, refused.value.stored, refused.value.param) == (
        "currency_unknown",
        False,
        "currency",
    )


def test_money_adds_and_subtracts_one_currency_only():
    assert Money(5, "EUR") + Money(7, "EUR") == Money(12, "EUR")
    assert Money(5, "EUR") - Money(7, "EUR") == -Money(2, "EUR")
    for refused in (lambda: Money(5, "EUR") + Money(5, "USD"), lambda: Money(5, "EUR") - Money(5, "USD")):
        with pytest.raises(InvariantViolation):
            refused()


@pytest.mark.parametrize("amount", [1.0, "1", True, None])
def test_money_is_an_integer(amount):
    with pytest.raises(InvariantViolation):
        Money(amount, "EUR")


def test_back_off_is_capped_and_never_negative():
    jitter = Jitter(random.Random(7))  # noqa: S311  # a seed, not a secret
    waits = [jitter.backoff(attempt, base_s=0.02, cap_s=1.0) for attempt in range(2000)]
    assert min(waits) >= 0
    assert 0.9 < max(waits) <= 1.0


def test_the_system_clock_is_aware_and_moves():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    before = clock.monotonic_s()
    clock.sleep(-1)
    clock.sleep(0.001)
    assert clock.monotonic_s() > before


def test_a_virtual_clock_moves_only_when_told():
    clock = VirtualClock()
    assert (clock.now(), clock.monotonic_s()) == (START, 0)
    clock.sleep(90)
    assert (clock.now(), clock.monotonic_s(), clock.slept_s) == (START + timedelta(seconds=90), 90, [90])
    with pytest.raises(InvariantViolation):
        clock.advance(-1)


def test_waiting_ends_with_the_condition_or_says_what_it_saw():
    clock = VirtualClock()
    assert eventually(lambda: clock.monotonic_s() >= 1 and "done", clock=clock) == "done"
    with pytest.raises(NeverHappened, match="the moon did not happen within 2 s; last seen: 0"):
        eventually(lambda: 0, timeout_s=2, describe="the moon", clock=clock)
    with pytest.raises(NeverHappened, match="not yet"):
        eventually(_refuse, timeout_s=2, clock=clock)


def _refuse():
    raise AssertionError("not yet")
