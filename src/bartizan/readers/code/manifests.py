"""Manifests and lock files of the common ecosystems: which packages a project names.

Formats with nesting of their own (TOML, JSON) are parsed, the rest is read line by line: a project file of Maven or a
lock file of pnpm may be hostile, and an XML or YAML parser would be one more thing to attack.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bartizan.readers.code.clue import How

MAX_PACKAGES = 100_000  # of one file
MAX_DEPTH = 40
Package = tuple[str, str, str, How]  # (ecosystem, name, version, how)

BROKEN = "packages: it is not written as its name says"
TOO_MANY = f"packages, beyond {MAX_PACKAGES:,}"

REQUIREMENT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]{0,100})\s{0,9}(?:\[[^\]\n]{0,200}\])?\s{0,9}(?:[=~><!]=?=?\s{0,9}([\w.*+!-]{1,60}))?"
)
QUOTED = re.compile(
    r"[\"']([A-Za-z0-9][A-Za-z0-9._-]{1,100}(?:\[[^\]\"'\n]{0,200}\])?(?:\s?[=~><!]=?=?[^\"'\n]{0,60})?)[\"']"
)
CONDA = re.compile(
    r"^[ \t]{0,99}-[ \t]{0,9}[\"']?(?:[\w.-]{1,60}::)?([A-Za-z0-9][\w.-]{0,100})"
    r"(?:\[[^\]\n]{0,200}\])?\s?(?:[=~><!]{1,3}\s?([\w.*+!-]{1,60}))?",
    re.M,
)
PNPM = re.compile(
    r"^[ \t]{2,6}['\"]?/?(@[\w.-]{1,100}/[\w.-]{1,100}|[\w.-]{1,100})[@/](\d[\w.+-]{0,60})[^:\n]{0,400}:", re.M
)
YARN = re.compile(
    r"^\"?(@[\w.-]{1,100}/[\w.-]{1,100}|[\w.-]{1,100})@[^\n]{0,400}:[ \t\r]{0,9}\n"
    r"[ \t]{1,9}version:?[ \t]{1,9}\"?([\w.+-]{1,60})",
    re.M,
)
BUN = re.compile(r"\[\s?\"(@[\w.-]{1,100}/[\w.-]{1,100}|[\w.-]{1,100})@([\w.+-]{1,60})\"")
GO = re.compile(
    r"^[ \t]{0,99}(?:require[ \t]{1,9})?([\w.-]{1,100}\.[\w.-]{1,60}/[\w./~-]{1,200})[ \t]{1,9}(v[\w.+-]{1,80})", re.M
)
POM = re.compile(
    r"<groupId>\s{0,99}([\w.-]{1,100})\s{0,99}</groupId>\s{0,200}<artifactId>\s{0,99}([\w.-]{1,100})\s{0,99}</artifactId>(?:\s{0,200}<version>\s{0,99}([^<\s]{1,60}))?"
)
GRADLE = re.compile(r"[\"']([\w.-]{1,100}):([\w.-]{1,100})(?::([\w.+-]{1,60}))?(?:@\w+)?[\"']")
GRADLE_LOCK = re.compile(r"^([\w.-]{1,100}):([\w.-]{1,100}):([\w.+-]{1,60})=", re.M)
NUGET = re.compile(
    r"<Package(?:Reference|Version|Download)\s[^>]{0,400}?(?:Include|Update)\s?=\s?\"([\w.-]{1,100})\"(?:[^>]{0,400}?Version\s?=\s?\"([^\"]{1,60})\")?",
    re.I,
)
NUGET_OLD = re.compile(
    r"<package\s[^>]{0,400}?id\s?=\s?\"([\w.-]{1,100})\"(?:[^>]{0,400}?version\s?=\s?\"([^\"]{1,60})\")?", re.I
)
GEM = re.compile(
    r"^[ \t]{0,99}(?:gem|\w{1,40}\.add_(?:runtime_|development_)?dependency)[\s(]\s?[\"']([\w.-]{1,100})[\"']", re.M
)
GEM_LOCK = re.compile(r"^ {4}([\w.-]{1,100}) \(([\w.+-]{1,60})\)$", re.M)
INSTALLS = re.compile(
    r"(?P<pypi>\b(?:pip3?|uv(?: pip)?|pipx|poetry|pdm)\s+(?:install|add)\b)"
    r"|(?P<npm>\b(?:npm|pnpm|yarn|bun)\s+(?:install|add|i)\b)"
    r"|(?P<cargo>\bcargo\s+(?:install|add)\b)|(?P<go>\bgo\s+(?:install|get)\b)"
)


class _Broken(Exception):
    """A file that is no TOML or JSON, or nested beyond reason."""


def requirements(text: str) -> Iterator[Package]:
    """pip's requirements.txt and constraints."""
    for line in text.splitlines():
        line = line.strip()
        if line and line[0] not in "#-/." and (found := REQUIREMENT.match(line)):
            yield "pypi", found[1], found[2] or "", How.LOCKED if "==" in line else How.DECLARED


def _required(items: object) -> Iterator[Package]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, str) and (found := REQUIREMENT.match(item)):
            yield "pypi", found[1], found[2] or "", How.DECLARED


