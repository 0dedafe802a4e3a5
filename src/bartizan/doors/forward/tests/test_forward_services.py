"""What the forward door knows of a host is what the home's own catalogue says."""

from __future__ import annotations

from pathlib import Path

from bartizan.doors.forward.services import Services
from bartizan.home import Home
from bartizan.readers.tunnel import UNKNOWN
from bartizan.vault import Identity


def test_an_overlay_is_obeyed(tmp_path: Path) -> None:
    with Home.open(tmp_path / "home") as home:
        (home.path / "catalogue.toml").write_text(
            '[[service]]\nid = "ours"\nname = "Ours"\nhosts = ["ai.corp.example"]\n'
            '[[host]]\nhost = "claude.ai"\nis = "none"\n'
        )
        services, mara = Services(home), Identity("mara@corp.example", (), "", "key")
        assert services.known("ai.corp.example", mara).system == "ours"
        assert services.known("claude.ai", mara) == UNKNOWN
        assert services.known("chatgpt.com", mara).system == "chatgpt"
