"""Docs do not go stale: examples run, links lead somewhere, what is named exists, generated pages are fresh."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import click
import pytest
from running_gateway import RunningGateway, gateway
from scripted_upstream import ScriptedUpstream, openai_says

from bartizan import detectors
from bartizan.__main__ import COMMANDS, bartizan
from bartizan.core.detector import Discipline
from bartizan.rules.risks import catalogue, frameworks

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "benchmarks" / "RESULTS.md"])
WRITTEN = [page for page in PAGES if page.name not in {"commands.md", "RESULTS.md"}]
BLOCK = re.compile(r"(?:<!-- tests: (?P<how>[^>]*?) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
NOT_RUN = "not run"  # `<!-- tests: not run, because … -->` before a console block


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return BLOCK.sub("", page.read_text("utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a link may point to in a page, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower().strip() for heading in headings]
    return frozenset(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize(
    "folder", sorted(p for p in DOCS.iterdir() if p.is_dir() and p.name not in ("__pycache__", "images")), ids=name
)
def test_every_page_is_in_its_index(folder: Path) -> None:
    index = (folder / "index.md").read_text("utf-8")
    pages = [str(page.relative_to(folder)) for page in folder.rglob("*.md") if page != folder / "index.md"]
    inner = {path for path in pages if "/" in path and not path.endswith("/index.md")}
    assert [path for path in pages if path not in inner and f"]({path})" not in index] == []
    assert f"]({folder.name}/index.md)" in (DOCS / "index.md").read_text("utf-8")


# The command and what follows it, in prose (between backticks) and in fenced blocks (to the end of the line).
CALLED = re.compile(r"(?:`|^\$ |^|[|;&(] ?)bartizan (?P<rest>[a-z][^`\n|>#;]*)", re.M)


def mistakes(call: str) -> list[str]:
    """What of `bartizan CALL` does not exist: the command, one below it, or an option."""
    words = call.replace("\\", " ").split()
    if words[0] not in COMMANDS:
        return [words[0]]
    with click.Context(bartizan, info_name="bartizan") as context:
        command = bartizan.get_command(context, words.pop(0))
        while isinstance(command, click.Group) and words and re.fullmatch("[a-z][a-z-]*", words[0]):
            below = command.get_command(context, words[0])
            if below is None:
                return [f"{command.name} {words[0]}"]
            command = below
            words.pop(0)
        assert command is not None
        known = {opt for param in command.get_params(context) for opt in (*param.opts, *param.secondary_opts)}
    options = [word.partition("=")[0].strip("[].,)") for word in words if re.match(r"\[?--?[a-z]", word)]
    return [f"{command.name} {option}" for option in options if option not in known | {"--help", "-h"}]


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_commands_and_options_exist(page: Path) -> None:
    calls = [found["rest"] for found in CALLED.finditer(page.read_text("utf-8"))]
    assert [mistake for call in calls for mistake in mistakes(call)] == []


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [one for one in COMMANDS if f"bartizan {one}" not in readme and f"`{one}`" not in readme] == []


@dataclass
class Example:
    """One thing a page tells people to type, and what it should print: all of it in order of appearance."""

    command: str
    prints: list[str]


def examples(page: Path) -> list[Example]:
    """Every `$ …` of the console blocks that are run, and every `curl` of the shell blocks."""
    found: list[Example] = []
    for block in BLOCK.finditer(page.read_text("utf-8")):
        how = block["how"] or ""
        if how.startswith(NOT_RUN):
            continue
        if block["language"] == "sh" and block["body"].startswith("curl "):
            found.append(Example(block["body"], [how.removeprefix("prints ")] if how else []))
        if block["language"] != "console":
            continue
        for line in block["body"].splitlines():
            if line.startswith("$ "):
                found.append(Example(line[2:], []))
            elif line.startswith("> ") and not found[-1].prints:
                found[-1].command += f"\n{line[2:]}"
            elif line.strip():
                found[-1].prints.append(line)
    return found


def appears(line: str, text: str) -> bool:
    """Whether a shown line stands in what was printed; `…` stands for anything, spaces for any spaces."""
    pattern = r"\s+".join(re.escape(word).replace("…", ".*?") for word in line.split())
    return re.search(pattern, text) is not None


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As a person types it, in `folder`, with nothing of Bartizan in the environment."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("BARTIZAN_")}
    env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60
    )


def ran(example: Example, folder: Path, running: RunningGateway | None) -> str:
    """What an example prints. A machine that tests need not have curl: its arguments say what is to be asked."""
    if not example.command.startswith("curl "):
        done = shell(example.command, folder)
        said = done.stdout + done.stderr
        assert done.returncode in {0, 1}, f"$ {example.command}\nexit {done.returncode}\n{said}"
        return said
    assert running is not None
    _, *words = shell("curl() { printf '%s\\0' curl \"$@\"; }\n" + example.command, folder).stdout.split("\0")
    pairs = list(pairwise(words))
    headers = dict(value.split(": ", 1) for flag, value in pairs if flag == "-H")
    url = urlsplit(next(word for word in words if word.startswith("http://127.0.0.1:8400/")))
    body = next((value for flag, value in pairs if flag == "-d"), None)
    key = headers.pop("authorization").removeprefix("Bearer ")
    status, got, raw = running.ask("POST" if body else "GET", url.path, body.encode() if body else None, key=key)
    return "\n".join((str(status), *(f"{name}: {value}" for name, value in got.items()), raw.decode()))


@pytest.fixture
def gateway_of_the_page(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningGateway | None]:
    """`bartizan up` in the page's folder, where the page talks to one; a script stands for the local model."""
    page: Path = request.getfixturevalue("page")
    if "http://127.0.0.1:8400" not in "".join(example.command for example in examples(page)):
        yield None
        return
    with ScriptedUpstream() as upstream:
        upstream.on("smollm2-135m", openai_says("Paris."))
        with gateway(tmp_path / ".bartizan", {"local": f"{upstream.url}/v1"}) as running:
            yield running


