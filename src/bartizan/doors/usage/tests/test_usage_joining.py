# ruff: noqa: E501 (a line of a log is as long as it is)
"""Logs that complete each other, in whichever order they are named."""

from __future__ import annotations

import gzip
import json
from itertools import permutations
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from exported_flows import AT, ipfix, version_5

from bartizan.doors.usage import joining
from bartizan.doors.usage.logs import logs
from bartizan.home.logs import observing
from bartizan.home.logs.observing import How
from bartizan.home.logs.sources import Sources
from bartizan.readers.logs import answers, joined

CLIENT, SERVER = "10.0.0.7", "203.0.113.9"
SSL = "#separator \\x09\n#path\tssl\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tserver_name\n"
CONN = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.resp_h\torig_bytes\tresp_bytes\tconn_state\n"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARTIZAN_HOME", str(tmp_path / "home"))


def told(*sources: Path | str) -> tuple[list[dict[str, object]], Result]:
    done = CliRunner().invoke(logs, ["--observations", "--format", "jsonl", *map(str, sources)], standalone_mode=False)
    assert done.exception is None, done.exception
    return [json.loads(line) for line in done.stdout.splitlines()], done


@pytest.fixture
def zeek(tmp_path: Path) -> tuple[Path, Path]:
    """Names of three connections, and the ends of two of them and of others."""
    ssl, conn = tmp_path / "ssl.log", tmp_path / "conn.log"
    hosts = ("claude.ai", "claude.ai", "chatgpt.com", "www.bbc.co.uk")
    ssl.write_text(
        SSL + "".join(f"{AT}.0\tC{n}\t{CLIENT}\t50000\t{SERVER}\t443\t{host}\n" for n, host in enumerate(hosts))
    )
    rows = [("C0", 90_000, 7), ("C1", 900, 8), ("C3", 90_000, 9), *((f"X{n}", 90_000, 9) for n in range(50))]
    conn.write_text(CONN + "".join(f"{AT}.0\t{uid}\t{CLIENT}\t{SERVER}\t{up}\t{down}\tSF\n" for uid, up, down in rows))
    return ssl, conn


def test_a_name_and_the_end_of_its_connection_are_one_visit_of_the_log_with_the_name(zeek: tuple[Path, Path]) -> None:
    for order in permutations(zeek):
        rows, done = told(*order)
        assert {(one["file"], one["host"], one["evidence"], one["count"], one["bytes_up"]) for one in rows} == {
            (str(zeek[0]), "claude.ai", "uploaded", 1, 90_000),
            (str(zeek[0]), "claude.ai", "connected", 1, 900),
            (str(zeek[0]), "chatgpt.com", "connected", 1, 0),
        }
        assert joined.ALONE not in done.stderr


def test_json_logs_are_joined_too(tmp_path: Path) -> None:
    ssl, conn = tmp_path / "a.log", tmp_path / "b.log.gz"
    ends = {"id.orig_h": CLIENT, "id.orig_p": 1, "id.resp_h": SERVER, "id.resp_p": 443}
    ssl.write_text(
        json.dumps({"ts": AT, "uid": "C1", **ends, "server_name": "claude.ai"}, separators=(",", ":")) + "\n"
    )
    end = {"ts": AT, "uid": "C1", **ends, "orig_bytes": 70_000, "resp_bytes": 1, "conn_state": "SF"}
    conn.write_bytes(gzip.compress(json.dumps(end, separators=(",", ":")).encode() + b"\n"))
    (row,), _ = told(conn, ssl)
    assert (row["file"], row["evidence"], row["bytes_up"]) == (str(ssl), "uploaded", 70_000)


def test_a_conn_alone_says_that_it_proves_nothing(zeek: tuple[Path, Path]) -> None:
    rows, done = told(zeek[1])
    assert rows == [] and f"{zeek[1]}: {joined.ALONE}" in done.stderr
    rows, done = told(zeek[0])
    assert len(rows) == 2 and joined.ALONE not in done.stderr


def test_too_many_open_connections_are_said(zeek: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "MAX_OPEN", 1)
    rows, done = told(*zeek)
    assert sum(int(str(one["count"])) for one in rows) == 3
    assert f"{zeek[0]}: zeek: connections whose end is still to come" in done.stderr


DNS = {
    "zeek.log": json.dumps({"ts": AT - 30, "uid": "D", "id.orig_h": CLIENT, "id.resp_h": "10.0.0.1", "query": "claude.ai",
                            "qtype_name": "A", "answers": [SERVER], "TTLs": [60.0]}, separators=(",", ":")),
    "route53.json": json.dumps({"query_timestamp": "2026-01-05T09:59:30Z", "query_name": "claude.ai.", "query_type": "A",
                                "rcode": "NOERROR", "answers": [{"Rdata": SERVER, "Type": "A"}], "srcaddr": CLIENT}),
}  # fmt: skip
FLOWS = {
    "5": version_5([(CLIENT, SERVER, 52_000), ("10.0.0.8", SERVER, 9)]),
    "ipfix": ipfix([(CLIENT, SERVER, 52_000)]),
    "text": b"ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt\n2026-01-05 10:00:00,2026-01-05 10:00:01,1,10.0.0.7,203.0.113.9,1,443,TCP,S,1,52000\n",
}


@pytest.mark.parametrize("flows", FLOWS)
@pytest.mark.parametrize("dns", DNS)
def test_a_flow_is_a_visit_where_a_name_server_told_its_client_the_address(
    tmp_path: Path, dns: str, flows: str
) -> None:
    (tmp_path / "a.flows").write_bytes(FLOWS[flows])
    (tmp_path / dns).write_text(DNS[dns] + "\n")
    for order in (("a.flows", dns), (dns, "a.flows")):
        rows, done = told(*(tmp_path / name for name in order))
        assert [(one["file"], one["actor"], one["evidence"], one["bytes_up"]) for one in rows] == [
            (str(tmp_path / dns), CLIENT, "resolved", 0),
            (str(tmp_path / "a.flows"), CLIENT, "connected", 52_000),
        ]
        assert answers.ALONE not in done.stderr


def test_flows_alone_say_that_addresses_prove_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.flows").write_bytes(FLOWS["5"])
    (tmp_path / "proxy.log").write_text(
        "1767607200.000 1 10.0.0.7 TCP_TUNNEL/200 9 CONNECT claude.ai:443 m HIER_DIRECT/203.0.113.9 -\n"
    )
    rows, done = told(tmp_path / "a.flows", tmp_path / "proxy.log")
    assert len(rows) == 1 and f"a.flows: {answers.ALONE}" in done.stderr


def test_what_takes_no_part_is_read_as_ever(zeek: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "proxy.log").write_text(
        "1767607200.000 1 10.0.0.7 TCP_TUNNEL/200 9 CONNECT claude.ai:443 m HIER_DIRECT/203.0.113.9 -\n"
    )
    paths = [str(one).encode() for one in (zeek[1], tmp_path / "proxy.log", zeek[0], tmp_path / "absent")]
    found = joining.arranged(Sources(paths), How())
    assert [one.path for one in found.together] == [paths[2], paths[0]]
    assert [one.path for one in found.others] == [paths[1], paths[3]]
    assert joining.arranged(Sources(paths), How(as_="squid")).together == []
    assert [one.whole for one in joining.read(found.together, How())] == [True, True]
    assert observing.tell(found.others[1], How()).why
