"""The account: exact sums, one step to the file."""

from __future__ import annotations

import json
from collections import Counter

from penstock.simulate.truth import BatchLog, Counts, Truth, write_document

HOUR_S = 1_795_269_600.0  # 2026-11-21T14:00:00Z


def test_a_document_adds_up_and_sums_are_exact_decimals():
    truth = Truth("homes/readings", 7, {"energy": 3, "voltage": 1})
    one = Counts(3, Counter(nan=1), 1, 1, Counter(energy=2**60, voltage=4601), 1_000, 2_500)
    two = Counts(2, Counter(), 0, 1, Counter(energy=5, voltage=-1), 500, 2_000)
    truth.count_sent(one)
    truth.count_sent(two)
    truth.count_acknowledged(one, HOUR_S - 0.5)
    truth.count_skipped(9)
    document = truth.document()
    assert document["sent"] == 5
    assert document["acknowledged"] == 3 == document["good"] + sum(document["malformed"].values())
    assert document["unacknowledged"] == 2
    assert document["skipped"] == 9
    assert document["sums"] == {"energy": "1152921504606846.976", "voltage": "460.1"}
    assert (document["first_ts"], document["last_ts"]) == (
        "1970-01-01T00:00:01.000Z",
        "1970-01-01T00:00:02.500Z",
    )
    assert document["of_sent"]["sums"]["energy"] == "1152921504606846.981"
    assert document["of_sent"]["first_ts"] == "1970-01-01T00:00:00.500Z"
    truth.count_acknowledged(two, HOUR_S)
    hours = truth.document()["hours"]
    assert hours == {"2026-11-21T13:00:00Z": 3, "2026-11-21T14:00:00Z": 2}


def test_an_empty_account_is_a_document_too():
    document = Truth("homes/readings", 1, {"energy": 3}).document()
    assert json.loads(json.dumps(document)) == document
    assert document["sums"] == {"energy": "0.000"}
    assert document["first_ts"] is None


def test_a_document_replaces_the_one_before_and_leaves_no_draft(tmp_path):
    path = tmp_path / "truth.json"
    write_document(path, {"sent": 1})
    write_document(path, {"sent": 2})
    assert json.loads(path.read_text()) == {"sent": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_a_batch_log_is_on_disk_before_it_is_closed(tmp_path):
    log = BatchLog(tmp_path / "ids.ndjson")
    log.append({"batch": 1})
    assert (tmp_path / "ids.ndjson").read_text() == '{"batch": 1}\n'
    log.close()
