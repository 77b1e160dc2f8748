"""The rules and how they judge: pure, so that what an operator tries is what a payment meets."""
