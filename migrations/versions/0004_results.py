"""Results have files: the view `results` gains a column.

Revision 0004. No table changes; views are made anew after every upgrade, by env.py.
"""

from __future__ import annotations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing but the views."""
