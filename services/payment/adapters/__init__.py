"""The payment service's SQL and its translation to contracts; nothing outside of here knows either."""
