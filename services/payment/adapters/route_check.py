"""Whether this process can follow every routing rule that holds: a rule for elsewhere refuses each payment it is for.

What else could be wrong with prices and rules, their tables refuse or give a meaning: a price needs a known merchant,
of prices and rules the newest counts, so that none overlap, and where no price was agreed payments are free.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from services.payment.adapters.routes import StoredRoutes
from shared.runtime.startup import StartupRefused


def refuse_routes_elsewhere(engine: sa.Engine, configured: Collection[str]) -> None:
    """Refuse to take payments where a rule sends some to a processor that is not configured here."""
    with engine.connect() as connection:
        rules = StoredRoutes(connection).current()
    lost = [
        f"routes: payments of {rule.merchant_id or 'every merchant'} in {rule.currency or 'every currency'} go to"
        f" {rule.processor}, which is not configured here; configure it, or take the rule back with"
        " `payment routes set --processor none`"
        for rule in rules
        if rule.processor not in configured
    ]
    if lost:
        raise StartupRefused(*lost)
