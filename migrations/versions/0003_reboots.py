"""Tasks that ask for a reboot: how many they had, and what they wanted to be told after it; clocks that are set.

Revision 0003. Columns are added to three tables; views are made anew after every upgrade, by env.py.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("task", sa.Column("reboots", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("attempt", sa.Column("reboots", sa.Integer(), nullable=True))
    op.add_column("attempt", sa.Column("mark", sa.Text(), nullable=True))
    op.add_column("session", sa.Column("set_by_us", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("session", sa.Column("panics", sa.Text(), nullable=True))
