"""Alerts: what is looked for on a schedule, what becomes of it, and who is told."""
