"""Metadata: the ledger of what has landed, in SQLite or PostgreSQL."""

LEDGER = "penstock.db"
"""The file in a data directory that holds it, unless a server does."""
