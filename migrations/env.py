"""How alembic runs the migrations: on the connection that it is given, within its transaction, views set aside.

The logging of the program is left alone. A developer's command line has no connection to give: it names a journal,
`alembic -x journal=PATH upgrade head`, and gets one under the run lock.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy.engine import Connection

from pexen_state.journal.engine import connect, disconnect, drop_views, make_views
from pexen_state.journal.lock import RunLock
from pexen_state.journal.schema import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,  # SQLite cannot alter a table; alembic makes a new one and copies
        transactional_ddl=True,
        transaction_per_migration=False,
    )
    # SQLite refuses to rename a table that a view looks at. Views are code, not history: those of the newest
    # schema are made anew, an older schema has none.
    drop_views(connection)
    context.run_migrations()
    if context.get_context().get_current_revision() == context.get_head_revision():
        make_views(connection)


def run_on_a_journal(path: str) -> None:
    with RunLock.acquire(path):
        connection = connect(path, foreign_keys=False)
        try:
            with connection.begin():
                run(connection)
        finally:
            disconnect(connection)


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    run_on_a_journal(context.get_x_argument(as_dictionary=True)["journal"])
