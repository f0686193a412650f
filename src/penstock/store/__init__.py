"""Metadata: the ledger of what has landed, in SQLite."""
