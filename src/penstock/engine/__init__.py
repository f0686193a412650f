"""ClickHouse: the embedded engine behind HTTP, its healing and guard, and the one client."""
