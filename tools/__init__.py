"""The tools of Tieout: local stack, demo, auditor, benchmarks, generators. They drive services from outside."""
