"""Source code, configuration and notebooks: imports, model ids, hosts, names of environment variables, images."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from bartizan import rules
from bartizan.readers.code.clue import Clue, How, Known, Sign, normal
from bartizan.readers.code.manifests import packages

MAX_CLUES = 5000  # of one file; more of the same tells nothing new
TOO_MANY = f"signs, beyond {MAX_CLUES:,}"
PURL = {"go": "golang", "rubygems": "gem"}

PYTHON = re.compile(
    r"^[ \t]{0,40}(?:from[ \t]{1,9}([\w.]{1,200})[ \t]{1,9}import|import[ \t]{1,9}([\w., \t]{1,300}))", re.M
)
SCRIPT = re.compile(r"(?:\bfrom|\brequire\(|\bimport\(|\bimport)\s{0,9}[\"']([@\w][\w./@-]{0,200})[\"']")
GO = re.compile(
    r"^[ \t]{0,40}(?:import[ \t]{1,9})?(?:[\w.]{1,60}[ \t]{1,9})?\"([\w.-]{1,100}\.[\w.-]{1,60}/[\w./~-]{1,200})\"",
    re.M,
)
RUST = re.compile(r"^[ \t]{0,40}(?:pub[ \t]{1,9})?(?:use|extern[ \t]{1,9}crate)[ \t]{1,9}(?:::)?(\w{1,100})", re.M)
JVM = re.compile(r"^[ \t]{0,40}import[ \t]{1,9}(?:static[ \t]{1,9})?([\w.]{1,200})", re.M)
DOTNET = re.compile(
    r"^[ \t]{0,40}(?:global[ \t]{1,9})?using[ \t]{1,9}(?:static[ \t]{1,9})?(?:\w{1,60}\s?=\s?)?([\w.]{1,200})\s?;", re.M
)
RUBY = re.compile(r"^[ \t]{0,40}require[ \t]{1,9}[\"']([\w./-]{1,100})[\"']", re.M)
HOST = re.compile(r"(?<![\w@.-])(?:https?|wss?)://(?:[^\s/@\"'<>]{0,100}@)?([\w-]{1,63}(?:\.[\w-]{1,63}){1,10})")
BARE = re.compile(r"(?<=[\"'=:\s])([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,6}\.[a-z]{2,20})(?=[\"'/:\s]|\Z)")
ENV = re.compile(r"(?<![A-Za-z0-9_])([A-Z][A-Z0-9]{1,40}(?:_[A-Z0-9]{1,40}){1,8})(?![A-Za-z0-9_])")
IMAGE = re.compile(
    r"^[ \t]{0,40}(?:FROM[ \t]{1,9}(?:--\S{1,80}[ \t]{1,9})?|-?[ \t]?image:[ \t]{0,9}[\"']?)"
    r"([\w./-]{1,200})(?::[\w.-]{1,100})?",
    re.M,
)


@lru_cache(maxsize=1)
def _known_words() -> tuple[re.Pattern[str], tuple[tuple[str, str, str], ...], tuple[str, ...]]:
    """(model ids, (language, import prefix, package), images), from what is packaged beside this module."""
    told = rules.load("bartizan.readers.code", "words.toml")
    models = "|".join(told["models"]["patterns"])
    imports = tuple((row["language"], row["prefix"], row["package"]) for row in told["imports"])
    # An id stands alone: in quotes, behind a key that says model, or as a value of its own.
    return re.compile(rf"(?<![\w./@-])({models})(?![\w./-]*[\w/-])"), imports, tuple(told["images"]["names"])


def text_of(name: str, data: bytes) -> str:
    """A file as text; of a notebook its cells. "" for what is binary."""
    if b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = data.decode(encoding, "replace")
    if not name.endswith(".ipynb"):
        return text
    try:
        cells = json.loads(text).get("cells", [])
        return "\n".join("".join(cell.get("source", "")) for cell in cells)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return text


def clues(name: str, data: bytes, known: Known, missed: set[str] | None = None) -> Iterator[Clue]:
    """Every clue of one file, in no particular order, each once, at most MAX_CLUES. Never raises on what it holds.

    Args:
        missed: Takes what could not be looked at.
    """
    missed = set() if missed is None else missed
    text = text_of(name, data)
    if not text:
        return
    lines = _Lines(text)
    seen: set[tuple[Sign, str, How]] = set()
    for clue in _all(name, text, known, lines, missed):
        key = (clue.sign, f"{clue.ecosystem}:{clue.value}", clue.how)
        if key not in seen:
            seen.add(key)
            yield clue
            if len(seen) == MAX_CLUES:
                missed.add(TOO_MANY)
                return


class _Lines:
    """Line numbers of places in a text, asked in any order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._line = 0

    def of(self, place: int) -> int:
        if place < self._at:
            self._at = self._line = 0
        self._line += self._text.count("\n", self._at, place)
        self._at = place
        return self._line + 1


