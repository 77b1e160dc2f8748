"""The settings of each service in a world, from its circumstances; made once for all worlds that have the same ones."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.ledger.settings import LedgerSettings
from services.payment.settings import PaymentSettings
from services.processor.settings import ProcessorSettings
from services.reconciliation.settings import ReconciliationSettings
from services.risk.settings import RiskSettings
from services.webhook_ingest.settings import WebhookIngestSettings
from tests.simulation.circumstances import Circumstances
from tests.simulation.outside import API_KEYS, BASES, WEBHOOK_SECRETS
from tests.simulation.storage import PEPPER, Storage

HEAD_KEY = (
    Ed25519PrivateKey.from_private_bytes(b"simulated, and guarding nothing.")
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
"""Always the same, so that a seed is."""
_MODELS: Mapping[str, Any] = {
    "payment": PaymentSettings,
    "processor": ProcessorSettings,
    "webhook_ingest": WebhookIngestSettings,
    "risk": RiskSettings,
    "ledger": LedgerSettings,
    "reconciliation": ReconciliationSettings,
}

BETA_LADDERS = {True: "beta=1,2,4,5,25,60,61", False: "beta=2,5,12,25,50,60,60"}
"""By whether beta's attempts are given up in haste."""


def settings_of(service: str, drawn: Circumstances, storage: Storage, operator_public_key: str) -> Any:
    """What this service is started with; nobody changes it."""
    urls = storage.urls[service]
    common = {
        "database_url": urls.app,
        "relay_database_url": urls.relay,
        "relay_lease_s": 9.0,
        "database_pool_size": 4,
        "operator_public_key": operator_public_key,
    }
    return _made(service, json.dumps(common | _own(service, drawn)))


@cache
def _made(service: str, words: str) -> Any:
    # A model reads its whole environment, which costs more than everything else about it.
    return _MODELS[service](**json.loads(words))


def _own(service: str, drawn: Circumstances) -> dict[str, Any]:
    match service:
        case "payment":
            return {
                "api_key_pepper": PEPPER,
                "key_lease_margin_s": 5.0,
                "risk_mode": drawn.risk_mode,
                "risk_deadline_ms": drawn.risk_deadline_ms,
                "risk_recheck_after_s": drawn.risk_recheck_after_s,
                "risk_small_minor": drawn.risk_small_minor,
                "processor": drawn.default_processor,
                "beta_account": "acct_beta",
                "stray_policy": drawn.stray_policy,
                "stray_return_after_s": drawn.stray_return_after_s,
            }
        case "processor":
            return {
                "alpha_base_url": BASES["alpha"],
                "alpha_api_key": API_KEYS["alpha"],
                "alpha_timeout_s": 2.0,
                "alpha_concurrent_calls": 16,
                "alpha_visibility_window_s": 4.0,
                "alpha_absence_window_s": 15.0,
                "look_up_ladder_s": "1,3,8,20,60,60",
                "beta_base_url": BASES["beta"],
                "beta_api_key": API_KEYS["beta"],
                "beta_timeout_s": 2.0,
                "beta_visibility_window_s": drawn.beta_visibility_window_s,
                "look_up_ladders_s": f"{BETA_LADDERS[drawn.in_haste]} {drawn.ladders}".strip(),
                "feed_interval_s": 15.0,
                "lease_s": 8.0,
                "lease_margin_s": 1.0,
            }
        case "webhook_ingest":
            return {f"{name}_webhook_secrets": secret for name, secret in WEBHOOK_SECRETS.items()}
        case "ledger":
            return {
                "seal_private_key": HEAD_KEY,
                "seal_head_interval_s": 6.0,
                "snapshot_every_seals": 5,
                "snapshot_entries_min": 3,
            }
        case _:
            return {}
