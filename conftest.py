"""What all tests share: how hypothesis searches, one core a process, compiled modules. pyproject.toml keeps them off
the network."""

from __future__ import annotations

import os
import sys

from hypothesis import HealthCheck, settings

# Two processes of tests with two threads each wait for each other most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Commands that tests start by the hundred would each compile all of Bartizan anew where a machine asks for that.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# No deadline: two cores shared by eight workers make any single example slow once.
settings.register_profile("bartizan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bartizan")
