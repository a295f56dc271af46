"""Describes the machine, without saying whose it is."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from scripts.benchmark.environments import ROOT


def facts() -> dict[str, str]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": f"{len(os.sched_getaffinity(0))} cores, {_processor()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{_distribution()}, Linux {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "pexen_state": _version(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _version() -> str:
    found = re.search(r'__version__ = "(.+)"', (ROOT / "pexen_state/__init__.py").read_text())
    return found[1] if found else "?"
