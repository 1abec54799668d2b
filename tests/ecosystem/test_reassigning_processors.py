"""A processor before ours assigns private fields of the ended span, as agent frameworks do: what arrives is what it left."""

from __future__ import annotations

import pytest

BEFORE = {"secret": "hunter2", "kept": "yes"}
REMOVED = {"kept": "yes", "added": [1, 2]}

CASES = {
    "attributes": {"attributes": REMOVED},
    "bounded": {"attributes": BEFORE | {"secret": "***"}},
    "unfrozen": {"attributes": {"secret": "***"}},
    "status": {"status": "ERROR", "status_message": "decided late"},
    "events": {"events": ["early", "late"]},
    "links": {"links": [{"to": "elsewhere"}]},
    "name": {"name": "named late"},
    "parent": {"has_parent": False},
    "times": {"start_unix_nano": 1_000, "end_unix_nano": 2_000},
    "end_taken_away_for_a_while": {},
    "everything": {
        "attributes": REMOVED,
        "status": "ERROR",
        "status_message": "decided late",
        "events": ["early", "late"],
        "links": [{"to": "elsewhere"}],
        "name": "named late",
        "start_unix_nano": 1_000,
        "end_unix_nano": 2_000,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_assigned_arrives(program, case):
    found = program.run("reassigning_processors.py", case=case).report
    spans = program.collector.spans(2)
    assert spans["untouched"].attributes == {"secret": "hunter2"}
    (changed,) = (span for name, span in spans.items() if name != "untouched")
    arrived = {
        "name": changed.name,
        "attributes": changed.attributes,
        "status": changed.status,
        "status_message": changed.status_message,
        "events": [event.name for event in changed.events],
        "links": [link.attributes for link in changed.links],
        "has_parent": changed.parent_span_id != "",
    }
    unchanged = {
        "name": "changed",
        "attributes": BEFORE,
        "status": "UNSET",
        "status_message": "",
        "events": ["early"],
        "links": [],
        "has_parent": True,
    }
    expected = unchanged | CASES[case]
    for key in ("start_unix_nano", "end_unix_nano"):
        if key in expected:
            arrived[key] = getattr(changed, key)
        else:
            assert getattr(changed, key) > 1_000_000
    assert arrived == expected
    # The processor after ours was given the same object.
    name, attributes, status, start = found["seen_after"][0]
    assert (name, attributes, status) == (expected["name"], expected["attributes"], expected["status"])
    assert start == changed.start_unix_nano
