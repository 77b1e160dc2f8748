"""Cases of the rates of exchanges, which stand beside the journals that were booked by them."""

from typing import Final

from tools.sabotage.case import Case, Patch

_SCHEMA: Final = "services/ledger/migrations/versions/0024_keep_exchange_rates.py"
_RATES: Final = "services/ledger/tests/db/test_exchange_rates.py::test_"
_NOTES: Final = "services/ledger/tests/db/test_verify_notes.py::test_"

RATES: Final = (
    Case(
        name="rate-kept",
        protection="the rate of an exchange is kept exactly as it was given",
        change="it is booked by, and forgotten",
        patches=(Patch("services/ledger/adapters/journals.py", "        self._keep_rates(journals)\n", ""),),
        tests=(_RATES + "it_is_kept_as_given_and_shown_with_its_journal",),
    ),
    Case(
        name="rate-with-its-journal",
        protection="no journal is given a rate after it was booked",
        change="any journal takes one, whenever",
        patches=(
            Patch(_SCHEMA, "WHERE j.position IS NULL OR j.booked_at <> now() LIMIT 1", "WHERE false LIMIT 1"),
        ),
        tests=(_RATES + "no_journal_is_given_one_afterwards",),
    ),
    Case(
        name="rate-sealed-with-its-journal",
        protection="a rate put beside a journal that is sealed already is found, though the sealer sealed it",
        change="notes of rates are not held against the journals' seals",
        patches=(
            Patch("services/ledger/adapters/notes.py", "AND n.kind = 'exchange_rate'\n", "AND n.kind = ''\n"),
        ),
        tests=(_NOTES + "a_note_put_beside_a_journal_that_is_sealed_is_found_though_the_sealer_sealed_it",),
    ),
)
