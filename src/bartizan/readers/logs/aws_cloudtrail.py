"""AWS CloudTrail: who called a model in Amazon Bedrock, or an endpoint of SageMaker.

An invocation is a prompt; other calls to Bedrock prove that somebody is signed in there. Of an assumed role the session
name counts, which names the person where single sign-on made it.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from bartizan.readers.logs.fields import Record, at, first_wanted, inner, raw, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

MAX_EMBEDDED = 1024 * 1024  # Characters of an event that lies in a record as text.
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".vpce.amazonaws.com")
_PROMPTS = (
    "Invoke",
    "StartAsyncInvoke",
    "CreateModelInvocationJob",
    "Converse",
    "RetrieveAndGenerate",
    "GenerateAssistantResponse",
    "GenerateCompletions",
    "SendMessage",
)
_RUNTIMES = {
    "bedrock.amazonaws.com": ("bedrock-runtime", "bedrock"),
    "bedrock-runtime.amazonaws.com": ("bedrock-runtime",),
    "bedrock-agent-runtime.amazonaws.com": ("bedrock-agent-runtime", "bedrock-runtime"),
    "sagemaker.amazonaws.com": ("runtime.sagemaker",),
}
_AI = ("bedrock", "q.", "qbusiness", "codewhisperer", "amazonq")


def recognise(sample: Sample) -> float:
    """Records with CloudTrail's four names, also in the envelopes of EventBridge and of a look-up."""
    return share(sample.records, _event)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The calls that matter."""
    for record in source:
        event = _event(record)
        if not event:
            tally.junk += 1
            continue
        service, name = text(event.get("eventSource")), text(event.get("eventName"))
        if not service.startswith(_AI) and (
            service != "sagemaker.amazonaws.com" or not name.startswith("InvokeEndpoint")
        ):
            continue
        host = first_wanted(wanted, *_hosts(event, service))
        if not host:
            continue
        error = text(event.get("errorCode"))
        denied = "AccessDenied" in error or "Unauthorized" in error
        prompt = name.startswith(_PROMPTS) and not denied
        yield Visit(
            time_us=micros(event.get("eventTime"), tally),
            actor=_actor(inner(event, "userIdentity"), text(event.get("sourceIPAddress"))),
            host=host,
            evidence=Evidence.PROMPT if prompt else Evidence.AUTHENTICATED,
            account=text(event.get("recipientAccountId")) or text(at(event, "userIdentity", "accountId")),
            denied=denied,
        )


def _event(record: Record) -> Record:
    event: Record = inner(record, "detail") or record
    if isinstance(held := record.get("CloudTrailEvent"), str) and len(held) <= MAX_EMBEDDED:
        try:
            event = inner({"held": orjson.loads(held)}, "held")
        except orjson.JSONDecodeError:
            return {}
    return event if {"eventSource", "eventName", "eventTime", "userIdentity"} <= event.keys() else {}


def _hosts(event: Record, service: str) -> Iterator[bytes]:
    named = raw(at(event, "tlsDetails", "clientProvidedHostHeader"))
    if named.lower().partition(b":")[0].endswith(tuple(end.encode() for end in _AWS)):  # The client may write anything.
        yield named
    region = text(event.get("awsRegion"))
    for runtime in _RUNTIMES.get(service, (service.removesuffix(".amazonaws.com"),)):
        yield f"{runtime}.{region}.amazonaws.com".encode("utf-8", "replace")
    yield service.encode("utf-8", "replace")


def _actor(identity: Record, address: str) -> str:
    arn = text(identity.get("arn"))
    session = arn.rpartition("/")[2] if ":assumed-role/" in arn or ":federated-user/" in arn else ""
    principal = text(identity.get("principalId")).partition(":")[2]
    root = "root" if identity.get("type") == "Root" else ""
    behind = text(at(identity, "onBehalfOf", "userId"))
    return somebody(
        session, text(identity.get("userName")), behind, principal, root, text(identity.get("invokedBy")), address
    )


FORMAT = Format(
    id="aws-cloudtrail",
    title="AWS CloudTrail",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="AWS CloudTrail User Guide: CloudTrail record contents, userIdentity element; "
    "Amazon Bedrock User Guide: Monitor Amazon Bedrock API calls using CloudTrail",
)
