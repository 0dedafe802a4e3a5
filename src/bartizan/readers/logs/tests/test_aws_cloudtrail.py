"""CloudTrail: models that were invoked, and who did."""

from __future__ import annotations

import json

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.aws_cloudtrail import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts and applications, wherever an AI's name stands."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", b"bedrock-runtime.us-east-1.amazonaws.com", Evidence.PROMPT, False),
        ("jonas", b"bedrock-runtime.us-east-1.amazonaws.com", Evidence.PROMPT, False),
        ("mara@corp.example", b"bedrock-runtime.us-east-1.amazonaws.com", Evidence.AUTHENTICATED, True),
        ("mara@corp.example", b"bedrock-runtime.us-east-1.amazonaws.com", Evidence.AUTHENTICATED, False),
        ("mara@corp.example", b"runtime.sagemaker.us-east-1.amazonaws.com", Evidence.PROMPT, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_events_in_the_envelopes_of_eventbridge_and_of_a_lookup() -> None:
    event = source(FORMAT.id)[0]
    wrapped = [
        {"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": event},
        {"CloudTrailEvent": json.dumps(event)},
    ]
    assert visits(FORMAT, wrapped) == visits(FORMAT, [event, event])


def test_every_kind_of_identity_has_a_name() -> None:
    kinds = {
        "jonas": {"type": "IAMUser", "userName": "jonas"},
        "i-0abc": {"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/app/i-0abc"},
        "lea": {"type": "FederatedUser", "arn": "arn:aws:sts::1:federated-user/lea"},
        "root": {"type": "Root", "arn": "arn:aws:iam::1:root"},
        "mara": {"type": "AssumedRole", "principalId": "AROAX:mara"},
        "lambda.amazonaws.com": {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"},
        "10.0.0.7": {"type": "AWSAccount"},
    }
    event = source(FORMAT.id)[0]
    assert [v.actor for v in visits(FORMAT, [event | {"userIdentity": who} for who in kinds.values()])] == list(kinds)
