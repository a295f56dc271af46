"""What is taken from a service that is to be hardened: for suites that need no rights over the box.

Its tasks write to the journal's directory and to a /tmp of their own, see devices and settings of the kernel as little
as the directories of others, and talk to nobody but by sockets with a path. What pexen itself needs stays: the boot id
and the kernel's command line (so /proc is whole), control groups of its own, python's own ways with memory.
"""

from __future__ import annotations

LINES = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ReadOnlyPaths=/run",  # which is left out otherwise; its sockets can be talked to all the same
    "ProtectHome=read-only",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateNetwork=yes",
    "IPAddressDeny=any",
    "RestrictAddressFamilies=AF_UNIX",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RemoveIPC=yes",
    "LockPersonality=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",  # not a signal: who looks whether it may is not to die of that
    "UMask=0077",
)
