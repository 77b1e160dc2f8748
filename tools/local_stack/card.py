"""What a person needs after `make up`: addresses, a test key, and a first request that works when pasted."""

from tools.local_stack.services import SERVICES
from tools.local_stack.stack import LocalStack


def card_as_json(stack: LocalStack) -> dict[str, object]:
    """The card for programs."""
    merchant = stack.merchant(lambda _: None)
    return {
        "urls": {service.name: stack.url(service.name) for service in SERVICES},
        "postgres": f"127.0.0.1:{stack.ports['postgres']}",
        "kafka": stack.bootstrap,
        "merchant_id": merchant.merchant_id,
        "api_key": merchant.api_key,
    }


def card(stack: LocalStack) -> str:
    """The card for a person."""
    merchant = stack.merchant(lambda _: None)
    urls = "\n".join(f"  {service.name:<16} {stack.url(service.name)}" for service in SERVICES)
    return f"""
Tieout is up.

{urls}
  API routes       {stack.url("payment")}/openapi.json  {stack.url("ledger")}/openapi.json
  test key         {merchant.api_key}

A first payment:

curl -sS {stack.url("payment")}/payments \\
  -H 'Authorization: Bearer {merchant.api_key}' \\
  -H "Idempotency-Key: first-$(date +%s)" \\
  -H 'Content-Type: application/json' \\
  -d '{{"amount": 1999, "currency": "EUR", "capture_method": "automatic", "payment_method": "pm_card_visa"}}'

Stop with `make down`; logs with `make logs SERVICE=payment`.
"""
