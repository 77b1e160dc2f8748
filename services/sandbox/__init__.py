"""The outside world for demos and tests; nothing of ours may write its books."""
