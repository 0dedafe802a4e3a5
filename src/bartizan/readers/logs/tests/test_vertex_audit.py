"""Google Cloud: calls of models, and those that only look."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.vertex_audit import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts and applications, wherever an AI's name stands."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", b"us-central1-aiplatform.googleapis.com", Evidence.PROMPT, False),
        ("mara@corp.example", b"us-central1-aiplatform.googleapis.com", Evidence.AUTHENTICATED, True),
        ("mara@corp.example", b"us-central1-aiplatform.googleapis.com", Evidence.AUTHENTICATED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_the_region_is_in_the_resource_or_its_name() -> None:
    record = source(FORMAT.id)[0]
    named = record | {"resource": {}}
    named["protoPayload"]["resourceName"] = "projects/p/locations/us-central1/publishers/google/models/gemini"
    assert [v.host for v in visits(FORMAT, [named])] == [b"us-central1-aiplatform.googleapis.com"]
