"""Settings: where they come from, which one wins, and what is said about a mistake."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.config import Address, Config, MailTls, Protocol, SyslogAt, Timeouts, load, upstream_flags
from bartizan.config.load import FILE_NAME
from bartizan.config.model import LogFormat, settings
from bartizan.config.show import rows
from bartizan.core.errors import ConfigError


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / FILE_NAME).write_text(text)
    return tmp_path


def wrong(tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, **flags: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(None, environ, flags, cwd=written(tmp_path, text))
    return str(caught.value)


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    config = load(cwd=tmp_path)
    assert config.home == tmp_path / ".bartizan"
    assert str(config.gateway) == "127.0.0.1:8400"
    assert {name: up.protocol for name, up in config.upstreams.items()} == {"local": Protocol.LOCAL}
    assert config.file is None and set(config.sources.values()) == {"default"}


def test_file_then_environment_then_flags(tmp_path: Path) -> None:
    text = "limits:\n  in_flight: 10\n  idle_s: 11\n  wait_s: 12\n"
    environ = {"BARTIZAN_LIMITS__IDLE_S": "21", "BARTIZAN_LIMITS__WAIT_S": "22", "HOME": "/nowhere"}
    config = load(None, environ, {"limits.wait_s": 32, "limits.head_s": None}, cwd=written(tmp_path, text))
    assert (config.limits.in_flight, config.limits.idle_s, config.limits.wait_s) == (10, 21, 32)
    assert config.sources["limits.in_flight"] == "bartizan.yaml:2:14"
    assert config.sources["limits.idle_s"] == "$BARTIZAN_LIMITS__IDLE_S"
    assert config.sources["limits.wait_s"] == "--limits"
    assert config.sources["limits.head_s"] == "default"


def test_the_file_is_the_named_one_then_the_one_here_then_the_one_in_the_home(tmp_path: Path) -> None:
    home = tmp_path / ".bartizan"
    home.mkdir()
    (home / FILE_NAME).write_text("workers: 1\n")
    assert load(cwd=tmp_path).workers == 1
    (tmp_path / FILE_NAME).write_text("workers: 2\n")
    assert load(cwd=tmp_path).workers == 2
    (tmp_path / "other.yaml").write_text("workers: 3\n")
    assert load(environ={"BARTIZAN_CONFIG": "other.yaml"}, cwd=tmp_path).workers == 3
    assert load("bartizan.yaml", {"BARTIZAN_CONFIG": "other.yaml"}, cwd=tmp_path).workers == 2
    with pytest.raises(ConfigError, match=r"gone\.yaml: No such file"):
        load("gone.yaml", cwd=tmp_path)


def test_paths_count_from_where_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "b.yaml").write_text("home: data\nupstreams: {a: {url: https://a.example, key_file: a.key}}\n")
    config = load("etc/b.yaml", {"BARTIZAN_POLICY": "p.yaml"}, cwd=tmp_path)
    assert config.home == tmp_path / "etc" / "data"
    assert config.upstreams["a"].key_file == tmp_path / "etc" / "a.key"
    assert config.policy == tmp_path / "p.yaml"


def test_all_mistakes_come_at_once_with_their_places(tmp_path: Path) -> None:
    text = "limts: {a: 1}\nlimits:\n  body_bytes: many\n  in_flite: 3\ndurability: stric\nworkers: 1000\n"
    assert wrong(tmp_path, text, {"BARTIZAN_WORKRS": "1"}, metrics="nowhere").splitlines() == [
        '$BARTIZAN_WORKRS: no setting is called "workrs"',
        '  Did you mean "workers"? `bartizan config show` shows all.',
        "--metrics: metrics: is not HOST:PORT",
        'bartizan.yaml:1:1: no setting is called "limts"',
        '  Did you mean "limits"? `bartizan config show` shows all.',
        "bartizan.yaml:3:15: limits.body_bytes: is not a whole number",
        'bartizan.yaml:4:3: no setting is called "limits.in_flite"',
        '  Did you mean "limits.in_flight"? `bartizan config show` shows all.',
        'bartizan.yaml:5:13: durability: is none of strict, before-send; did you mean "strict"?',
        "bartizan.yaml:6:10: workers: is out of range: 0 to 256",
    ]


@pytest.mark.parametrize("name", ["key", "api_key", "token", "secret", "password"])
def test_a_secret_does_not_stand_in_the_file(tmp_path: Path, name: str) -> None:
    said = wrong(tmp_path, f"upstreams:\n  a:\n    url: https://a.example\n    {name}: hunter2\n")
    assert said.startswith(f"bartizan.yaml:4:5: upstreams.a.{name}: a secret does not stand in the configuration\n")
    assert "key_file: PATH or key_env: VARIABLE" in said and "hunter2" not in said
    said = wrong(tmp_path, "upstreams: {a: {url: 'https://me:hunter2@a.example'}}\n")
    assert "a secret does not stand in a URL" in said and "hunter2" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gateway: [", "is not YAML"),
        ("gateway: 1.1.1.1\n", "gateway: is not HOST:PORT"),
        ("gateway: {host: a}\n", "gateway: is one value"),
        ("limits: 3\n", "limits: stands for several settings"),
        ("workers: 1\nworkers: 2\n", "bartizan.yaml:2:1: workers is here twice"),
        ("workers: &a 1\n", "anchors and aliases"),
        ("workers: yes\n", "workers: is not a whole number"),
        ("workers: 0x10\n", "workers: is not a whole number"),
        ("workers: true\n", "workers: is not a whole number"),
        ("workers: 1.5\n", "workers: is not a whole number"),
        ("limits: {idle_s: .nan}\n", "limits.idle_s: is not a number"),
        ("behind_tls: 'true'\n", "behind_tls: is neither true nor false"),
        ("public_url: 8\n", "public_url: is not a text"),
        ("public_url: ftp://x\n", "public_url: is not a URL"),
        ("public_url: https://x/?a=1\n", "public_url: has a query"),
        ("upstreams: {}\n", "upstreams: name at least one"),
        ("upstreams: {a: https://a.example}\n", "upstreams.a: write its settings below it"),
        ("upstreams: {A B: {url: https://a.example}}\n", "a name is small letters"),
        ("upstreams: {a: {}}\n", "upstreams.a.url: is missing"),
        ("upstreams: {a: {url: https://a.example, key_env: K, passthrough: true}}\n", "only one of"),
        ("upstreams: {local: {protocol: local, key_env: K}}\n", "the local model has no URL and no key"),
        ("tls_cert: a.pem\n", "tls_cert and tls_key belong together"),
        ("gateway: 0.0.0.0:8400\n", "can be reached from other machines without TLS"),
        ("checkpoint_file: .bartizan/notes\n", "checkpoint_file: lies in the home"),
        ("console: 0.0.0.0:8401\n", "console: 0.0.0.0:8401 can be reached from other machines without TLS"),
        ("console_url: console.example.org\n", "bartizan.yaml:1:14: console_url: is not a URL"),
        ("notify: {webhooks: [a]}\n", "notify.webhooks: name each"),
        ("notify: {webhooks: {chat: https://a.example}}\n", "notify.webhooks.chat: write its settings below it"),
        ("notify: {webhooks: {Chat: {}}}\n", "notify.webhooks: 'Chat': a name is small letters"),
        ("notify: {webhooks: {chat: {}}}\n", "notify.webhooks.chat: needs one of url, url_file and url_env"),
        ("notify: {webhooks: {chat: {url: https://a.example, url_env: A}}}\n", "needs one of"),
        ("notify: {webhooks: {chat: {url: ftp://a.example}}}\n", "notify.webhooks.chat.url: is not a URL"),
        ("notify: {webhooks: {chat: {url: https://hooks.slack.com/x}}}\n", "whoever knows this address may write"),
        ("notify: {webhooks: {chat: {urls: https://a.example}}}\n", 'Did you mean "notify.webhooks.chat.url"?'),
        ("notify: {mail: {sender: a@b.example}}\n", "notify.mail: smtp is missing"),
        ("notify: {mail: {smtp: 'a.example:25'}}\n", "notify.mail: sender and to are both needed"),
        (
            "notify: {mail: {smtp: 'a.example:25', sender: a@b.c, to: [\"c@d.e\\r\\nBcc: f@g.h\"]}}\n",
            "sender and to are addresses alone",
        ),
        ("notify: {mail: {smtp: 'a:25', sender: a@b.c, to: [a@b.c], user: a}}\n", "user needs one of password_file"),
        (
            "notify: {mail: {smtp: 'a:25', sender: a@b.c, to: [a@b.c], user: a, password_env: P, tls: none}}\n",
            "a password does not travel in the clear",
        ),
        ("notify: {mail: {password: hunter2}}\n", "password_file: PATH or password_env: VARIABLE"),
        ("notify: {mail: {every_minutes: 0}}\n", "notify.mail.every_minutes: is out of range: 1 to 10080"),
        ("notify: {syslog: {address: 'udp:/a'}}\n", "notify.syslog.address: is none of udp://HOST:PORT"),
        ("notify: {syslog: {facility: local8}}\n", 'did you mean "local7"?'),
        ("retention_days: 30\n", "bartizan.yaml:1:17: retention_days: is too short"),
        ("detectors: [1]\n", "detectors: is not a list of names"),
        ("- a\n", "a configuration is names with values"),
        ("a\tb\n", "is not YAML"),
        ("[" * 1000, "nested too deep"),
        ("\x01\n", "is not YAML"),
        ("? [a]\n: 1\n", "a name is a word"),
        ("a: " + "{a: " * 40 + "1" + "}" * 40, "nested too deep"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str) -> None:
    said = wrong(tmp_path, text)
    assert says in said and said.startswith("bartizan.yaml")


def test_what_is_not_utf8_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"home: \xff\n")
    with pytest.raises(ConfigError, match="byte 6 is not UTF-8"):
        load(cwd=tmp_path)


def test_beyond_loopback_only_with_tls_or_on_purpose(tmp_path: Path) -> None:
    for more in ("behind_tls: true\n", "tls_cert: a\ntls_key: b\n"):
        assert not load(cwd=written(tmp_path, f"gateway: '[::]:1'\n{more}")).gateway.loopback


def test_what_containers_inject_is_left_alone(tmp_path: Path) -> None:
    injected = {
        "BARTIZAN_PORT": "tcp://10.0.0.1:8400",
        "BARTIZAN_PORT_8400_TCP_ADDR": "10.0.0.1",
        "BARTIZAN_SERVICE_HOST": "10.0.0.1",
        "BARTIZAN_SERVICE_PORT_HTTP": "8400",
        "BARTIZAN_BOOTSTRAP_KEY": "x",
    }
    assert load(environ=injected, cwd=tmp_path) == load(cwd=tmp_path)


def test_upstreams_from_flags_and_environment(tmp_path: Path) -> None:
    text = "upstreams:\n  my-ai:\n    url: https://ai.example/v1\n"
    flags = upstream_flags(["claude=https://api.anthropic.com", "local=local", "a.b=http://10.0.0.7:1/v1"])
    environ = {"BARTIZAN_UPSTREAMS__MY_AI__TIMEOUTS__IDLE_S": "7", "BARTIZAN_UPSTREAMS__NEW__URL": "https://n.example"}
    config = load(None, environ, flags, cwd=written(tmp_path, text))
    assert {name: up.protocol.value for name, up in config.upstreams.items()} == {
        "my-ai": "openai", "new": "openai", "claude": "anthropic", "local": "local", "a.b": "openai",
    }  # fmt: skip
    assert config.upstreams["my-ai"].timeouts == Timeouts(idle_s=7)
    assert config.sources["upstreams.claude.url"] == "--upstream"
    for bad in ("a", "=https://a.example", "A=https://a.example"):
        with pytest.raises(ConfigError, match="is not NAME=URL"):
            upstream_flags([bad])


def test_sizes_are_said_as_people_say_them(tmp_path: Path) -> None:
    for said, size in {"1 MiB": 1 << 20, "2kB": 2000, "4096": 4096, "3 gib": 3 << 30}.items():
        assert load(environ={"BARTIZAN_LIMITS__BODY_BYTES": said}, cwd=tmp_path).limits.body_bytes == size
    assert load(cwd=written(tmp_path, "limits: {body_bytes: 1 MiB}")).limits.body_bytes == 1 << 20
    assert "not a whole number" in wrong(tmp_path, "limits: {in_flight: '4'}")


def test_metrics_can_be_off(tmp_path: Path) -> None:
    assert load(environ={"BARTIZAN_METRICS": "off"}, cwd=tmp_path).metrics is None
    assert load(cwd=written(tmp_path, "metrics: off\nlog_format: json\n")).log_format is LogFormat.JSON


def test_a_config_travels_to_another_process(tmp_path: Path) -> None:
    config = load(cwd=tmp_path)
    assert pickle.loads(pickle.dumps(config)) == config


def test_every_setting_is_shown_with_its_source(tmp_path: Path) -> None:
    config = load(cwd=written(tmp_path, "workers: 2\n"))
    shown = {name: (value, source) for name, value, source in rows(config)}
    assert shown["workers"] == (2, "bartizan.yaml:1:10")
    assert shown["gateway"] == ("127.0.0.1:8400", "default")
    assert shown["upstreams.local.protocol"] == ("local", "default")
    assert set(settings(Config)) - {"upstreams", "limits", "examine", "cases", "notify", "forward"} < set(shown)


def test_who_is_told(tmp_path: Path) -> None:
    text = """\
