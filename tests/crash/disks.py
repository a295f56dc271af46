"""Small file systems to be filled, or to fail, for one test each; and why there are none here.

They are mounted where the test is, and in no namespace of their own: sessions come from a nursery that is there before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_BYTES = 16 << 20


def _tried(*words: str | Path) -> None:
    """Run it, or skip the test with what it said."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    if shutil.which(str(words[0])) is None:
        pytest.skip(f"there is no {words[0]} here")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{words[0]} does not work here: {done.stderr.strip()}")


@contextmanager
def tmpfs(place: Path) -> Iterator[Path]:
    place.mkdir()
    _tried("mount", "-t", "tmpfs", "-o", f"size={_BYTES}", "tmpfs", place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def ext4(place: Path) -> Iterator[Path]:
    """In a file beside `place`."""
    place.mkdir()
    image = place.with_name(f"{place.name}.img")
    image.write_bytes(b"")
    os.truncate(image, _BYTES)
    _tried("mkfs.ext4", "-q", "-F", "-m", "0", image)
    mount_again(place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=False)  # a test may have done so
        with suppress(FileNotFoundError):
            image.unlink()


def mount_again(place: Path) -> None:
    _tried("mount", "-o", "loop", place.with_name(f"{place.name}.img"), place)


def fail(place: Path) -> None:
    """As after an error of the disk: the file system turns read-only under those who write."""
    subprocess.run(["mount", "-o", "remount,abort", place], check=True, capture_output=True)


def fill(place: Path, leave: int = 0) -> None:
    """Until there is room for so many bytes."""
    with open(place / "ballast", "ab", buffering=0) as ballast:
        while (free := os.statvfs(place).f_bavail * os.statvfs(place).f_frsize) > leave:
            try:
                ballast.write(bytes(min(free - leave, 1 << 16)))
            except OSError:
                return  # what is left cannot be had by anybody


def clear(place: Path) -> None:
    (place / "ballast").unlink()
