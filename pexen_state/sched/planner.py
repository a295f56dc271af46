"""`Sched`: what a program uses to run tasks.

It collects tasks, checks that they can run, and wires up a session: the plan, the pool, the loop, and the
journal if there is one. How a turn works is in `loop`, how a run is resumed in `journaled`.
"""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pexen_state.box.facts import Fact
from pexen_state.box.facts import facts as box_facts
from pexen_state.box.scarcity import told
from pexen_state.core.check import Rehearsal, required_names
from pexen_state.core.inputs import CancelAsked, ConditionsKnown, Input, PauseAsked, StopAsked, UnlockAsked
from pexen_state.core.plan import Plan
from pexen_state.core.spec import Name, TaskSpec
from pexen_state.core.states import Verdict
from pexen_state.journal.lock import RunLock
from pexen_state.sched import amounts
from pexen_state.sched.asked import RunAsked, check_max_fail, check_overrides, checked_params
from pexen_state.sched.catalogue import Catalogue, recorded_keys
from pexen_state.sched.checks import check_locks, check_names, warn_of_unused_names
from pexen_state.sched.common import Opened, SchedulerError, TaskRes
from pexen_state.sched.conditions import Conditions, checked_facts
from pexen_state.sched.garbage import all_frozen, collector_paused
from pexen_state.sched.groups import Group, by_name, check_groups, pool_with
from pexen_state.sched.identity import key_of
from pexen_state.sched.inbox import Inbox
from pexen_state.sched.jobs import JobMaker
from pexen_state.sched.joining import Earlier, Joining
from pexen_state.sched.kernel_watch import watch_for
from pexen_state.sched.loop import STOP_GRACE, Loop
from pexen_state.sched.order import DECLARED, checked_order, numbers_in
from pexen_state.sched.owner import OwnStack
from pexen_state.sched.partners import NoLedger
from pexen_state.sched.pool.base import Body, Pool
from pexen_state.sched.shared import SharedStore
from pexen_state.sched.specs import Callables, Defaults, say_still, spec_of
from pexen_state.sched.time_limits import RunClock, TimeSpent
from pexen_state.util import PexenWarning