def _all(name: str, text: str, known: Known, lines: _Lines, missed: set[str]) -> Iterator[Clue]:
    first: dict[str, int] = {}
    for ecosystem, package, version, how in packages(name, text, missed):
        if known.package(ecosystem, package):
            if package not in first:  # A file may name one package 100,000 times.
                place = text.find(package)
                first[package] = lines.of(place) if place >= 0 else 0
            yield Clue(
                Sign.PACKAGE, normal(ecosystem, package), how, first[package],
                PURL.get(ecosystem, ecosystem), version[:60],
            )  # fmt: skip
    for place, ecosystem, package in _imports(name, text, known):
        purl = PURL.get(ecosystem, ecosystem)
        yield Clue(Sign.PACKAGE, normal(ecosystem, package), How.IMPORTED, lines.of(place), purl)
    models, _, images = _known_words()
    for found in models.finditer(text):
        yield Clue(Sign.MODEL, found[1], How.USED, lines.of(found.start()))
    for expression in (HOST, BARE):
        for found in expression.finditer(text):
            host = found[1].lower().rstrip(".")
            if known.host(host):
                yield Clue(Sign.HOST, host, How.USED, lines.of(found.start(1)))
    for found in ENV.finditer(text):
        if found[1] in known.env:
            yield Clue(Sign.ENV, found[1], How.USED, lines.of(found.start(1)))
    for found in IMAGE.finditer(text):
        image = found[1].lower()
        if any(image == one or image.endswith("/" + one) or image.startswith(one + "/") for one in images):
            yield Clue(Sign.IMAGE, image, How.DECLARED, lines.of(found.start(1)))


Found = tuple[int, str, str]  # (place, ecosystem, package)


def _imports(name: str, text: str, known: Known) -> Iterator[Found]:
    suffix = name.rpartition(".")[2].lower()
    for suffixes, language, read in LANGUAGES:
        if suffix in suffixes:
            yield from read(text, known)
            yield from _prefixed(language, read, text)


def _prefixed(language: str, read: Reads, text: str) -> Iterator[Found]:
    """Imports whose name is not their package's: those in words.toml."""
    _, imports, _ = _known_words()
    rows = [(prefix, package) for lang, prefix, package in imports if lang == language]
    for place, ecosystem, module in read(text, None) if rows else ():
        for prefix, package in rows:
            if module == prefix or module.startswith((prefix + ".", prefix + "/")):
                yield place, ecosystem, package


def _python(text: str, known: Known | None) -> Iterator[Found]:
    for found in PYTHON.finditer(text):
        for module in (found[1] or found[2]).split(","):
            module = module.strip().split(" ")[0]
            if known is None:
                yield found.start(), "pypi", module
                continue
            parts = module.split(".")
            for count in (3, 2, 1):
                if known.package("pypi", "-".join(parts[:count])):
                    yield found.start(), "pypi", "-".join(parts[:count])
                    break


def _script(text: str, known: Known | None) -> Iterator[Found]:
    for found in SCRIPT.finditer(text):
        parts = found[1].split("/")
        package = "/".join(parts[: 2 if found[1].startswith("@") else 1])
        if known is None or known.package("npm", package):
            yield found.start(), "npm", found[1] if known is None else package


def _go(text: str, known: Known | None) -> Iterator[Found]:
    for found in GO.finditer(text):
        if known is None:
            yield found.start(), "go", found[1]
            continue
        parts = found[1].split("/")
        for count in range(len(parts), 1, -1):
            if known.package("go", "/".join(parts[:count])):
                yield found.start(), "go", "/".join(parts[:count])
                break


def _simple(expression: re.Pattern[str], ecosystem: str) -> Reads:
    """Languages whose imports are names of packages, or of parts of one."""

    def read(text: str, known: Known | None) -> Iterator[Found]:
        for found in expression.finditer(text):
            module = found[1]
            if known is None:
                yield found.start(), ecosystem, module
                continue
            for one in (module, module.replace("_", "-"), module.rpartition(".")[0], module.split("/")[0]):
                if one and known.package(ecosystem, one):
                    yield found.start(), ecosystem, one
                    break

    return read


Reads = Callable[[str, Known | None], Iterator[Found]]
LANGUAGES: tuple[tuple[frozenset[str], str, Reads], ...] = (
    (frozenset({"py", "pyi", "ipynb"}), "python", _python),
    (frozenset({"js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte"}), "javascript", _script),
    (frozenset({"go"}), "go", _go),
    (frozenset({"rs"}), "rust", _simple(RUST, "cargo")),
    (frozenset({"java", "kt", "kts", "scala", "groovy"}), "jvm", _simple(JVM, "maven")),
    (frozenset({"cs", "fs", "vb"}), "dotnet", _simple(DOTNET, "nuget")),
    (frozenset({"rb"}), "ruby", _simple(RUBY, "rubygems")),
)