notify:
  webhooks:
    chat: {url_file: chat.url}
    board: {url: "http://127.0.0.1:9/board"}
  mail: {smtp: mail.example.org:465, tls: tls, sender: b@example.org, to: [a@example.org, c@example.org]}
  syslog: {address: "unix:/dev/log", facility: local3}
"""
    environ = {"BARTIZAN_NOTIFY__WEBHOOKS__MORE__URL_ENV": "MORE_URL", "BARTIZAN_NOTIFY__MAIL__TO": "d@example.org"}
    config = load(None, environ, cwd=written(tmp_path, text))
    notify = config.notify
    assert notify.wanted and not load(cwd=tmp_path / "elsewhere").notify.wanted
    assert notify.webhooks["chat"].url_file == tmp_path / "chat.url" and notify.webhooks["more"].url_env == "MORE_URL"
    assert notify.mail.to == ("d@example.org",) and notify.mail.tls is MailTls.TLS
    assert SyslogAt.parse(notify.syslog.address) == SyslogAt("unix", path="/dev/log")
    shown = {name: (value, source) for name, value, source in rows(config)}
    assert shown["notify.webhooks.board.url"] == ("http://127.0.0.1:9/board", "bartizan.yaml:4:18")
    assert shown["notify.mail.every_minutes"] == (60, "default")


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("udp://127.0.0.1:514", SyslogAt("udp", Address("127.0.0.1", 514))),
        ("tcp://[::1]:601", SyslogAt("tcp", Address("::1", 601))),
        ("unix:///dev/log", SyslogAt("unix", path="/dev/log")),
        ("unix:dev/log", None),
        ("tls://a.example:1", None),
        ("udp:a.example:1", None),
        ("udp://a.example", None),
    ],
)
def test_where_a_syslog_listens(text: str, is_: SyslogAt | None) -> None:
    if is_ is None:
        with pytest.raises(ValueError, match="is n"):
            SyslogAt.parse(text)
    else:
        assert SyslogAt.parse(text) == is_


def test_links_to_the_console(tmp_path: Path) -> None:
    assert load(cwd=tmp_path).console_base == "http://127.0.0.1:8401"
    assert load(environ={"BARTIZAN_CONSOLE": "off"}, cwd=tmp_path).console_base == ""
    config = load(environ={"BARTIZAN_CONSOLE_URL": "https://ai.example.org/c/"}, cwd=tmp_path)
    assert config.console_base == "https://ai.example.org/c"


@given(st.text(max_size=80))
def test_no_file_at_all_raises_anything_else(text: str) -> None:
    from bartizan.config.load import _Reading
    from bartizan.config.tree import from_yaml

    reading = _Reading(Path("/tmp"))
    tree = from_yaml(Path("/tmp/b.yaml"), "b.yaml", text, reading.problems)
    reading.check_together(reading.record(Config, tree, ""), tree)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_an_address_is_said_as_it_is_read(host: object, port: int) -> None:
    address = Address(str(host), port)
    assert Address.parse(str(address)) == address


def test_the_reference_page_is_the_one_made_from_the_settings() -> None:
    from bartizan.config.show import markdown

    page = Path(__file__).parents[4] / "docs" / "reference" / "configuration.md"
    assert page.read_text() == markdown(), "run `make golden`"
