# ruff: noqa: E501 (a row of a table is as long as its manifest)
"""Which AI a project uses, from its manifests, lock files, imports, model ids, hosts, variables and images."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.readers.code.clue import How, Known, Sign
from bartizan.readers.code.manifests import READERS
from bartizan.readers.code.sources import clues

KNOWN = Known(
    {
        "pypi": frozenset({"openai", "google-generativeai", "llama-index", "langchain-openai"}),
        "npm": frozenset({"openai", "@anthropic-ai/sdk"}),
        "cargo": frozenset({"async-openai"}),
        "go": frozenset({"github.com/sashabaranov/go-openai"}),
        "maven": frozenset({"com.openai:openai-java"}),
        "nuget": frozenset({"openai"}),
        "rubygems": frozenset({"ruby-openai"}),
        "composer": frozenset({"openai-php/client"}),
        "conda": frozenset({"openai"}),
    },
    frozenset({"OPENAI_API_KEY"}),
    {"api.openai.com", "contoso.openai.azure.com"}.__contains__,
)
PACKAGES = {
    "requirements.txt": ("openai[datalib]==1.2.3  # pinned\n", "openai", "1.2.3", How.LOCKED),
    "requirements-dev.in": ("LangChain_OpenAI>=0.1\n", "langchain-openai", "0.1", How.DECLARED),
    "pyproject.toml": ('[project]\nname="x"\ndependencies=["llama_index>=0.9; python_version>\'3\'"]', "llama-index", "0.9", How.DECLARED),
    "poetry.lock": ('[[package]]\nname = "openai"\nversion = "1.9"\n', "openai", "1.9", How.LOCKED),
    "uv.lock": ('version = 1\n[[package]]\nname = "openai"\nversion = "2.0"\n', "openai", "2.0", How.LOCKED),
    "Pipfile": ('[packages]\nopenai = "*"\n', "openai", "*", How.DECLARED),
    "Pipfile.lock": ('{"default": {"openai": {"version": "==1.1"}}}', "openai", "==1.1", How.LOCKED),
    "setup.py": ('setup(install_requires=["openai>=1.0"])', "openai", "1.0", How.DECLARED),
    "environment.yml": ("dependencies:\n  - python=3.11\n  - pip:\n    - openai==1.5\n", "openai", "1.5", How.LOCKED),
    "package.json": ('{"dependencies": {"@anthropic-ai/sdk": "^0.20"}}', "@anthropic-ai/sdk", "^0.20", How.DECLARED),
    "package-lock.json": ('{"packages": {"node_modules/a/node_modules/openai": {"version": "4.0"}}}', "openai", "4.0", How.LOCKED),
    "pnpm-lock.yaml": ("packages:\n\n  '@anthropic-ai/sdk@0.32.1(zod@3)':\n    resolution: {}\n", "@anthropic-ai/sdk", "0.32.1", How.LOCKED),
    "yarn.lock": ('"@anthropic-ai/sdk@^0.32", "@anthropic-ai/sdk@npm:^0.30":\n  version "0.32.1"\n', "@anthropic-ai/sdk", "0.32.1", How.LOCKED),
    "bun.lock": ('{"packages": {"openai": ["openai@4.1.0", "", {}]}}', "openai", "4.1.0", How.LOCKED),
    "Cargo.toml": ('[dependencies]\nasync-openai = { version = "0.20" }\n', "async-openai", "0.20", How.DECLARED),
    "Cargo.lock": ('[[package]]\nname = "async-openai"\nversion = "0.20.1"\n', "async-openai", "0.20.1", How.LOCKED),
    "go.mod": ("module x\nrequire (\n\tgithub.com/sashabaranov/go-openai v1.20.0\n)\n", "github.com/sashabaranov/go-openai", "v1.20.0", How.LOCKED),
    "pom.xml": ("<dependency><groupId>com.openai</groupId>\n <artifactId>openai-java</artifactId><version>1.0</version>", "com.openai:openai-java", "1.0", How.DECLARED),
    "build.gradle.kts": ('implementation("com.openai:openai-java:0.9")', "com.openai:openai-java", "0.9", How.DECLARED),
    "libs.versions.toml": ('[libraries]\nai = { module = "com.openai:openai-java", version.ref = "x" }', "com.openai:openai-java", "", How.DECLARED),
    "app.csproj": ('<PackageReference Include="OpenAI" Version="2.1.0" />', "openai", "2.1.0", How.DECLARED),
    "packages.lock.json": ('{"dependencies": {"net8.0": {"OpenAI": {"version": "x"}}}}', "openai", "x", How.LOCKED),
    "Gemfile": ('gem "ruby-openai", "~> 6"', "ruby-openai", "", How.DECLARED),
    "Gemfile.lock": ("GEM\n  specs:\n    ruby-openai (6.3.1)\n", "ruby-openai", "6.3.1", How.LOCKED),
    "composer.json": ('{"require": {"openai-php/client": "^0.8"}}', "openai-php/client", "^0.8", How.DECLARED),
    "composer.lock": ('{"packages": [{"name": "openai-php/client", "version": "v0.8"}]}', "openai-php/client", "v0.8", How.LOCKED),
    "Dockerfile": ("RUN apt-get update && pip install --no-cache-dir openai==1.3 && true", "openai", "1.3", How.DECLARED),
    "ci.yml": ("  - run: npm i -g @anthropic-ai/sdk@0.2\n", "@anthropic-ai/sdk", "", How.DECLARED),
}  # fmt: skip
IMPORTS = {
    "a.py": ("import os, openai as o\n", "pypi", "openai"),
    "b.py": ("from google.generativeai import configure\n", "pypi", "google-generativeai"),
    "c.py": ("    from llama_index.core import x\n", "pypi", "llama-index"),
    "a.ts": ('import Anthropic from "@anthropic-ai/sdk/resources";\n', "npm", "@anthropic-ai/sdk"),
    "a.cjs": ("const o = require('openai')\n", "npm", "openai"),
    "a.go": ('import (\n\to "github.com/sashabaranov/go-openai/jsonschema"\n)\n', "golang", "github.com/sashabaranov/go-openai"),
    "a.rs": ("use async_openai::Client;\n", "cargo", "async-openai"),
    "A.java": ("import com.openai.client.OpenAIClient;\n", "maven", "com.openai:openai-java"),
    "A.cs": ("using OpenAI.Chat;\n", "nuget", "openai"),
    "a.ipynb": (json.dumps({"cells": [{"source": ["import openai\n"]}]}), "pypi", "openai"),
}  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_a_manifest_names_its_packages(name: str) -> None:
    text, package, version, how = PACKAGES[name]
    found = {(c.value, c.version, c.how) for c in clues(name, text.encode(), KNOWN) if c.sign is Sign.PACKAGE}
    assert (package, version, how) in found


def test_every_manifest_has_an_example() -> None:
    tried = [pattern for pattern in READERS if any(re.fullmatch(pattern, name) for name in PACKAGES)]
    others = set(READERS) - set(tried)
    assert others == {r"(?:buildscript-)?gradle\.lockfile", r"packages\.config", r"Makefile|justfile|Jenkinsfile"}


@pytest.mark.parametrize("name", IMPORTS)
def test_an_import_is_use(name: str) -> None:
    text, ecosystem, package = IMPORTS[name]
    found = [c for c in clues(name, text.encode(), KNOWN) if c.how is How.IMPORTED]
    assert [(c.ecosystem, c.value) for c in found] == [(ecosystem, package)]


def test_what_only_looks_like_it_is_not() -> None:
    text = b"import openairinterface\nimport my_openai_helper\n# openai is a company\nx = 'notgpt-4o'\ny = 'https://api.openai.com.evil.example/'\n"
    assert list(clues("a.py", text, KNOWN)) == []


@pytest.mark.parametrize(
    ("line", "model"),
    [
        ('model="gpt-4o-mini-2024-07-18"', "gpt-4o-mini-2024-07-18"),
        ("model: claude-sonnet-4-20250514", "claude-sonnet-4-20250514"),
        ("MODEL = 'eu.anthropic.claude-3-5-sonnet-20240620-v1:0'", "eu.anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ('from_pretrained("meta-llama/Llama-3.1-8B-Instruct")', "meta-llama/Llama-3.1-8B-Instruct"),
        ("ollama run llama3.1:8b", "llama3.1:8b"),
        ('"text-embedding-3-small"', "text-embedding-3-small"),
    ],
)
def test_model_ids(line: str, model: str) -> None:
    assert model in {c.value for c in clues("x.py", line.encode(), KNOWN) if c.sign is Sign.MODEL}


def test_hosts_variables_and_images_with_their_lines() -> None:
    text = (
        "services:\n  llm:\n    image: ollama/ollama:0.3\n    environment:\n      OPENAI_API_KEY: ${X}\n"
        "      BASE: https://contoso.openai.azure.com/openai\n"
    )
    found = {(c.sign, c.value, c.line) for c in clues("compose.yaml", text.encode(), KNOWN)}
    assert found == {
        (Sign.IMAGE, "ollama/ollama", 3), (Sign.ENV, "OPENAI_API_KEY", 5), (Sign.HOST, "contoso.openai.azure.com", 6),
    }  # fmt: skip


@given(st.sampled_from([*PACKAGES, *IMPORTS]), st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
def test_any_bytes_at_all(name: str, data: bytes) -> None:
    list(clues(name, data, KNOWN))


@pytest.mark.parametrize(
    "name", ["pom.xml", "a.py", "package-lock.json", "yarn.lock", "a.ipynb", "Dockerfile", "setup.py"]
)
@pytest.mark.parametrize(
    "piece",
    [
        b"<groupId>",
        b"import ",
        b'{"dependencies":{"a":',
        b"a" * 99 + b"@",
        b'"',
        b"pip install ",
        b" ",
        b"gpt-4",
        b"A_",
    ],
)
def test_a_megabyte_of_the_same_ends(name: str, piece: bytes) -> None:
    list(clues(name, piece * (200_000 // len(piece)), KNOWN))


REPEATED = {
    "environment.yml": "\n",
    "go.mod": "\n",
    "Gemfile": "\n",
    "yarn.lock": "openai@1:\n" + "\n" * 300,
    "main.rs": "\n",
    "main.go": "import\n",
    "requirements.txt": "openai==1.0\n",
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_repeats_is_looked_at_once(name: str) -> None:
    """Half a mebibyte that an expression going back over line ends would read for hours."""
    data = (REPEATED[name] * (1 << 19))[: 1 << 19].encode()
    found = {clue.value for clue in clues(name, b"#" + b" " * (1 << 19) + b"\n" + data, KNOWN)}
    assert found == ({"openai"} if name == "requirements.txt" else set())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "number = " + "1" * 5000),
        ("Cargo.lock", "number = " + "1" * 5000),
        ("package-lock.json", '{"packages": {"node_modules/openai": {"version": ' + "[" * 900 + "]" * 900 + "}}}"),
    ],
)
def test_values_no_parser_likes_are_no_clues(name: str, text: str) -> None:
    assert {clue.version for clue in clues(name, text.encode(), KNOWN)} <= {""}
