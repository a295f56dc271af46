"""How far a run is, on one screen: gathered in a few milliseconds however many tasks it has, and then said in lines.

The plan is not restored for that: it takes longer than all the rest. So a lock's line says who wants it, tasks that
wait for something else first included; who waits for nothing else is told by `pexen locks` and `pexen why`.

The window is in no journal. A runner that lives is asked for it, and is not waited for long: it may be busy.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pexen_state.core.states import BAD_WORDS, State, Verdict
from pexen_state.journal import queries
from pexen_state.journal.asking.durations import typical_seconds
from pexen_state.journal.ids import ids_of
from pexen_state.journal.lock import Holder, holder_of
from pexen_state.report.runs import with_doing
from pexen_state.report.style import COUNTED, Style, count, duration, took, verdict_words
from pexen_state.report.suspects import (
    Suspects,
    awaiting_in_words,
    awaiting_of,
    in_words,
    is_rebooting,
    suspects_of,
)
from pexen_state.report.text import cut, safe

Found = dict[str, Any]

_RUNNING = 8  # named, and
_FAILED = 10
_LOCKS = 3
_PATIENCE_S = 0.3  # with the runner: longer than a turn of thousands of tasks takes it


def gather(connection: sqlite3.Connection, path: str, run_id: int, now: float) -> Found:
    """Everything that `status_lines` says, as it goes into a JSON document. `now`: seconds since 1970."""
    (run,) = with_doing(connection, path, [queries.run(connection, run_id)])
    sessions = queries.sessions(connection, run_id)
    counts = dict.fromkeys(COUNTED, 0)
    done = total = 0
    for state, verdict, tasks in queries.tally(connection, run_id):
        total += tasks
        if state >= State.SUCCEEDED:
            done += tasks
            counts[Verdict(verdict).word] = counts.get(Verdict(verdict).word, 0) + tasks
    is_running = run["doing"] == "running"
    typical = typical_seconds(connection, run["name"]) if is_running else {}
    running = [_running(one, now, typical) for one in queries.in_flight(connection, run_id)] if is_running else []
    return {
        "run": run,
        "pid": sessions[-1]["pid"] if is_running else None,
        "tasks": total,
        "done": done,
        "counts": counts,
        "sessions": len(sessions),
        "seconds": _elapsed(connection, run, sessions, now),
        "seconds_left": _left(connection, path, run_id, total - done, running, typical) if is_running else None,
        "running": running,
        **_handed_over(path, run_id, is_running),
        **_of_the_box(connection, run),
        "failed": [
            {**one, "verdict": Verdict(one["verdict"]).word} for one in queries.ended_badly(connection, run_id, _FAILED)
        ],
        "locks": _locks(connection, run_id) if run["state"] == "unfinished" else [],
        "superseded_by": queries.newest_named(connection, run["name"]) if run["state"] == "superseded" else None,
    }


def _of_the_box(connection: sqlite3.Connection, run: Found) -> Found:
    """Who is under suspicion after a crash, and who waits for a reboot."""
    suspects, awaiting, rebooting = None, [], False
    if run["state"] == "unfinished":
        suspects = suspects_of(connection, run["id"])
        awaiting = awaiting_of(connection, run["id"])
        rebooting = bool(awaiting) and run["doing"] == "running" and is_rebooting(connection, run["id"])
    return {
        "suspects": suspects._asdict() if suspects is not None else None,
        "awaiting_reboot": awaiting,
        "rebooting": rebooting,
    }


def _running(one: Found, now: float, typical: Mapping[str, float]) -> Found:
    return {
        "task": one["task"],
        "state": State(one["state"]).word,
        "attempt": one["attempt"],
        "seconds": max(now - one["began_us"] / 1e6, 0.0),
        "usual_seconds": typical.get(one["task"]),
    }


def _handed_over(path: str, run_id: int, is_running: bool) -> Found:
    """What the runner says of how many tasks it hands over; None where nobody answers."""
    answer: Found = {}
    if is_running:
        # Imported here: who looks at a run that nobody runs asks nobody.
        from pexen_state.journal.control import ask
        from pexen_state.journal.errors import JournalError

        with suppress(JournalError):  # it has just ended, or has no time
            answer = ask(path, {"do": "status", "run": run_id}, _PATIENCE_S)
    return {"window": answer.get("window"), "in_flight": answer.get("in_flight")}


def _elapsed(connection: sqlite3.Connection, run: Found, sessions: Iterable[Found], now: float) -> float:
    """What all sessions took together; one that was cut off took until its last word."""
    last = None
    seconds = 0.0
    for session in sessions:
        if session["seconds"] is not None:
            seconds += session["seconds"]
            continue
        if run["doing"] == "running":
            until = now
        else:
            last = last if last is not None else queries.last_change(connection)
            until = last
        seconds += max(until - queries.began(connection, session["id"]), 0.0)
    return seconds


def _left(
    connection: sqlite3.Connection,
    path: str,
    run_id: int,
    unfinished: int,
    running: Iterable[Found],
    typical: Mapping[str, float],
) -> float | None:
    if not typical or not unfinished:
        return None
    # Imported here: without a past there is nothing to guess.
    from pexen_state.report.display import Progress, Running
    from pexen_state.report.display.pace import Pace

    holder = holder_of(path)
    began = tuple(Running(one["task"], one["seconds"]) for one in running if one["state"] == "running")
    workers = max(len(began), _workers(holder) if holder is not None else 0)
    pace = Pace(typical, queries.unfinished_keys(connection, run_id), workers)
    return pace.seconds_left(Progress(unfinished, began, len(began)))


def _workers(holder: Holder) -> int:
    """How many there are: the children of the keepers. 0 where the kernel does not tell."""
    workers = 0
    for keeper in holder.keepers:
        with suppress(OSError), open(f"/proc/{keeper.pid}/task/{keeper.pid}/children", "rb") as file:
            workers += len(file.read().split())
    return workers


def _alone(said: Found) -> list[Any]:
    """The locks that a task has alone, as the journal keeps them: what it claims, and what it recovers."""
    claims = said.get("claims", [])
    return [*claims, *(name for name in said.get("recovers", ()) if name not in claims)]


def _locks(connection: sqlite3.Connection, run_id: int) -> list[Found]:
    """The locks that are wanted most, of those that are held."""
    held: dict[str, Found] = {}
    for key, state, verdict, spec in connection.execute(queries.HOLDING, ids_of(run_id)).fetchall():
        said = json.loads(spec)
        for mode, names in (("claimed", _alone(said)), ("used", said.get("uses", ()))):
            for name in names:
                one = held.setdefault(
                    _word(name), {"lock": _word(name), "mode": mode, "by": [], "left": False, "wanted_by": 0}
                )
                one["by"].append(key)
                one["left"] = one["left"] or state >= State.SUCCEEDED
                one["verdict"] = Verdict(verdict).word if verdict else None
    if not held:
        return []
    below: dict[str, list[str]] = {}  # a name -> held locks below it
    for lock in held:
        for name in _above(lock):
            below.setdefault(name, []).append(lock)
    for spec, tasks in connection.execute(queries.WANTING, ids_of(run_id)).fetchall():
        said = json.loads(spec)
        wanted = {_word(name): False for name in said.get("uses", ())} | {_word(name): True for name in _alone(said)}
        in_the_way = {
            lock
            for name, claims in wanted.items()
            for lock in (name, *_above(name), *below.get(name, ()))
            if lock in held and (claims or held[lock]["mode"] == "claimed")
        }
        for lock in in_the_way:
            held[lock]["wanted_by"] += tasks
    return sorted(
        (one for one in held.values() if one["wanted_by"] or one["left"]), key=lambda one: -int(one["wanted_by"])
    )


def _above(name: str) -> Iterator[str]:
    """Hierarchical names that a name lies below."""
    while name.startswith("/") and name != "/":
        name = name[: name.rfind("/")] or "/"
        yield name


def _word(name: object) -> str:
    """A lock's name as people know it."""
    if not isinstance(name, str):
        return json.dumps(name)
    return "/" + "/".join(part for part in name.split("/") if part) if name.startswith("/") else name


