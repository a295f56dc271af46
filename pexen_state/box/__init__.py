"""The box that a run is on: which life of it this is, what its kernel says, how it is rebooted.

Only looks and asks; what follows from it is decided elsewhere. It knows nothing of runs, tasks and journals, and
imports the standard library alone. Where a box has nothing to say (no right to read its kernel's messages, no EFI, no
systemd), the answer is an empty one, never an error.
"""
