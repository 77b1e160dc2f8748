"""The sandbox's store and its outgoing webhooks."""
