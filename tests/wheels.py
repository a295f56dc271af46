"""The wheel of this checkout, and environments that have it: nothing is downloaded for that."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def build(kind, into):
    """A wheel or a source distribution of this checkout."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = into.iterdir()
    return built


def required_by(wheel):
    """The wheel's own requirements and theirs, without extras: names of what pip would install with it."""
    found = {}
    to_look_at = [wheel]
    while to_look_at:
        for requirement in to_look_at.pop().requires or ():
            name, marker = re.match(r"([\w.-]+)[^;]*;?(.*)", requirement).groups()
            name = re.sub(r"[-_.]+", "-", name).lower()  # one project is written in many ways
            if name in found or "extra" in marker:
                continue
            try:
                found[name] = importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:
                assert marker, f"{name} is required, but not installed here"  # else it is for other machines
            else:
                to_look_at.append(found[name])
    return list(found.values())


def borrow(libraries, site):
    """Put libraries of this environment into another one, so that nothing needs to be downloaded.

    Only these: what the wheel forgets to require is not there.
    """
    for library in libraries:
        for top in {file.parts[0] for file in library.files} - {"..", "__pycache__"}:
            (site / top).symlink_to(Path(library.locate_file(top)).resolve())


def install(wheel, environment):
    """Make a fresh environment that has the wheel and what it requires. Returns the directory of its programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, capture_output=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")),
            *("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)),
        ],
        check=True,
        capture_output=True,
    )
    (site,) = environment.glob("lib/python*/site-packages")
    (metadata,) = site.glob("pexen_state-*.dist-info")
    borrow(required_by(importlib.metadata.Distribution.at(metadata)), site)
    return environment / "bin"
