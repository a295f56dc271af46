"""Results have files: the view `results` gains a column. Tasks have their tags and their group in columns of their own.

Revision 0004. Two columns are added, and filled from the specs; views are made anew after every upgrade, by env.py.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("task", sa.Column("tags", sa.Text(), nullable=True))
    op.add_column("task", sa.Column("group_name", sa.Text(), nullable=True))
    op.execute(
        "UPDATE task SET tags = json_extract(spec, '$.tags'), group_name = json_extract(spec, '$.group')"
        " WHERE spec LIKE '%\"tags\"%' OR spec LIKE '%\"group\"%'"
    )