# -- in words


def status_lines(status: Found, style: Style, command: str) -> Iterator[str]:
    """`command` is what a person types for pexen and its journal."""
    run = status["run"]
    state = verdict_words(run["doing"] or run["state"])
    pid = f" by the process {status['pid']}" if status["pid"] is not None else ""
    yield style.strong(f"run {run['id']}  suite {safe(run['name'])}  {state}{pid}")
    counts = ", ".join(f"{number} {verdict_words(word)}" for word, number in status["counts"].items() if number)
    yield f"  {status['done']} of {count(status['tasks'], 'task')} ended{': ' if counts else ''}{counts}"
    left = status["seconds_left"]
    about = f", about {duration(left)} left" if left is not None else ""
    sessions = f", in {count(status['sessions'], 'session')}" if status["sessions"] > 1 else ""
    seconds = duration(status["seconds"])
    ran = f"running for {seconds}" if state == "running" else f"ran {seconds}{' so far' if run['doing'] else ''}"
    yield f"  {ran}{sessions}{about}"
    if status["window"] is not None:
        yield f"  {window_in_words(status['window'], status['in_flight'])}"
    if status["suspects"] is not None:
        yield f"  {in_words(Suspects(**status['suspects']), state == 'running')}"
    yield from _running_lines(status["running"])
    if status["awaiting_reboot"]:
        yield f"  {awaiting_in_words(status['awaiting_reboot'], status['rebooting'])}"
    yield from _failed_lines(status)
    for one in status["locks"][:_LOCKS]:
        yield f"  {lock_in_words(one)}"
    if len(status["locks"]) > _LOCKS:
        yield f"  ... and {count(len(status['locks']) - _LOCKS, 'more lock')}: {command} locks {run['id']}"
    yield f"Next: {next_command(status, command)}"


