"""The scene of AI that nobody registered: two logs, a register, a decision, a list, and whether the list holds."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bartizan.doors.gateway.demo import Teller
    from bartizan.doors.gateway.stage import Stage

DAYS = 21
DAY_S = 86_400
# Who goes where, how often a day, and how much is sent each time (bytes).
HABITS = (
    ("mara@example.org", "chatgpt.com", 6, 14_000),
    ("tom@example.org", "chatgpt.com", 3, 9_000),
    ("priya@example.org", "claude.ai", 4, 30_000),
    ("jon@example.org", "api2.cursor.sh", 40, 12_000),
    ("jon@example.org", "api.openai.com", 12, 60_000),
    ("lena@example.org", "chat.deepseek.com", 2, 8_000),
    ("lena@example.org", "otter.ai", 1, 400_000),
)
ORDINARY = ("www.bbc.co.uk", "www.zeit.de", "outlook.office365.com", "notopenai.example", "www.dbahn.example")
LOOK_ALIKE = "chatgpt.com.sign-in.example"


def shadow(stage: Stage, tell: Teller) -> None:
    """Logs say which AI is used; it is decided on, restricted, and the next log says whether that holds."""
    now_s = int(time.time())
    proxy, names = stage.folder / "1.log", stage.folder / "2.log"
    proxy.write_text(_proxy(now_s - DAYS * DAY_S, DAYS), encoding="utf-8")
    names.write_text(_resolver(now_s), encoding="utf-8")
    code, said = stage.command("usage", "logs", "--record", "--format", "json", str(proxy), str(names))
    made = json.loads(said[said.index("{") :]) if code == 0 else {}
    found = {one["service"]: one for one in made.get("services", [])}
    tell.line("logs", f"a proxy's and a resolver's, told by content: {', '.join(sorted(found))}")
    tell.expect(
        {"ChatGPT", "DeepSeek", "Claude"} <= found.keys() and LOOK_ALIKE not in said.partition('"lookalikes"')[0],
        "every service by who and how much; a host that imitates one is no service, and said so",
    )
    reason = ("--why", "no contract, data leaves the EU", "--alternative", "claude")
    by = ("--by", "ciso@example.org")
    approved, _ = stage.command("usage", "register", "decide", "claude", "--status", "approved", *by)
    blocked, said = stage.command("usage", "register", "decide", "deepseek", "--status", "blocked", *reason, *by)
    tell.line("decided", said.splitlines()[-1] if said else "")
    exported, zone = stage.command("usage", "restrict", "export", "rpz")
    tell.line("list", next((line for line in zone.splitlines() if line.startswith("*.deepseek")), ""))
    tell.expect(
        approved == blocked == exported == 0 and "deepseek.com" in zone and "claude.ai" not in zone,
        "the decision is on record, and the same table makes lists for resolvers, proxies, firewalls and browsers",
    )
    later = now_s + 60
    proxy.write_text(_line(later, "TCP_DENIED/403", "chat.deepseek.com", "lena@example.org", 0), encoding="utf-8")
    held, said = stage.command("usage", "verify", str(proxy))
    tell.line("next day", said.splitlines()[0] if said else "")
    with proxy.open("a", encoding="utf-8") as log:
        log.write(_line(later + 9, "TCP_TUNNEL/200", "chat.deepseek.com", "lena@example.org", 9000))
        log.write(_line(later + 8, "TCP_TUNNEL/200", "dns.google", "lena@example.org", 900))
    leaks, said = stage.command("usage", "verify", str(proxy))
    tell.line("or", "\n".join(said.splitlines()[:4]))
    tell.expect((held, leaks) == (0, 1), "the logs prove whether the block holds, and how somebody gets around it")


def _line(at: int, result: str, host: str, user: str, sent: int) -> str:
    seat = 10 + sum(map(ord, user)) % 200
    who = f"10.0.0.{seat} {result} {sent + 3900} CONNECT {host}:443 {user}"
    return f"{at}.000 {sent // 100 + 7} {who} HIER_DIRECT/203.0.113.7 -\n"


def _proxy(start_s: int, days: int) -> str:
    """A Squid log: habits, what is ordinary, and one day on which somebody sends much more than ever."""
    lines = []
    for day in range(days):
        for n, (user, host, times, size) in enumerate(HABITS):
            if (start_s // DAY_S + day) % 7 in (2, 3):  # Saturday and Sunday; 1970 began on a Thursday.
                continue
            for turn in range(times):
                at = start_s + day * DAY_S + turn * 600 + n * 37
                lines.append(
                    (at, _line(at, "TCP_TUNNEL/200", host, user, size + (day * 7 + turn * 13) % 100 * size // 300))
                )
                other = ORDINARY[(turn + n) % len(ORDINARY)]
                lines.append((at + 1, _line(at + 1, "TCP_TUNNEL/200", other, user, size)))
    last = start_s + (days - 1) * DAY_S + 30_000
    lines.append((last, _line(last, "TCP_TUNNEL/200", LOOK_ALIKE, "tom@example.org", 500)))
    return "".join(text for _, text in sorted(lines))


def _resolver(now_s: int) -> str:
    """A dnsmasq log: machines that asked for names, which is no connection."""
    at = time.strftime("%b %e %H:%M:%S", time.gmtime(now_s - 3600))
    hosts = ("perplexity.ai", "www.bbc.co.uk", "gemini.google.com")
    return "".join(f"{at} dnsmasq[812]: query[A] {host} from 10.0.0.{90 + n}\n" for n, host in enumerate(hosts))