WITH_EXAMPLES = [page for page in WRITTEN if examples(page) and page.name != "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name)
def test_examples_run(page: Path, tmp_path: Path, gateway_of_the_page: RunningGateway | None) -> None:
    """A page's examples, one after the other in one folder, print what the page shows."""
    for example in examples(page):
        said = ran(example, tmp_path, gateway_of_the_page)
        assert [line for line in example.prints if not appears(line, said)] == [], f"$ {example.command}\n{said}"


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_fresh() -> None:
    """In a process of its own: click keeps in a command what an earlier test asked of it."""
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stderr


def test_every_detector_has_a_page_with_words_of_ours() -> None:
    """The card says what a detector sees; what it cannot see only a person can write."""
    for detector in detectors.found():
        page = DOCS / "reference" / "detectors" / f"{detector.id}.md"
        assert len(page.read_text("utf-8").partition(generator().MARKER)[2].split()) >= 40, page.name


def test_the_table_of_disciplines_names_their_detectors() -> None:
    rows = re.findall(
        r"^\| [\w ]+ \(`([a-z-]+)`\) \| [^|]+ \| ([^|]+) \|", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.M
    )
    told = {discipline: set(re.findall(r"`([^`]+)`", named)) for discipline, named in rows}
    there = {d.value: {one.id for one in detectors.found() if d in one.serves} for d in Discipline}
    assert told == there, "the table of disciplines in ARCHITECTURE.md names other detectors than there are"


def test_the_detector_of_contributing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks marked so are a module and its tests, as they stand there."""
    blocks = [
        block["body"]
        for block in BLOCK.finditer((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
        if block["how"] == "detector"
    ]
    assert len(blocks) == 2
    module = ModuleType("bartizan.detectors.text.customer_number")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names: dict[str, object] = {"__name__": "test_customer_number"}
    for block, there in zip(blocks, (vars(module), names), strict=True):
        exec(compile(block, "CONTRIBUTING.md", "exec"), there)
    tests = [value for key, value in names.items() if key.startswith("test_") and callable(value)]
    assert tests
    for test in tests:
        test()


def test_every_risk_has_a_title_an_explanation_and_a_discipline() -> None:
    for risk in catalogue().values():
        assert risk.title, risk.id
        assert risk.plain.endswith("."), risk.id
        assert set(risk.disciplines) <= set(Discipline), risk.id
        assert risk.disciplines, risk.id
        assert {framework for framework, _ in risk.places} <= set(frameworks()), risk.id


def test_every_risk_of_a_detector_is_in_the_catalogue() -> None:
    assert {risk for detector in detectors.found() for risk in detector.risks} - set(catalogue()) == set()
