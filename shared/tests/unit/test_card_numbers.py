"""What counts as a card number, at edges and in logs."""

import pytest

from shared.runtime.card_numbers import has_card_number, mask_card_numbers


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "x4111111111111111y",
        "4222222222222",
        "378282246310005",
        "3782 822463 10005",
        "6011 1111 1111 1117",
        "5555-5555-5555-4444",
        "6304000000000000",
        "note: 4111 1111 1111 1111!",
    ],
)
def test_card_numbers_are_found(text):
    assert has_card_number(text)
    assert text[1:9] not in mask_card_numbers(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "411111111111",
        "41111111111111111111111111111111",
        "550e8400-e29b-41d4-a716-446655440000",
        "pay_01k9zzzzzzzzzzzzzzzzzzzzzz",
        "2026-11-23 10:11:12",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "+49 151 12345678",
        "",
    ],
)
def test_what_only_looks_like_one_passes(text):
    assert not has_card_number(text)
    assert mask_card_numbers(text) == text


def test_no_id_of_ours_is_taken_for_a_card_and_a_card_behind_a_prefix_still_is():
    by_chance = "4111111111111111"
    assert not has_card_number(f"brk_{by_chance}abcdefabcd")
    assert not has_card_number(f"/breaks/prp_abcdefabcd{by_chance}/approve")
    assert has_card_number(f"card_{by_chance}")
    assert has_card_number(f"brk_{by_chance}abcdefabcde")
    assert has_card_number(f"brk_0000000000{by_chance}") is False, "26 digits are no card in one piece"
