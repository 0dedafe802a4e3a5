"""`bartizan usage code` over a project of files: what it finds, and a bill of materials that holds its schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bartizan.doors.usage.code import MAX_FILE_BYTES, code
from bartizan.home import Home
from bartizan.home.register import register


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "requirements.txt": "openai==1.40.0\nrequests\n",
        "src/app.py": 'import openai\nMODEL = "gpt-4o-mini"\nBASE = "https://api.groq.com/openai/v1"\n',
        "web/package.json": '{"dependencies": {"@anthropic-ai/sdk": "^0.30", "left-pad": "1"}}',
        "compose.yaml": "services:\n  llm:\n    image: ollama/ollama:0.5\n    environment: [ANTHROPIC_API_KEY]\n",
        ".cursor/rules/style.mdc": "Be brief.\n",
        "node_modules/openai/package.json": '{"dependencies": {"openai": "1"}}',
        "data.bin": "\0\1\2 gpt-4o",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "loop").symlink_to(tmp_path)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(code, [str(one) for one in arguments], standalone_mode=False)


def test_everything_that_betrays_ai_is_found_once(project: Path) -> None:
    done = run(project, "--format", "jsonl")
    rows = {(row["kind"], row["name"]): row for row in map(json.loads, done.stdout.splitlines())}
    assert done.return_value == 0
    assert {key for key in rows if key[0] != "file"} == {
        ("package", "openai"), ("package", "@anthropic-ai/sdk"), ("model", "gpt-4o-mini"), ("host", "api.groq.com"),
        ("image", "ollama/ollama"), ("env", "ANTHROPIC_API_KEY"),
    }  # fmt: skip
    openai = rows["package", "openai"]
    assert (openai["version"], openai["how"], openai["count"]) == ("1.40.0", "imported", 2)
    assert openai["places"] == [["requirements.txt", 1], ["src/app.py", 1]] and openai["service"]
    assert [row["places"] for key, row in rows.items() if key[0] == "file"] == [[[".cursor/rules/style.mdc", 0]]]


def test_the_bill_of_materials_holds_the_schema(project: Path) -> None:
    text = run(project, "--format", "mlbom").stdout
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    made = json.loads(text)
    assert made["specVersion"] == "1.6"
    kinds = {(one["type"], one["name"]): one for one in made["components"]}
    assert kinds["library", "openai"]["purl"] == "pkg:pypi/openai@1.40.0"
    assert kinds["library", "@anthropic-ai/sdk"]["purl"] == "pkg:npm/%40anthropic-ai/sdk"
    assert ("machine-learning-model", "gpt-4o-mini") in kinds and ("container", "ollama/ollama") in kinds
    assert kinds["library", "openai"]["evidence"]["occurrences"][0] == {"location": "requirements.txt", "line": 1}
    assert [one["endpoints"] for one in made["services"]] == [["https://api.groq.com"]]


def test_a_bill_of_nothing_holds_it_too(tmp_path: Path) -> None:
    text = run(tmp_path, "--format", "mlbom").stdout
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_a_large_file_is_read_to_its_bound_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"import openai\n" + b"#" * MAX_FILE_BYTES + b"\nimport anthropic\n")
    done = run(tmp_path, "--format", "jsonl")
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == ["openai"]
    assert "only the first 8 MiB" in done.stderr


def test_a_manifest_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"dependencies": {"openai": "1"}')
    (tmp_path / "pyproject.toml").write_text("[project")
    (tmp_path / "Cargo.toml").write_text("[dependencies]\n")
    done = run(tmp_path)
    assert done.return_value == 3
    assert [line.split(":")[2].strip() for line in done.stderr.splitlines() if "not written" in line] == [
        "package.json",
        "pyproject.toml",
    ]


def test_people_get_a_table(project: Path) -> None:
    done = run(project)
    assert "gpt-4o-mini" in done.stdout and "requirements.txt:1" in done.stdout
    assert "AI services and tools in 6 files" in done.stdout + done.stderr


def test_what_code_uses_is_kept_in_the_register(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("x") / "home"
    for _ in range(2):  # Read twice, it counts once.
        assert run(project, "--record", "--home", home).return_value == 0
    with Home.open(home) as opened:
        found = {one.id: one for one in register(opened).systems()}
    assert found["groq"].seen.sources == ("code",) and found["groq"].seen.people == 0
    assert found["groq"].seen.count == 1 and found["groq"].waits_us is not None


def test_a_file_that_was_cut_is_no_whole_reading(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_bytes(b"import openai\n" + b"#" * MAX_FILE_BYTES)
    result = CliRunner().invoke(code, [str(tmp_path)], standalone_mode=False)
    assert result.return_value == 3
    assert "only the first 8 MiB were read" in result.stderr
