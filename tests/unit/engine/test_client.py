"""An address of ClickHouse is read from a URL, and a wrong one is told with the right one."""

from __future__ import annotations

import pytest

from penstock.engine.client import Address
from penstock.errors import UsageError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h", Address("h", 8123)),
        ("https://h", Address("h", 8443, secure=True)),
        ("http://me:k%40y@h:8124/db", Address("h", 8124, "me", "k@y", database="db")),
        ("http://:k@[::1]:8123/", Address("::1", 8123, "", "k")),
    ],
)
def test_an_address_is_read(url: str, address: Address) -> None:
    assert Address.parse(url) == address


@pytest.mark.parametrize(
    ("url", "said", "better"),
    [
        ("http://h:9000", "9000 is ClickHouse's native port", "8123"),
        ("https://me:key@h:9440", "9440 is ClickHouse's native port", "8443"),
        ("clickhouse://h:9000", "no address of ClickHouse over HTTP", "http://user:key@host:8123"),
        ("h:8123", "no address of ClickHouse over HTTP", "http://user:key@host:8123"),
        ("http://h:http", "no address of ClickHouse", "http://user:key@host:8123"),
        ("http://h:99999", "no address of ClickHouse", "http://user:key@host:8123"),
    ],
)
def test_a_wrong_one_is_told_with_the_right_one(url: str, said: str, better: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        Address.parse(url)
    assert better in refused.value.next_step
    assert "key@h:" not in str(refused.value)


def test_what_is_shown_of_an_address_has_no_key() -> None:
    assert Address.parse("https://me:secret@[::1]/db").shown == "https://[::1]:8443"
    assert Address.parse("http://:secret@h").shown == "http://h:8123"
