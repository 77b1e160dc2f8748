"""Cases of what an amount means: the minor unit of its currency, fixed with the account."""

from typing import Final

from tools.sabotage.case import Case, Patch

_REFUSE: Final = "services/ledger/tests/db/test_books_refuse.py::test_"
_EVERY_ROW: Final = (
    "services/ledger/tests/db/test_verify.py::test_every_row_that_a_superuser_changes_is_found_by_name"
)

SCALES: Final = (
    Case(
        name="scale-of-its-currency",
        protection="an account has its currency's scale, whatever whoever opens it says",
        change="what is said is kept",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0023_fix_scales.py",
                "    NEW.scale := currency_scale(NEW.currency);\n",
                "",
            ),
        ),
        tests=(_REFUSE + "every_account_has_the_scale_of_its_currency_whoever_opens_it",),
    ),
    Case(
        name="scale-at-start",
        protection="nobody starts who would read booked amounts in another unit",
        change="the accounts are not asked",
        patches=(
            Patch("services/ledger/adapters/account_scales.py", "    if wrong:\n", "    if not booked:\n"),
        ),
        tests=(_REFUSE + "nobody_starts_who_would_read_amounts_in_another_unit",),
    ),
    Case(
        name="scale-verified",
        protection="an account whose scale somebody changed is not the one that was sealed",
        change="its scale is not looked at",
        patches=(
            Patch(
                "services/ledger/adapters/journal_records.py",
                '    " AND scale = currency_scale(currency)"\n',
                "",
            ),
        ),
        tests=(_EVERY_ROW,),
    ),
)
