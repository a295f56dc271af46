"""The pure core: what a run is, and what follows from what happens to it.

It imports the standard library alone, reads no clock, opens no file and starts no thread, so that everything
in it can be tested by telling it what happened. The shell around it (`sched.loop`) does three things: it hands
inputs to `Plan.handle`, makes the decisions that come out durable, and then carries out the commands.

    inputs --> Plan.handle --> decisions (the journal keeps them) --> Plan.apply
                    |
                    +--> commands (the pool and the caller get them)

Read in this order:

    states      the words: states, verdicts, causes; the law: which transition is legal for which cause
    spec        what is known of a task before it runs
    inputs      what happens to a plan from outside
    decisions   what the plan decides: all that is ever stored
    commands    what the shell is to do
    tasks       where every task stands: columns, and a look at one row of them
    standing    `apply`, the only way in which that changes
    deciding    what will never run, as a decision
    plan        the plan itself: `handle`, which decides

and below these:

    deps        who waits for whom: gates that count, nothing that is searched
    ready       what may run now, best first
    locks       who holds which lock: read-write locks by name, hierarchical ones included
    lock_queues who waits for which lock, and who is to be tested next
    alternatives  one of several names is enough
    promises    which promises survive an ending
    standstill  what will never run, and the sentence that says why
    circles     tasks that wait for each other
    lock_names  a lock as people write it
    sending_back  what changed runs again: who gets another chance by that
    giving_up   too many have failed: who is left out, and the sentence that says so

Beside it, for people: `check` (can all tasks run, before anything runs?), `explain` (why does this one not run?),
`forecast` (how would it go if every task passed?), `catalogue` (which tasks does a run have?) with `candidates` (why
those?) and `shards` (which part of them?), and for tests `validate` (what must be true after every turn).
"""
