"""Checks of the data: files of checks/ and rules in headers, run and remembered."""
