"""What the payment service can do: one use case per file."""
