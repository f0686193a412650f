"""Where data comes from: positions and bytes; nothing here knows of ClickHouse or the ledger."""
