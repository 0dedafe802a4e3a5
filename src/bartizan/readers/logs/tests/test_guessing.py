# ruff: noqa: E501 (a line of a log is as long as it is)
"""Unknown tables: which column is which, by values and names; never a referer, an agent or the user's own machine."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_hosts import KNOWN

from bartizan.core.errors import UsageError
from bartizan.readers.logs import guess
from bartizan.readers.logs.columns import Columns
from bartizan.readers.logs.guess import Mapping, format_of, mapping_of, parsed, written
from bartizan.readers.logs.sniff import of_lines
from bartizan.readers.logs.visit import Evidence, Tally, Visit

TABLES = {
    "header": """
When,Employee,Machine IP,Website,Referer,Bytes Uploaded,Bytes Downloaded,Verdict
2026-01-05 10:00:00,mara@corp.example,10.1.2.3,https://chatgpt.com/c/1,https://www.bbc.co.uk/,12000,300,Allowed
2026-01-05 10:00:01,jonas@corp.example,10.1.2.4,https://www.spiegel.de/,https://claude.ai/,100,300,Allowed
2026-01-05 10:00:02,lea@corp.example,10.1.2.5,https://claude.ai/new,,900,300,Blocked
""",
    "semicolons and quotes": """
"date";"time";"src_host";"src_ip";"login";"dst_host";"user_agent";"sent_bytes";"rcvd_bytes";"action"
"2026-01-05";"10:00:00";"pc1.corp.example";"10.1.2.3";"mara@corp.example";"chatgpt.com";"x; claude.ai";"12000";"300";"permit"
"2026-01-05";"10:00:01";"pc2.corp.example";"10.1.2.4";"jonas@corp.example";"www.spiegel.de";"x; claude.ai";"100";"300";"permit"
"2026-01-05";"10:00:02";"pc3.corp.example";"10.1.2.5";"lea@corp.example";"claude.ai";"y";"900";"300";"drop"
""",
    "key=value": """
