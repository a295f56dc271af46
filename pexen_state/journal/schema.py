"""The tables. Integers for states, causes and verdicts; the words are in `views`.

`transition` and `run_event` are the truth: append only, ordered by one `seq`. What `task` says beside key and spec
is the projection of it, written in the same transaction. Keys are integers in append order, and no table that every
turn writes has an index on text: both cost many times more than they give.

A task's id holds its run and its number, so that the tasks of a run lie side by side, and need no index to be found.
An attempt is opened by a transition to `submitted`, and has that transition's `seq` for its id. A session knows the
first and the last `seq` that it wrote; one session at a time writes to a journal, so that range tells the run, too.

Views may not use SQLite's JSON functions (a reader that trusts no schema is refused them), so what they show is in
columns of its own. A change here needs a migration; a test compares both ways to the same schema.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

metadata = MetaData(
    # Named, because alembic can change only what has a name.
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _id(name: str = "id") -> Column[int]:
    return Column(name, Integer, primary_key=True)


def _int(name: str, *, default: int | None = None, null: bool = False, index: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=null, index=index, server_default=None if default is None else str(default))


def _to(target: str, name: str, *, null: bool = False, index: bool = False) -> Column[int]:
    return Column(name, Integer, ForeignKey(target), nullable=null, index=index)


def _text(name: str, *, null: bool = True) -> Column[str]:
    return Column(name, Text, nullable=null)


run = Table(
    "run",
    metadata,
    _id(),
    _text("uuid", null=False),
    _text("name", null=False),  # of the suite
    _text("target", null=False),  # for people
    _text("params"),  # JSON, for people
    _text("recorded", null=False),  # JSON: target and all options, for a resume
    _text("shared"),  # JSON: what the tasks began with
    _int("state", default=0),
    _int("verdict", default=0),
    _to("run.id", "parent", null=True),  # the run whose tasks it runs again
    _int("began_us"),
    _int("ended_us", null=True),
)

session = Table(
    "session",
    metadata,
    _id(),
    _to("run.id", "run", index=True),
    _int("pid"),
    _int("start"),  # of the process, in clock ticks since the boot
    _text("boot_id", null=False),
    _text("host", null=False),
    _text("kernel", null=False),
    _text("pexen_version", null=False),
    _text("python_version", null=False),
    _int("first_seq"),
    _int("last_seq", null=True),  # NULL while it lives, or was cut off and nobody came after it
    _int("began_us"),
    _int("ended_us", null=True),
    _int("how_ended", null=True),
    _int("set_by_us", default=0),  # how far the wall clock was set meanwhile
    _text("panics"),  # JSON: those that the box had kept when it began; NULL: nobody looked
)

task = Table(
    "task",
    metadata,
    _id(),  # `ids.task_base`: the run and the task's number in it
    # the projection:
    _int("state", default=0),
    _int("attempt", default=0),  # number of the latest
    _int("submitted", null=True),  # seq of the transition that opened it
    _int("ended", null=True),  # seq of the transition that ended the task
    _int("withdrawn", default=0),  # attempts that never began
    _int("failures", default=0),  # that were tried again
    _int("crashes", default=0),  # workers that it took with it, and crashes of the box
    _int("verdict", default=0),
    _int("provided", default=0),
    _int("locks", default=0),
    _text("reason"),
    # what it is:
    _text("key", null=False),
    Column("priority", Float, nullable=False, server_default="0"),
    _text("spec"),  # JSON of what is not the default
    Column("fingerprint", LargeBinary),
    _int("reboots", default=0),  # that it asked for since it last began from its beginning; of the projection, too
    # of what it is, again, for people to ask for:
    _text("tags"),  # JSON; NULL for none
    _text("group_name"),
)

transition = Table(
    "transition",
    metadata,
    _id("seq"),
    _to("task.id", "task"),
    _int("attempt"),
    _int("withdrawn"),  # attempts of the task that were withdrawn before: people do not count them
    _int("old"),
    _int("new"),
    _int("cause"),
    _int("verdict"),
    _int("provided"),
    _int("locks"),
    _text("reason"),
    _int("at_us"),
)

run_event = Table(
    "run_event",
    metadata,
    _id("seq"),
    _to("run.id", "run", index=True),
    _int("kind"),
    _text("data"),  # JSON
    _int("at_us"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Integer, ForeignKey("transition.seq"), primary_key=True),  # the one that opened it
    _int("ended", null=True),  # seq of the transition that ended it
    _int("worker", null=True),
    _int("pid", null=True),
    _int("wait_us", null=True),  # from its submission to its beginning, by the wall clock
    _int("took_us", null=True),  # by the monotonic clock
    _int("exit_code", null=True),
    _int("signal", null=True),
    _text("output"),  # path, relative to the journal's directory
    _text("ret"),  # JSON
    _text("shared"),  # JSON: what the task changed
    _text("error"),  # JSON
    _int("reboots", null=True),  # that the task had asked for before; NULL is none
    _text("mark"),  # what it wanted to be told after the reboot that it asked for
)

result = Table(  # what a task reports about its parts
    "result",
    metadata,
    _id(),
    _to("transition.seq", "attempt", index=True),  # the one that opened the attempt
    _text("name", null=False),
    _int("verdict"),
    _text("note"),
    _text("metrics"),  # JSON
    _text("files"),  # JSON
    _int("at_us"),
)

checkpoint = Table(  # what a task wants to know after a crash
    "checkpoint",
    metadata,
    _id(),
    _to("task.id", "task", index=True),
    _to("transition.seq", "attempt"),
    _text("key", null=False),
    _text("value"),  # JSON
    _int("at_us"),
)

fact = Table(  # about the box
    "fact",
    metadata,
    _id(),
    _to("session.id", "session", index=True),
    _text("name", null=False),
    Column("value", LargeBinary),  # a number or text as it is (SQLite minds no type), all else as JSON
)

pruned = Table(  # that runs were deleted: their numbers are never used again
    "pruned",
    metadata,
    _id(),
    _int("last_run"),  # the highest there was
    _int("last_session"),
    _int("last_seq"),
    _int("runs"),  # how many were deleted
    _int("at_us"),
)

alembic_version = Table(  # as alembic itself makes it
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
