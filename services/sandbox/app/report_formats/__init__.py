"""The formats of settlement reports and bank statements, as a table: one module each, pure functions to bytes."""

from collections.abc import Callable, Mapping
from typing import Final

from services.sandbox.app.report_formats.adyen_settlement_csv import AdyenSettlementCsv
from services.sandbox.app.report_formats.bai2 import Bai2
from services.sandbox.app.report_formats.camt053 import Camt053
from services.sandbox.app.report_formats.mt940 import Mt940
from services.sandbox.app.report_formats.stripe_payout_csv import StripePayoutCsv
from services.sandbox.app.report_formats.tieout_csv import TieoutCsv
from services.sandbox.app.report_formats.writers import SettlementWriter, StatementWriter

SETTLEMENT_FORMATS: Final[Mapping[str, Callable[[], SettlementWriter]]] = {
    "stripe_payout_csv": StripePayoutCsv,
    "adyen_settlement_csv": AdyenSettlementCsv,
    "tieout_csv": TieoutCsv,
}
BANK_FORMATS: Final[Mapping[str, Callable[[], StatementWriter]]] = {
    "camt053": Camt053,
    "mt940": Mt940,
    "bai2": Bai2,
}
