"""Logs: one line an event on standard error, so that standard output stays data."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, level: int = logging.WARNING) -> None:
    """Set the level and the form of log lines; JSON where nobody watches a terminal."""
    last = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
