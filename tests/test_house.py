"""The house keeps its own rules: what a reviewer would otherwise have to remember."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "bartizan"
MAX_FILE_BYTES = 512 * 1024  # Nothing large lives in git: data is compressed, fixtures are made.
MAX_MODULE_LINES = 600  # Past about 400 lines a module is usually two ideas; this is where asking ends.
NAMELESS = {"utils", "util", "helpers", "common", "misc", "base", "manager", "handler", "service", "commons"}

# Where a developer's machine shows: home folders, work trees, private package indexes.
MACHINE = re.compile(r"(?<![\w.])/(?:home|Users)/[a-z]\w*/|(?<![\w./~-])/(?:work|workspace|root)/\w")
REGISTRY = re.compile(
    r"--(?:extra-)?index-url[ =]|(?:artifactory|nexus|devpi|jfrog)\.[a-z]|files\.pythonhosted\.org|pypi\.org/simple"
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")


def tracked() -> list[Path]:
    """The files of the repository: what git knows where there is a git, else what lies there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    ).stdout.split("\0")  # fmt: skip
    files = [ROOT / name for name in listed if name]
    return [path for path in files if path.is_file()] or [p for p in SOURCE.rglob("*") if p.is_file()]


FILES = tracked()
TEXTS = [path for path in FILES if path.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".in", ".sh", ""}]
MODULES = [path for path in FILES if path.suffix == ".py" and path.is_relative_to(SOURCE)]
PRODUCT = [path for path in MODULES if "tests" not in path.parts]


def shown(paths: list[Path]) -> list[str]:
    """Paths as a person looks for them."""
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def matching(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """file:line of every match."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_machine() -> None:
    assert matching(MACHINE, TEXTS) == []


def test_no_file_names_a_package_index() -> None:
    assert matching(REGISTRY, TEXTS) == []


def test_nothing_is_left_for_later() -> None:
    assert matching(UNFINISHED, TEXTS) == []


def test_files_are_small() -> None:
    assert shown([path for path in FILES if path.stat().st_size > MAX_FILE_BYTES]) == []


def test_modules_are_named_after_a_noun() -> None:
    assert shown([path for path in PRODUCT if {path.stem, *path.relative_to(SOURCE).parts} & NAMELESS]) == []


def test_modules_are_one_idea_long() -> None:
    assert shown([path for path in PRODUCT if len(path.read_text("utf-8").splitlines()) > MAX_MODULE_LINES]) == []


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def test_every_module_says_what_it_is() -> None:
    assert shown([path for path in MODULES if not ast.get_docstring(parsed(path))]) == []


def test_tests_lie_beside_the_code_and_are_no_package() -> None:
    """A folder of tests without `__init__.py` stays out of imports, and so out of the wheel."""
    assert shown([path for path in FILES if path.name == "__init__.py" and "tests" in path.parts]) == []


def swallowed(tree: ast.AST) -> list[int]:
    """Lines on which an exception of any kind is caught and not raised again."""
    broad = {"Exception", "BaseException"}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
        and (node.type is None or any(isinstance(one, ast.Name) and one.id in broad for one in ast.walk(node.type)))
    ]


def test_one_place_catches_everything() -> None:
    """A broken detector must not become a hole: the loop answers for it. Everything else catches what it expects."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in PRODUCT
        if path != SOURCE / "loop.py"
        for line in swallowed(parsed(path))
    ]
    assert found == []
    assert len(swallowed(parsed(SOURCE / "loop.py"))) == 1


def test_our_own_code_is_never_mocked() -> None:
    """And nothing is skipped, but where a browser or a program of Debian's is absent: `make` cannot install one."""
    mocks = re.compile(r"unittest[.]mock|import mock|mocker\b|pytest[.]mark[.]skip|pytest[.]skip\(")
    absent = {ROOT / "tests" / "browser" / "conftest.py", ROOT / "tests" / "support" / "programs.py"}
    tests = [path for path in FILES if path.suffix == ".py" and "tests" in path.parts and path not in absent]
    assert matching(mocks, tests) == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as `pip install .` makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == 0, made.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_has_no_tests(wheel: zipfile.ZipFile) -> None:
    assert [name for name in wheel.namelist() if "/tests/" in name or Path(name).name.startswith("test_")] == []


def test_the_wheel_has_all_data(wheel: zipfile.ZipFile) -> None:
    """Rules are data: a table that stays behind is a detector that looks for nothing."""
    data = [path for path in FILES if path.is_relative_to(SOURCE) and path.suffix in {".toml", ".yaml", ".mako"}]
    inside = set(wheel.namelist())
    wanted = [path for path in data if "tests" not in path.parts]
    assert [path for path in shown(wanted) if path.removeprefix("src/") not in inside] == []
