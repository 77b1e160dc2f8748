"""The services of the local stack as a table: command, port, settings, secrets.

A secret is a file in the service's own folder, never a word of a command line or of the supervisor's file.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.persistence.provision import ServiceUrls
from tools.local_stack.secret_store import SecretStore

ALPHA_ACCOUNT: Final = "acct_alpha"
BETA_ACCOUNT: Final = "acct_beta"


@dataclass(frozen=True, slots=True)
class LocalService:
    """One service: its folder name, its command, and whether it speaks Kafka."""

    name: str
    command: str
    uses_kafka: bool = True

    @property
    def prefix(self) -> str:
        return self.name.upper() + "_"


SERVICES: Final = (
    LocalService("sandbox", "sandbox", uses_kafka=False),
    LocalService("ledger", "ledger"),
    LocalService("risk", "risk"),
    LocalService("reconciliation", "reconciliation"),
    LocalService("webhook_ingest", "webhook-ingest"),
    LocalService("processor", "processor"),
    LocalService("payment", "payment"),
)


def secret_settings(service: LocalService, urls: ServiceUrls, store: SecretStore) -> dict[str, str]:
    """The settings of a service that are secret; each becomes a file."""
    settings = {
        "DATABASE_URL": urls.app,
        "RELAY_DATABASE_URL": urls.relay,
        "OWNER_DATABASE_URL": urls.owner,
        # Not secret, but of several lines, which a file holds and a supervisor's environment does not.
        "OPERATOR_PUBLIC_KEY": store.ed25519("operator_tokens")[1],
    }
    webhook_secret = "whsec_" + base64.b64encode(store.text("alpha_webhook").encode()[:24]).decode()
    merchant_private, merchant_public = store.ed25519("merchant_tokens")
    own: Mapping[str, dict[str, str]] = {
        "payment": {
            "API_KEY_PEPPER": store.text("api_key_pepper"),
            "MERCHANT_TOKEN_PRIVATE_KEY": merchant_private,
        },
        "processor": {
            "ALPHA_API_KEY": store.text("alpha_api_key"),
            "BETA_API_KEY": store.text("beta_api_key"),
        },
        "webhook_ingest": {
            "ALPHA_WEBHOOK_SECRETS": webhook_secret,
            "BETA_WEBHOOK_SECRETS": store.text("beta_webhook"),
        },
        "ledger": {
            "MERCHANT_TOKEN_PUBLIC_KEY": merchant_public,
            "SEAL_PRIVATE_KEY": store.ed25519("ledger_heads")[0],
        },
        "risk": {},
        "reconciliation": {},
        "sandbox": {
            "ALPHA_API_KEY": store.text("alpha_api_key"),
            "ALPHA_WEBHOOK_SECRET": webhook_secret,
            "BETA_API_KEY": store.text("beta_api_key"),
            "BETA_WEBHOOK_SECRET": store.text("beta_webhook"),
        },
    }
    settings.update(own[service.name])
    return settings


def plain_settings(
    service: LocalService, ports: Mapping[str, int], bootstrap: str, topic_prefix: str
) -> dict[str, str]:
    """The settings of a service that may be read by anybody."""
    settings = {
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(ports[service.name]),
        "LOG_FORMAT": "json",
    }
    if service.uses_kafka:
        settings |= {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_TOPIC_PREFIX": topic_prefix}
    own: Mapping[str, dict[str, str]] = {
        "payment": {
            # On a busy machine a decision may be late: what people try by hand goes through all the same.
            "RISK_SMALL_MINOR": "authorize=1000000,sale=1000000,capture=1000000",
            "ALPHA_ACCOUNT": ALPHA_ACCOUNT,
            "BETA_ACCOUNT": BETA_ACCOUNT,
        },
        "processor": {
            "ALPHA_BASE_URL": f"http://127.0.0.1:{ports['sandbox']}/alpha/v1",
            "ALPHA_ACCOUNT": ALPHA_ACCOUNT,
            "ALPHA_TIMEOUT_S": "2",
            "ALPHA_ABSENCE_WINDOW_S": "9",
            "BETA_BASE_URL": f"http://127.0.0.1:{ports['sandbox']}/beta/v2",
            "BETA_ACCOUNT": BETA_ACCOUNT,
            "BETA_TIMEOUT_S": "2",
            # Longer than the sandbox's late effect (6 s) and the delay of its list (2 s) together.
            "BETA_VISIBILITY_WINDOW_S": "9",
            "LOOK_UP_LADDER_S": "1,1,2,3,5,5,10,30,120,600,3600",
            "LOOK_UP_LADDERS_S": "beta=2,3,5,5,5,10,30,120,600,3600",
            "FEED_INTERVAL_S": "5",
        },
        "webhook_ingest": {"ALPHA_ACCOUNT": ALPHA_ACCOUNT, "BETA_ACCOUNT": BETA_ACCOUNT},
        "ledger": {},
        "risk": {},
        "reconciliation": {},
        "sandbox": {
            "ALPHA_WEBHOOK_URL": f"http://127.0.0.1:{ports['webhook_ingest']}/webhooks/alpha",
            "BETA_WEBHOOK_URL": f"http://127.0.0.1:{ports['webhook_ingest']}/webhooks/beta",
            "BETA_HANG_S": "6",
            "BETA_LIST_DELAY_MS": "2000",
            "ALPHA_HANG_S": "6",
            "ALPHA_LATENCY_MS": "0",
        },
    }
    return settings | own[service.name]