class Sched:
    """Runs tasks in the right order, in parallel, under locks.

    tasks       callables; what they say of themselves is in `sched.meta`
    journal     path of a journal; without one nothing is stored
    name        the suite's name in the journal: a run of that name can be resumed
    resume      go on with the newest unfinished run of that name, if there is one; False begins another,
                which supersedes it, unless `supersedes` says otherwise
    run_id      go on with exactly this run of the journal
    defaults    limits and budgets of tasks that do not say their own
    target, options     what the journal keeps about how the run was started, as JSON
    params      parameters of the run, by name: strings, numbers and truths, for tasks to read (`current().params`).
                They are kept in the journal, and those with which a run began hold for all of it
    facts       what is known of the box, for `when` and the journal; by default what `box.facts` finds out, as soon as
                a task has a condition or there is a journal
    capture     under a journal: what python tasks print goes to their output files, too
    max_fail    give the run up when so many of its tasks have ended badly (fail, error, timeout, crash): what
                runs may end, what is declared `always` still runs, the rest is skipped. A pool that chooses its
                `spare` itself is given no more than its workers can begin at once
    run_timeout seconds that the run may take, all its sessions together: then what runs is ended (timed out), what is
                declared `always` still runs, the rest is skipped
    parent      the run of the journal whose tasks a new run runs again; it is told in `runs.parent`
    supersedes  whether a new run ends the unfinished ones of that name, which cannot be resumed then; False
                leaves them as they are, as a run of a part of the suite has to
    overrides   of "timeout" and "retries": on resume what the tasks say now holds for the session, not what
                the run recorded; of "max_fail": on resume the limit is on what fails from now on, not on
                what failed in the whole run
    rerun_changed   on resume: tasks that have ended, and whose code changed since, run again
    wait_for_journal   wait for a journal that somebody else holds, however long that takes
    may_reboot  under a journal: the box may be rebooted for tasks that raise `Reboot`. Without permission all others
                run first; then the loop ends, and a session after the next boot goes on
    reboot_command   words that reboot the box, instead of its own way
    max_boots   of one run; a task that asks for one more fails
    park        raise RunParked, and go on with nothing, when three sessions in a row were killed or crashed without
                one task coming to its end; the next resume goes on
    kernel      look into the kernel's log for trouble while tasks run, and, under a journal, write there when attempts
                begin and end, as long as workers are given no more tasks than they can begin at once. Tasks that say
                `kernel="ignore"` are left out; those that say "fail" are looked after in any case
    catalogue   tasks that run only if they are required: a name that none of the others provides is filled by one of
                them (`core.catalogue` says by which). So are tasks among the others whose metadata says `on_demand`
    chosen      keys of tasks that are there on demand, and run whether anybody requires them or not
    groups      on which workers the tasks of each group run (`sched.groups.Group`), which run with none of another
                one. Where none is declared a task may be of any
    order       in which order tasks of one priority come: as they were declared, those of the longest path to the end
                first (`longest`), or `random:SEED`
    usual       how many seconds tasks usually take, by key, for the longest path; a declared `weight` comes first
    no_deps     nobody is taken from the catalogue: names that no task provides are taken as provided
    skip_passed_in   a run of the journal: tasks that passed there, and whose code is what it was, are skipped, and what
                they provide counts as there; what runs `always` runs all the same
    announce    called once, when a journaled session is open and before anything runs; `plan` is there then
    pulse       called in the thread that runs: after each turn, and at least every 0.2 s while nothing happens,
                but not while the caller has a result in hand. What it raises ends the session, in order
    finish      under a journal: called once with the run lock and the run's id when the run has come to its end, that
                is in the journal, and the pool and the journal are closed; nobody else can write to it meanwhile

    Raises DepcheckError if a required name is provided by nobody, MutexError if a task both uses and claims
    a lock.
    """

    def __init__(
        self,
        tasks: Iterable[Body] = (),
        *,
        journal: str | os.PathLike[str] | None = None,
        name: str | None = None,
        resume: bool = True,
        run_id: int | None = None,
        defaults: Defaults | None = None,
        target: object = None,
        options: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        facts: Mapping[str, Fact] | None = None,
        resources: Mapping[str, int | str] | None = None,
        groups: Iterable[Group] = (),
        order: str = DECLARED,
        usual: Mapping[str, float] | None = None,
        capture: bool = False,
        max_fail: int | None = None,
        run_timeout: float | None = None,
        parent: int | None = None,
        supersedes: bool = True,
        overrides: Collection[str] = (),
        rerun_changed: bool = False,
        wait_for_journal: bool = False,
        may_reboot: bool = False,
        reboot_command: str | None = None,
        max_boots: int = 100,
        park: bool = False,
        kernel: bool = False,
        catalogue: Iterable[Body] = (),
        chosen: Collection[str] = (),
        no_deps: bool = False,
        skip_passed_in: int | None = None,
        announce: Callable[[Opened], None] | None = None,
        pulse: Callable[[], None] | None = None,
        finish: Callable[[RunLock, int], None] | None = None,
    ) -> None:
        check_max_fail(max_fail)
        check_overrides(overrides)
        # Where it is now, wherever the program goes before the run.
        self.journal = os.path.abspath(os.fsdecode(journal)) if journal is not None else None
        if name is not None and not isinstance(name, str):
            raise SchedulerError(f"the name of a suite is a string, not {name!r}")
        self.name = name or "main"
        self.resume = resume
        self.run_id = run_id
        self.defaults = defaults
        self.target = target
        self.options = dict(options or {})
        if params is not None:
            self.options["params"] = checked_params(params)
        if resources is not None:
            self.options["resources"] = amounts.checked(resources)
        self.groups = by_name(groups)
        self.order = checked_order(order)
        self.usual = dict(usual or {})
        self.facts = None if facts is None else checked_facts(facts)
        self.capture = capture
        self.max_fail = max_fail
        self.run_timeout = run_timeout
        self.parent = parent
        self.supersedes = supersedes
        self.overrides = overrides
        self.rerun_changed = rerun_changed
        self.wait_for_journal = wait_for_journal
        self.may_reboot = may_reboot
        self.reboot_command = reboot_command
        self.max_boots = max_boots
        self.park = park
        self.kernel = kernel
        self.skip_passed_in = skip_passed_in
        self.announce = announce
        self.pulse = pulse
        self.finish = finish
        self.shared: dict[str, Any] = {}
        self.plan: Plan | None = None  #: of the run that goes on, or of the last one
        self._tasks: dict[int, Body] = {}  # by id(): a task is the same object, not an equal one
        self._specs: list[TaskSpec] = []  # of all tasks, as they were when somebody looked
        self._rehearsal: Rehearsal | None = None  # of these, so that one more costs one more
        self._all_would_run = True  # and what came out of it
        self._required: set[Name] = set()
        self._told: set[Name] = set()
        self._catalogue = Catalogue(catalogue, chosen, no_deps, self._applies)
        self._inbox: Inbox | None = None
        self._joining: Joining | None = None  # of the run that goes on
        self._late: set[str] = set()  # keys of tasks that were added while a run went on
        if tasks:
            self.add_tasks(tasks)

    # -- before a run ------------------------------------------------------------------------------------

    def add_tasks(self, new: Iterable[Body]) -> None:
        """Add tasks; those that are there already are not added twice.

        Also while the run goes on, with a result in hand: then they join it. They may require what any task provides,
        be it over; a task whose name only another new one provides is to be added with that one, in one call. They are
        in the journal before they run. When the run is resumed its caller has to add them again, and they are known by
        their keys.

        Raises DepcheckError and MutexError, and PoolError for what the pool of a run that goes on cannot run (a
        closure, in a program with threads); nothing is added then.
        """
        added = self._catalogue.take({id(task): task for task in new if id(task) not in self._tasks})
        if self._joining is not None:
            for body, spec in self._joining.add(added.values()):
                if self._catalogue.has(body):
                    continue  # it is taken again where it is required
                self._tasks[id(body)] = body
                self._specs.append(spec)
                self._late.add(spec.key)
            return
        with collector_paused():
            specs = self._specs_of(added.values())
            check_locks(added.values(), specs)
            rehearsal, self._rehearsal = self._rehearsal or self._rehearsed(), None
            all_would_run = rehearsal.add(specs)
            is_wrong = not all_would_run and not self._may_be_resumed()
            if is_wrong and not self._catalogue.may_fill(specs, rehearsal.deps):
                bodies = [*self._tasks.values(), *added.values()]
                self._catalogue.check(bodies, [*self._specs, *specs], self.defaults)
            self._tasks |= added
            self._specs += specs
            self._rehearsal, self._all_would_run = rehearsal, all_would_run
            self._required.update(required_names(specs))
            self._required |= self._catalogue.required
        warn_of_unused_names(specs, self._required, self._told)

    def _rehearsed(self) -> Rehearsal:
        """All tasks that are there, as they are now."""
        rehearsal = Rehearsal()
        specs = self._specs_of(self._tasks.values())
        check_locks(self._tasks.values(), specs)
        self._specs, self._all_would_run = specs, rehearsal.add(specs)
        return rehearsal

    def _may_be_resumed(self) -> bool:
        """Then what a task requires may come from one that has ended and is no longer among the caller's."""
        may = self.resume or self.run_id is not None
        return may and self.journal is not None and os.path.exists(self.journal)

    def _conditions(self) -> Conditions:
        return Conditions(self.options.get("params"), lambda: box_facts() if self.facts is None else self.facts)

    def _applies(self, spec: TaskSpec) -> tuple[bool, str]:
        return self._conditions().applies(spec)

    def add_shared(self, **kwargs: Any) -> None:
        """Set what every task finds in its `shared`, unless a parent wrote something else."""
        self.shared.update(kwargs)

    def _specs_of(self, tasks: Iterable[Body]) -> list[TaskSpec]:
        defaults = self.defaults
        return [spec_of(task, key_of(task), defaults) for task in tasks]

    def _callables(self) -> Callables:
        """All tasks as they are now. What they say may have changed since they were added. Raises MutexError."""
        recorded: Collection[str] = ()
        if self._catalogue.may_choose and self._may_be_resumed():
            recorded = recorded_keys(self.journal or "", self.name, self.run_id)
        checked = not self._may_be_resumed()
        return self._catalogue.completed(self._ordinary(), self.defaults, recorded, checked)

    def _ordinary(self) -> Callables:
        bodies = list(self._tasks.values())
        if say_still(bodies, self._specs, self.defaults):
            return Callables(bodies, self._specs, self._all_would_run)
        specs = self._specs_of(bodies)
        check_locks(bodies, specs)
        self._specs, self._all_would_run = specs, False
        return Callables(bodies, specs, all_would_run=False)

    # -- during a run, from anywhere ---------------------------------------------------------------------

    def pause(self, by: str = "pause") -> None:
        """Start nothing new; what runs may end. Then the run can be resumed."""
        self._ask(PauseAsked(by))

    def stop(self, by: str = "stop") -> None:
        """Start nothing new, and stop what runs. Then the run can be resumed."""
        self._ask(StopAsked(by))

    def cancel(self, task: str | None = None) -> None:
        """End the run, or the task of that key: what runs is killed, what did not run never will.

        Raises SchedulerError for a key that no task of the run has. Says nothing if the run is over.
        """
        plan = self.plan
        if task is None or plan is None:
            self._ask(CancelAsked())
            return
        number = next((number for number, one in plan.tasks.items() if one.spec.key == task), None)
        if number is None:
            raise SchedulerError(f"no task of this run is called {task!r}")
        self._ask(CancelAsked(number))

    def unlock(self, lock: Name) -> None:
        """Free a lock that a task which has ended still holds. Raises TypeError for what is no name."""
        hash(lock)  # here, not in the thread that runs
        self._ask(UnlockAsked(lock))

    def _ask(self, asked: Input) -> None:
        if self._inbox is not None:
            self._inbox.put(asked)

    # -- the run -----------------------------------------------------------------------------------------

    def run(self, pool: Pool | None = None) -> Iterator[TaskRes]:
        """Run all tasks, and give the result of each as it ends.

        Nothing new is started while the caller has a result in hand. Leaving the loop early stops what runs;
        under a journal the run can be resumed then. `pool` is a ThreadWorkerPool of one worker if not given.
        """
        results = self._run(pool)
        # Who leaves the program with results untaken has left the run; later nothing could be ended in order.
        weakref.finalize(results, _close_at_exit, weakref.ref(results))
        return results

    def record(self) -> int:
        """Under a journal: write a new run to it, and run nothing. Returns its number; who resumes that run runs it."""
        from pexen_state.sched.recording import record_run

        if self.journal is None:
            raise SchedulerError("there is no journal to record a run in: Sched(..., journal=PATH)")
        callables = self._callables()
        amounts.totals(self.options.get("resources"), callables.specs)
        check_groups(callables.specs, self.groups)
        return record_run(self._asked(self.journal), callables)

    def _run(self, pool: Pool | None) -> Generator[TaskRes, None, None]:
        if not self._tasks and not self._catalogue:
            return
        if self._inbox is not None:
            raise SchedulerError("this Sched is running already: end the first run() before you begin another")
        with told(), OwnStack() as stack:
            self._inbox = Inbox()
            stack.callback(self._forget_inbox, self._inbox)
            if pool is None:
                from pexen_state.sched.pool import ThreadWorkerPool

                pool = ThreadWorkerPool()
            self._rehearsal = None
            with collector_paused():
                callables = self._callables()
            if not callables.bodies:
                return
            if self.run_id is None and not self._may_be_resumed():  # else it may be recorded how much there is
                amounts.totals(self.options.get("resources"), callables.specs)
            check_groups(callables.specs, self.groups)
            pool = pool_with(self.groups, pool)
            pool.register(callables.bodies)
            joining = Joining(pool, self._catalogue, self.defaults, self._late, self._inbox.wake)
            self._joining = joining
            stack.callback(self._forget_joining)
            if self.journal is None:
                yield from self._run_in_memory(pool, callables, self._inbox, joining)
            else:
                # Not before it is needed: a program without a journal does not load a database.
                from pexen_state.sched.journaled import run_journaled

                yield from run_journaled(self._asked(self.journal), pool, callables, self._inbox, joining)
            assert self.plan is not None
            warn_of_what_is_left(self.plan)

    def _asked(self, path: str) -> RunAsked:
        return RunAsked(
            path=path,
            name=self.name,
            resume=self.resume,
            run_id=self.run_id,
            parent=self.parent,
            supersedes=self.supersedes,
            target=self.target,
            options=self.options,
            order=self.order,
            usual=self.usual,
            shared=self.shared,
            capture=self.capture,
            max_fail=self.max_fail,
            run_timeout=self.run_timeout,
            overrides=self.overrides,
            rerun_changed=self.rerun_changed,
            wait_for_journal=self.wait_for_journal,
            may_reboot=self.may_reboot,
            reboot_command=self.reboot_command,
            max_boots=self.max_boots,
            park=self.park,
            kernel=self.kernel,
            facts=self.facts,
            announce=self.announce,
            pulse=self.pulse,
            finish=self.finish,
            skip_passed_in=self.skip_passed_in,
            planned=self._set_plan,
        )

    def _set_plan(self, plan: Plan) -> None:
        self.plan = plan

    def _forget_joining(self) -> None:
        self._joining = None

    def _forget_inbox(self, inbox: Inbox) -> None:
        self._inbox = None
        inbox.close()

    def _run_in_memory(self, pool: Pool, callables: Callables, inbox: Inbox, joining: Joining) -> Iterator[TaskRes]:
        with collector_paused():
            if not callables.all_would_run:
                check_names(callables.specs)
            there = amounts.totals(self.options.get("resources"), callables.specs)
            order = numbers_in(self.order, callables.specs, self.usual)
            self.plan = plan = Plan(callables.specs, max_fail=self.max_fail, resources=there, order=order)
            bodies: list[Body | None] = [None, *callables.bodies]
        joining.begin(plan, bodies, is_journaled=False, earlier=Earlier())
        shared = SharedStore(plan, self.shared)
        spent = TimeSpent()
        job_of = JobMaker(plan, bodies, shared, spent, self.options.get("params"))
        with OwnStack() as stack:
            pool.open(journaled=False)  # not ours to close if somebody else uses it
            stack.callback(pool.close, STOP_GRACE)
            stack.enter_context(all_frozen())
            kernel = watch_for(callables.specs, self.kernel)
            if kernel is not None:
                stack.callback(kernel.close)
            timers = [RunClock(self.run_timeout, 0.0)] if self.run_timeout is not None else []
            more: dict[str, Any] = {"kernel": kernel, "timers": timers, "pulse": self.pulse, "joining": joining}
            loop = Loop(plan, pool, NoLedger(), shared, [inbox], bodies, job_of, spent=spent, **more)
            yield from loop.run([ConditionsKnown(self._conditions().applies)])


def _close_at_exit(results: weakref.ref[Generator[TaskRes, None, None]]) -> None:
    alive = results()
    if alive is not None:
        with suppress(ValueError):  # a thread that the program does not wait for is in it
            alive.close()


def warn_of_what_is_left(plan: Plan) -> None:
    """At the end of a run: a PexenWarning each for tasks that could not run and for locks that nobody freed."""
    if not plan.is_over:
        return
    # What was left out when the run was given up was meant to be: who set the limit knows.
    unmet = sum(
        plan.tasks.verdicts[task] is Verdict.NOT_RUN
        and (plan.given_up is None or plan.tasks.reasons.get(task) != plan.given_up)
        for task in plan.deps.lost
    )
    if unmet:
        warnings.warn(f"{unmet} tasks skipped due to unmet deps", PexenWarning, stacklevel=3)
    locks = {name for name, _ in plan.still_held()}
    if locks:
        warnings.warn(f"{len(locks)} locks still held at exit", PexenWarning, stacklevel=3)