def _keys(ecosystem: str, table: object, how: How = How.DECLARED) -> Iterator[Package]:
    """A table whose keys are packages and whose values are versions, or tables with one."""
    for name, value in table.items() if isinstance(table, dict) else ():
        version = value.get("version", "") if isinstance(value, dict) else value
        yield ecosystem, str(name), version if isinstance(version, str) else "", how


def _version(row: Mapping[str, Any]) -> str:  # Any: what its author wrote
    version = row.get("version")
    return version if isinstance(version, str) else ""


def _tables(value: object, *path: str) -> Iterator[object]:
    """What lies at a path of keys; `*` goes through all."""
    if not path:
        yield value
    elif isinstance(value, dict):
        for key in list(value) if path[0] == "*" else [path[0]] if path[0] in value else []:
            yield from _tables(value[key], *path[1:])


LISTED: tuple[tuple[str, ...], ...] = (
    ("project", "dependencies"),
    ("project", "optional-dependencies", "*"),
    ("dependency-groups", "*"),
    ("tool", "uv", "dev-dependencies"),
    ("tool", "pdm", "dev-dependencies", "*"),
)
KEYED: tuple[tuple[str, ...], ...] = (
    ("tool", "poetry", "dependencies"),
    ("tool", "poetry", "dev-dependencies"),
    ("tool", "poetry", "group", "*", "dependencies"),
)


def _toml(text: str) -> dict[str, Any]:  # Any: TOML is what its author wrote
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):  # A number of 5,000 digits is a ValueError of its own.
        raise _Broken from None


def _json(text: str) -> Any:  # Any: JSON is what its author wrote
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _Broken from None


def pyproject(text: str) -> Iterator[Package]:
    """PEP 621, PEP 735, Poetry, uv and PDM in one file."""
    made = _toml(text)
    for path in LISTED:
        for items in _tables(made, *path):
            yield from _required(items)
    for path in KEYED:
        for table in _tables(made, *path):
            yield from _keys("pypi", table)


def _locked(ecosystem: str, *keys: str) -> Callable[[str], Iterator[Package]]:
    """A TOML lock file with an array of packages."""

    def read(text: str) -> Iterator[Package]:
        made = _toml(text)
        for key in keys:
            rows = made.get(key)
            for row in rows if isinstance(rows, list) else ():
                if isinstance(row, dict) and isinstance(row.get("name"), str):
                    yield ecosystem, row["name"], _version(row), How.LOCKED

    return read


def _at(
    ecosystem: str, load: Callable[[str], Any], how: How, *paths: tuple[str, ...]
) -> Callable[[str], Iterator[Package]]:
    """Tables of packages at paths of a parsed file."""

    def read(text: str) -> Iterator[Package]:
        made = load(text)
        for path in paths:
            for table in _tables(made, *path):
                yield from _keys(ecosystem, table, how)

    return read


def _by(ecosystem: str, expression: re.Pattern[str], how: How) -> Callable[[str], Iterator[Package]]:
    """(name, version) by an expression."""

    def read(text: str) -> Iterator[Package]:
        for found in expression.finditer(text):
            groups = found.groups()
            yield ecosystem, groups[0], (groups[1] if len(groups) > 1 else "") or "", how

    return read


def _maven(expression: re.Pattern[str], how: How) -> Callable[[str], Iterator[Package]]:
    def read(text: str) -> Iterator[Package]:
        for found in expression.finditer(text):
            yield "maven", f"{found[1]}:{found[2]}", found[3] or "", how

    return read


def npm_lock(text: str) -> Iterator[Package]:
    """package-lock.json and npm-shrinkwrap.json, versions 1 to 3."""
    made = _json(text)
    if not isinstance(made, dict):
        return
    packages = made.get("packages")
    for path, row in packages.items() if isinstance(packages, dict) else ():
        name = str(path).rpartition("node_modules/")[2]
        if name and isinstance(row, dict):
            yield "npm", name, _version(row), How.LOCKED
    waiting = [(made.get("dependencies"), 0)]
    while waiting:
        table, depth = waiting.pop()
        for name, row in table.items() if isinstance(table, dict) else ():
            if isinstance(row, dict):
                yield "npm", str(name), _version(row), How.LOCKED
                if depth < MAX_DEPTH:
                    waiting.append((row.get("dependencies"), depth + 1))


def conda(text: str) -> Iterator[Package]:
    """environment.yml; what stands below `pip:` is Python's own, so that each name counts for both."""
    for found in CONDA.finditer(text):
        how = How.LOCKED if found[2] else How.DECLARED
        yield "conda", found[1], found[2] or "", how
        yield "pypi", found[1], found[2] or "", how


def setup(text: str) -> Iterator[Package]:
    """setup.py and setup.cfg, whatever way they list requirements."""
    for found in QUOTED.finditer(text):
        yield from _required([found[1]])
    for line in text.splitlines():
        if line.startswith((" ", "\t")):
            yield from _required([line.strip()])


