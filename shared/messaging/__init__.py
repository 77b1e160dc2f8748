"""Messaging owns the way from the outbox to a handler: envelope, broker, relay, inbox and consumer loop."""
