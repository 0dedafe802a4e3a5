"""What `bartizan/__init__.py` lists is the public surface, all of it, and importing it loads nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

import bartizan

HEAVY = {
    "aiohttp", "alembic", "click", "cryptography", "hyperscan", "orjson", "phonenumbers", "rich", "ruamel",
    "sqlalchemy", "sqlite3", "uvicorn", "asyncio",
}  # fmt: skip
LINES = """
import sys, time
{0}
print(time.process_time())
print(*sorted({{name.partition('.')[0] for name in sys.modules}}))
"""


def loaded(code):
    run = subprocess.run([sys.executable, "-c", LINES.format(code)], capture_output=True, text=True, check=True)
    *_, cpu_s, modules = run.stdout.splitlines()
    return float(cpu_s), set(modules.split())


def test_there_are_at_most_fifteen_names():
    assert bartizan.__all__ == [
        "judge", "ajudge", "admit", "assess", "Assessment", "Action", "Decision", "Edit", "Finding", "Failure",
        "Place", "Severity", "Context", "BartizanError", "Refused",
    ]  # fmt: skip
    assert len(set(bartizan.__all__)) <= 15


@pytest.mark.parametrize("name", bartizan.__all__)
def test_every_name_is_there_and_says_what_it_is(name):
    assert getattr(bartizan, name).__doc__


def test_what_is_listed_is_what_is_shown():
    assert set(dir(bartizan)) == {*bartizan.__all__, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'scanner'"):
        bartizan.scanner  # noqa: B018


def test_importing_it_loads_nothing_heavy():
    _, modules = loaded("import bartizan")
    assert not modules & HEAVY


def test_the_nouns_need_the_standard_library_alone():
    _, modules = loaded(
        "from bartizan import Action, Context, Decision, Edit, Failure, Finding, Place, Refused, Severity"
    )
    assert not modules & HEAVY


def test_help_loads_no_door_and_is_quick():
    cpu_s, modules = loaded("from bartizan.__main__ import main; main(['--help'])")
    assert not modules & (HEAVY - {"click"})
    assert cpu_s < 0.3  # 0.07 measured; twice the promise, for a machine that is busy.


def test_every_command_is_where_it_is_said_to_be():
    from bartizan.__main__ import COMMANDS, bartizan

    source = Path(sys.modules["bartizan"].__file__).parent
    for name, (where, summary) in COMMANDS.items():
        module = where.partition(":")[0].removeprefix("bartizan.").replace(".", "/")
        assert (source / f"{module}.py").exists() or (source / module / "__init__.py").exists(), name
        assert summary.endswith("."), name
        assert bartizan.get_command(None, name) is not None
    assert bartizan.get_command(None, "no-such-command") is None
