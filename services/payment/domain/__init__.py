"""The payment domain: pure rules about what a payment is and what may happen to it."""
