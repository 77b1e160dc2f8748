"""The formats that can be read, as a table: one module each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.reconciliation.adapters.readers.adyen_settlement_csv import AdyenSettlementCsv
from services.reconciliation.adapters.readers.bai2 import Bai2
from services.reconciliation.adapters.readers.camt053 import Camt053
from services.reconciliation.adapters.readers.mt940 import Mt940
from services.reconciliation.adapters.readers.stripe_payout_csv import StripePayoutCsv
from services.reconciliation.adapters.readers.tieout_csv import TieoutCsv
from services.reconciliation.adapters.readers.tieout_feed import TieoutFeed
from services.reconciliation.domain.feeds import FEED_FORMAT
from services.reconciliation.domain.readers import Reader
from services.reconciliation.domain.sources import Format

READERS: Final[Mapping[str, Reader]] = {
    reader.name: reader
    for reader in (
        TieoutCsv(),
        StripePayoutCsv(),
        AdyenSettlementCsv(),
        Camt053(),
        Mt940(),
        Bai2(),
        TieoutFeed(),
    )
}
FORMATS: Final[Mapping[str, Format]] = {
    name: Format(reader.kind, frozenset(reader.options))
    for name, reader in READERS.items()
    if name != FEED_FORMAT
}
"""What sources may declare: a feed is another way in, and no format of files."""
