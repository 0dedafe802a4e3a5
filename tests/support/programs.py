"""Programs of Debian's that tests hand a file to."""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {
    "named-checkzone": "bind9-utils",
    "unbound-checkconf": "unbound",
    "dnsmasq": "dnsmasq-base",
    "nft": "nftables",
    "unshare": "util-linux",
}


def program(name: str) -> str:
    """Where a program is. Without it people go on without the test; CI, which installs all, does not."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        why = f"{name} is not on this machine: apt-get install {PACKAGES.get(name, name)}"
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)  # As for a browser: nothing that `make` could install.
    return found
