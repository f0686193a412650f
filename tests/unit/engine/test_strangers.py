"""Who may speak to a loopback port: by Host, Origin and Sec-Fetch-Site."""

from __future__ import annotations

import pytest

from penstock.engine.strangers import is_stranger

HERE = "127.0.0.1:8123"
PROGRAMS: list[dict[str, str]] = [
    {"host": HERE},
    {"host": "127.0.0.1"},
    {"host": "localhost:8123"},
    {"host": "LocalHost:8123"},
    {"host": "[::1]:8123"},
    {"host": "[::1]"},
    {"host": HERE, "user-agent": "curl"},
    {"host": HERE, "sec-fetch-site": "none"},  # typed into the address bar
    {"host": HERE, "sec-fetch-site": "same-origin"},
    {"host": HERE, "origin": f"http://{HERE}"},
    {"host": HERE, "origin": f"http://{HERE}", "sec-fetch-site": "same-origin"},
    {"host": "[::1]:8123", "origin": "http://[::1]:8123"},
]
PAGES: list[dict[str, str]] = [
    # A page elsewhere.
    {"host": HERE, "origin": "https://example.com"},
    {"host": HERE, "origin": "https://example.com", "sec-fetch-site": "cross-site"},
    {"host": HERE, "sec-fetch-site": "cross-site"},
    {"host": HERE, "sec-fetch-site": "same-site"},
    {"host": HERE, "sec-fetch-site": "Same-Origin"},  # no browser writes that
    {"host": HERE, "sec-fetch-site": ""},
    # A file, a sandboxed frame.
    {"host": HERE, "origin": "null"},
    {"host": HERE, "origin": ""},
    {"host": HERE, "origin": "file://"},
    # Another program's page on this machine.
    {"host": HERE, "origin": "http://127.0.0.1:8000"},
    {"host": HERE, "origin": "http://127.0.0.1"},
    {"host": HERE, "origin": "http://localhost:8123"},
    {"host": HERE, "origin": f"http://{HERE}.example.com"},
    {"host": HERE, "origin": f"http://example.com/{HERE}"},
    {"host": HERE, "origin": f"http://{HERE}@example.com"},
    # A name that was bound to 127.0.0.1 after the page had been loaded.
    {"host": "example.com"},
    {"host": "example.com:8123", "origin": "http://example.com:8123"},
    {"host": "example.com:8123", "sec-fetch-site": "same-origin"},
    {"host": "127.0.0.1.example.com:8123"},
    {"host": "localhost.example.com"},
    {"host": f"{HERE}@example.com"},
    {"host": "localhost.:8123"},
    # Other ways to write this machine: nobody of ours does.
    {"host": "0.0.0.0:8123"},
    {"host": "127.1:8123"},
    {"host": "2130706433:8123"},
    {"host": "[::ffff:127.0.0.1]:8123"},
    # Nothing, and nonsense.
    {},
    {"host": ""},
    {"host": ":8123"},
    {"host": "[::1"},
    {"host": "]"},
    {"host": HERE, "origin": "http://["},
]


@pytest.mark.parametrize("headers", PROGRAMS, ids=str)
def test_programs_and_the_own_page_may_speak(headers: dict[str, str]) -> None:
    assert not is_stranger(headers)


@pytest.mark.parametrize("headers", PAGES, ids=str)
def test_pages_of_other_origins_may_not(headers: dict[str, str]) -> None:
    assert is_stranger(headers)