time="2026-01-05 10:00:00" user=mara@corp.example src=10.1.2.3 dsthost=chatgpt.com referer=claude.ai sent_bytes=12000 rcvd_bytes=300 action=allow
time="2026-01-05 10:00:01" user=jonas@corp.example src=10.1.2.4 dsthost=www.spiegel.de referer=claude.ai sent_bytes=100 rcvd_bytes=300 action=allow
time="2026-01-05 10:00:02" user=lea@corp.example src=10.1.2.5 dsthost=claude.ai referer=- sent_bytes=900 rcvd_bytes=300 action=deny
""",
    "json": "\n".join(
        json.dumps(
            {
                "@timestamp": at, "event": {"outcome": outcome}, "user": {"email": who}, "client": {"ip": ip},
                "url": {"full": url}, "http": {"request": {"referrer": "https://claude.ai/", "bytes": up},
                "response": {"bytes": 300}},
            }
        )
        for at, who, ip, url, up, outcome in (
            ("2026-01-05T10:00:00Z", "mara@corp.example", "10.1.2.3", "https://chatgpt.com/c/1", 12000, "allowed"),
            ("2026-01-05T10:00:01Z", "jonas@corp.example", "10.1.2.4", "https://www.spiegel.de/", 100, "allowed"),
            ("2026-01-05T10:00:02Z", "lea@corp.example", "10.1.2.5", "https://claude.ai/new", 900, "denied"),
        )
    ),
}  # fmt: skip


def lines(text: str) -> list[bytes]:
    return text.strip("\n").encode().split(b"\n")


def seen(mapping: Mapping, every: list[bytes]) -> list[Visit]:
    source = [json.loads(line) for line in every] if mapping.shape == "json" else every
    return list(format_of(mapping).read(iter(source), KNOWN, Tally()))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_columns_are_told_by_values_and_names(table: str) -> None:
    every = lines(table)
    mapping = mapping_of(of_lines(every))
    assert mapping is not None
    mara, lea = seen(mapping, every)
    assert (mara.actor, mara.host, mara.bytes_up, mara.bytes_down) == ("mara@corp.example", b"chatgpt.com", 12000, 300)
    assert (mara.time_us, mara.evidence, mara.denied) == (1_767_607_200_000_000, Evidence.UPLOADED, False)
    assert (lea.actor, lea.host, lea.evidence, lea.denied) == (
        "lea@corp.example",
        b"claude.ai",
        Evidence.CONNECTED,
        True,
    )
    assert len(list(guess.rows(mapping, of_lines(every)))) == 3


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_mapping_that_was_kept_reads_the_next_file(table: str) -> None:
    every = lines(table)
    mapping = mapping_of(of_lines(every))
    assert mapping is not None
    again = parsed(written(mapping))
    assert again == mapping
    assert seen(again, every) == seen(mapping, every)


def test_without_names_values_alone_decide() -> None:
    every = lines(TABLES["header"])[1:]
    mapping = mapping_of(of_lines(every))
    assert mapping is not None
    assert mapping.names == ()
    assert [(one.actor, one.host) for one in seen(mapping, every)] == [
        ("mara@corp.example", b"chatgpt.com"),
        ("lea@corp.example", b"claude.ai"),
    ]
    assert mapping.columns.up == ()  # Which number is what was sent, only a name can say.


@pytest.mark.parametrize(
    "text",
    [
        "name,age\nmara,30\njonas,31\n",
        "referer,user_agent,ip\nhttps://chatgpt.com/,claude.ai,10.0.0.1\nhttps://claude.ai/,claude.ai,10.0.0.2\n",
        "Dear all,\nplease use chatgpt.com,\nas ever,\n",
        "email,created\nmara@chatgpt.com,2026-01-05\n",
        "from=mara@corp.example to=info@chatgpt.com size=5\nfrom=a@b.example to=c@claude.ai size=6\n",
    ],
)
def test_what_says_nowhere_who_went_where_is_no_log(text: str) -> None:
    assert mapping_of(of_lines(lines(text))) is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "no JSON"),
        (b"[]", "schema"),
        (b'{"schema":"bartizan.log-mapping/1","shape":"xml","columns":{"host":["a"]}}', "shape"),
        (b'{"schema":"bartizan.log-mapping/1","shape":"csv","delimiter":",,","columns":{"host":["a"]}}', "delimiter"),
        (b'{"schema":"bartizan.log-mapping/1","shape":"json","columns":{"site":["a"]}}', "columns"),
        (b'{"schema":"bartizan.log-mapping/1","shape":"json","columns":{"time":["a"]}}', "host"),
        (b'{"schema":"bartizan.log-mapping/1","shape":"json","columns":{"host":[5]}}', "texts"),
    ],
)
def test_a_mapping_with_a_mistake_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parsed(data)


def test_a_mapping_by_hand_may_name_a_column_alone() -> None:
    mapping = parsed(b'{"schema":"bartizan.log-mapping/1","shape":"json","columns":{"host":"to.name","user":"who"}}')
    assert mapping == Mapping("json", Columns(host=("to.name",), user=("who",)))
    assert [one.actor for one in seen(mapping, [b'{"to":{"name":"claude.ai"},"who":"mara"}'])] == ["mara"]


@given(st.lists(st.binary(max_size=60), max_size=8), st.sampled_from(sorted(TABLES)))
def test_no_lines_make_it_fail(broken: list[bytes], table: str) -> None:
    every = lines(TABLES[table])
    mapping_of(of_lines(broken))
    mapping_of(of_lines(every[:2] + broken))
    mapping = mapping_of(of_lines(every))
    assert mapping is not None
    if mapping.shape != "json":
        seen(mapping, broken + [line[: len(line) // 2] for line in every])


@given(
    st.dictionaries(
        st.text(max_size=5), st.recursive(st.text(max_size=5) | st.integers() | st.floats(), st.lists), max_size=5
    )
)
def test_no_record_makes_it_fail(record: dict[str, object]) -> None:
    mapping = mapping_of(of_lines(lines(TABLES["json"])))
    assert mapping is not None
    list(format_of(mapping).read(iter([record, {"url": record}]), KNOWN, Tally()))
