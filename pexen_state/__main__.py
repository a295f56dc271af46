"""`python -m pexen_state` is the command `pexen`."""

from __future__ import annotations

from pexen_state.cli.main import main

if __name__ == "__main__":
    main()
