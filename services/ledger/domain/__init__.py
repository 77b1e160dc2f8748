"""The books' rules as pure Python: the chart of accounts, journals, and what each event posts."""