def versions_toml(text: str) -> Iterator[Package]:
    """Gradle's version catalogue."""
    for table in _tables(_toml(text), "libraries", "*"):
        if isinstance(table, str):
            name = ":".join(table.split(":")[:2])
        elif isinstance(table, dict):
            name = str(table.get("module") or f"{table.get('group')}:{table.get('name')}")
        else:
            continue
        yield "maven", name, "", How.DECLARED


def composer_lock(text: str) -> Iterator[Package]:
    """composer.lock."""
    made = _json(text)
    for key in ("packages", "packages-dev"):
        rows = made.get(key) if isinstance(made, dict) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("name"), str):
                yield "composer", row["name"], _version(row), How.LOCKED


def installed(text: str) -> Iterator[Package]:
    """Install commands in container files, scripts and pipelines."""
    for line in text.splitlines():
        for found in INSTALLS.finditer(line[:4000]):
            rest = re.split(r"&&|\|\||;|\|", line[found.end() : 4000])[0]
            for word in rest.split()[:200]:
                word = word.strip("\"'\\")
                if word.startswith("-") or not word:
                    continue
                if found.lastgroup == "npm":
                    name = word if word.count("@") < 1 + word.startswith("@") else word.rpartition("@")[0]
                    yield "npm", name, "", How.DECLARED
                elif found.lastgroup == "pypi" and (one := REQUIREMENT.match(word)):
                    yield "pypi", one[1], one[2] or "", How.DECLARED
                elif found.lastgroup in ("cargo", "go"):
                    yield found.lastgroup, word.partition("@")[0], "", How.DECLARED


_NPM = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
_CARGO = ("dependencies", "dev-dependencies", "build-dependencies")
_CARGO_PATHS = [path for kind in _CARGO for path in ((kind,), ("target", "*", kind), ("workspace", kind))]
READERS: Mapping[str, Callable[[str], Iterator[Package]]] = {
    r"(?:.*[-_.])?(?:requirements|constraints)[\w.-]*\.(?:txt|in)": requirements,
    r"pyproject\.toml": pyproject,
    r"setup\.(?:py|cfg)": setup,
    r"Pipfile": _at("pypi", _toml, How.DECLARED, ("packages",), ("dev-packages",)),
    r"Pipfile\.lock": _at("pypi", _json, How.LOCKED, ("default",), ("develop",)),
    r"(?:poetry|uv|pdm)\.lock|pylock[\w.-]*\.toml": _locked("pypi", "package", "packages"),
    r"environment[\w.-]*\.ya?ml|conda[\w.-]*\.ya?ml": conda,
    r"package\.json": _at("npm", _json, How.DECLARED, *((key,) for key in _NPM)),
    r"package-lock\.json|npm-shrinkwrap\.json": npm_lock,
    r"pnpm-lock\.yaml": _by("npm", PNPM, How.LOCKED),
    r"yarn\.lock": _by("npm", YARN, How.LOCKED),
    r"bun\.lock": _by("npm", BUN, How.LOCKED),
    r"Cargo\.toml": _at("cargo", _toml, How.DECLARED, *_CARGO_PATHS),
    r"Cargo\.lock": _locked("cargo", "package"),
    r"go\.mod": _by("go", GO, How.LOCKED),
    r"pom\.xml|[\w.-]+\.pom": _maven(POM, How.DECLARED),
    r"[\w.-]*\.gradle(?:\.kts)?": _maven(GRADLE, How.DECLARED),
    r"(?:buildscript-)?gradle\.lockfile": _maven(GRADLE_LOCK, How.LOCKED),
    r"[\w.-]*\.versions\.toml": versions_toml,
    r"[\w.-]+\.(?:cs|fs|vb)proj|Directory\.(?:Packages|Build)\.(?:props|targets)": _by("nuget", NUGET, How.DECLARED),
    r"packages\.config": _by("nuget", NUGET_OLD, How.LOCKED),
    r"packages\.lock\.json": _at("nuget", _json, How.LOCKED, ("dependencies", "*")),
    r"Gemfile|[\w.-]+\.gemspec": _by("rubygems", GEM, How.DECLARED),
    r"Gemfile\.lock": _by("rubygems", GEM_LOCK, How.LOCKED),
    r"composer\.json": _at("composer", _json, How.DECLARED, ("require",), ("require-dev",)),
    r"composer\.lock": composer_lock,
    r"(?:[\w.-]*[Dd]ocker|[Cc]ontainer)[Ff]ile[\w.-]*|[\w.-]*\.(?:dockerfile|sh|bash|ya?ml|ps1)": installed,
    r"Makefile|justfile|Jenkinsfile": installed,
}  # fmt: skip
_COMPILED = [(re.compile(pattern), read) for pattern, read in READERS.items()]


def packages(name: str, text: str, missed: set[str]) -> Iterator[Package]:
    """The packages that a file of this name lists, at most MAX_PACKAGES; none where it is no manifest.

    `missed` takes why there may be more.
    """
    left = MAX_PACKAGES
    for pattern, read in _COMPILED:
        if pattern.fullmatch(name):
            try:
                for package in read(text):
                    left -= 1
                    if left < 0:
                        missed.add(TOO_MANY)
                        return
                    yield package
            except _Broken:
                missed.add(BROKEN)
