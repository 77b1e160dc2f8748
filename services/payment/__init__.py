"""The payment service: merchants, payments, operations, refunds, evidence, cases."""