def window_in_words(window: int, in_flight: int) -> str:
    """How much runs again, at most, if the runner is killed now."""
    still = "still " if in_flight > window else ""  # it was wider when they were handed over
    now = f"{in_flight or 'none'} {still}{'are' if in_flight > 1 else 'is'}"
    return f"at most {count(window, 'task')} {'is' if window == 1 else 'are'} handed over at once; {now}"


def _running_lines(running: list[Found]) -> Iterator[str]:
    begun = [one for one in running if one["state"] == "running"]
    for one in begun[:_RUNNING]:
        usual = f"  usually {duration(one['usual_seconds'])}" if one["usual_seconds"] is not None else ""
        again = f"  attempt {one['attempt']}" if one["attempt"] > 1 else ""
        yield f"  running [{took(one['seconds'])}] {cut(safe(one['task']), 200)}{again}{usual}"
    if len(begun) > _RUNNING:
        yield f"  ... and {len(begun) - _RUNNING} more are running"


def _failed_lines(status: Found) -> Iterator[str]:
    style = Style()
    for one in reversed(status["failed"]):
        reason = f"  {cut(safe(one['reason']), 200)}" if one["reason"] else ""
        yield f"  {style.word(one['verdict'])} [{took(one['seconds'])}] {cut(safe(one['task']), 200)}{reason}"
    more = sum(status["counts"][word] for word in BAD_WORDS) - len(status["failed"])
    if more > 0:
        yield f"  ... and {more} more before"


def lock_in_words(one: Found) -> str:
    """`lock /proc/sys/net: claimed by net/a; 3 tasks want it`"""
    by = ", ".join(cut(safe(key), 200) for key in one["by"][:3]) + (" ..." if len(one["by"]) > 3 else "")
    wanted = one["wanted_by"]
    wants = f"; {count(wanted, 'task')} {'wants' if wanted == 1 else 'want'} it" if wanted else ""
    if one["left"]:
        why = f" ({verdict_words(one['verdict'])})" if one.get("verdict") else ""
        return f"lock {safe(one['lock'])}: left held by {by}{why}{wants}"
    return f"lock {safe(one['lock'])}: {one['mode']} by {by}{wants}"


def next_command(status: Found, command: str) -> str:
    """What is to be typed next."""
    run = status["run"]
    match run["doing"] or run["state"]:
        case "running":
            return f"{command} status {run['id']} --watch"
        case "superseded":
            return f"{command} status {status['superseded_by']}"
        case "finished" | "cancelled":
            if run["failed"]:
                return f"{command} logs {run['id']} --failed"
            return f"{command} show {run['id']}"
        case _:
            return f"{command} resume {run['id']}"


def change_line(status: Found) -> str:
    """One line, for whoever watches a run without a terminal: it is another one when something has changed."""
    run = status["run"]
    counts = " ".join(f"{number} {verdict_words(word)}" for word, number in status["counts"].items() if number)
    running = [cut(safe(one["task"]), 60) for one in status["running"] if one["state"] == "running"]
    names = f"  running: {' '.join(running[:4])}{' ...' if len(running) > 4 else ''}" if running else ""
    state = verdict_words(run["doing"] or run["state"])
    box = f"  {in_words(Suspects(**status['suspects']), state == 'running')}" if status["suspects"] is not None else ""
    if status["awaiting_reboot"]:
        box += f"  {awaiting_in_words(status['awaiting_reboot'], status['rebooting'])}"
    return f"run {run['id']}  {state}  {status['done']}/{status['tasks']}  {counts}{names}{box}".rstrip()


def now() -> float:
    return time.time()
