"""Bytes become bronze, silver and gold: landing, apply, reconcile, dead letters."""
