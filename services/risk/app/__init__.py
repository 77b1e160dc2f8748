"""The use cases: judging what asks, changing the rules by two people, trying rules, forgetting old attempts."""
