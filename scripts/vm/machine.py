"""A box in qemu: it boots an image, its serial console is written down, its power can be cut.

What is in memory when the box reboots or panics is there in its next boot, as in a real one: the memory is a file. So
the guest's kernel can keep its last words in a part of it (pstore, by ramoops).
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from pathlib import Path

#: The guest leaves this much memory alone, at this address, for the last words of its kernel (scripts/vm/image).
KEPT, KEPT_AT = "1M", "0x20000000"


class Machine:
    """One boot. qemu ends when the guest reboots, panics (it is told to reboot then) or is switched off."""

    def __init__(self, directory: Path, image: Path, memory: Path, log: Path) -> None:
        self._memory = memory
        kernel = "root=/dev/vda rw console=ttyS0,115200 quiet loglevel=4 panic=1 mitigations=off nokaslr no_timer_check"
        words = [
            "qemu-system-x86_64", "-M", "q35,memory-backend=memory", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-object", f"memory-backend-file,id=memory,size=768M,mem-path={memory},share=on", "-m", "768M", "-smp", "2",
            "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
            "-kernel", str(directory / "vmlinuz"), "-initrd", str(directory / "initrd.img"),
            "-drive", f"file={image},format=raw,if=virtio,cache=writeback", "-device", "virtio-rng-pci",
            "-append", f"{kernel} tsc=reliable systemd.show_status=0 memmap={KEPT}${KEPT_AT}",
        ]  # fmt: skip
        self.lines: list[str] = []
        self.seconds = 0.0  # that it lived
        self._more = threading.Condition()
        self._is_over = False
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._began = time.monotonic()
        self._qemu = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._qemu.stdout is not None
        for raw in self._qemu.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            with self._more:
                self.lines.append(line)
                self._log.write(f"{time.monotonic() - self._began:8.2f} {line}\n")
                self._more.notify_all()
        with self._more:
            self._is_over = True
            self._more.notify_all()

    def wait(self, patience: float, pattern: str | None = None, times: int = 1) -> bool:
        """Until so many lines match, or, without a pattern, until the box is down. False if that took too long, or if
        the box went down before."""
        until = time.monotonic() + patience
        with self._more:
            while not self._is_over:
                if pattern is not None and self.count(pattern) >= times:
                    return True
                if not self._more.wait(until - time.monotonic()) and time.monotonic() >= until:
                    return False
        return pattern is None

    def count(self, pattern: str) -> int:
        """How many lines match."""
        return sum(re.search(pattern, line) is not None for line in self.lines)

    def last(self, pattern: str) -> str | None:
        """The pattern's group, in the last line that matches."""
        matches = [match for line in self.lines if (match := re.search(pattern, line)) is not None]
        return matches[-1][1] if matches else None

    def cut_power(self) -> bool:
        """What was flushed to the disk is there; what was not is gone, and so is the memory. False if the box went
        down before, by itself."""
        with self._more:
            if self._is_over:
                return False
            self._qemu.kill()
        self.close()
        self._memory.unlink()
        return True

    def close(self) -> None:
        if self._qemu.poll() is None and not self._is_over:
            self._qemu.kill()
        self._qemu.wait()
        self._reader.join()
        self._log.close()
        self.seconds = time.monotonic() - self._began
