"""A program as it was written in 2019: it runs when `pexen` becomes `pexen_state` in its imports."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

FILES = {
    "program.py": """
        import subprocess
        import warnings

        import pexen_state
        from pexen_state import factory, sched
        from pexen_state.sched.meta import SchedMeta, assign_meta

        import checks


        class Everything(factory.BaseFactory):
            def __init__(self, scripts):
                super().__init__()
                self.scripts = scripts

            def __call__(self):
                for level, sub, where in [
                    ('python', factory.ModTreeFactory(match='test_*'), checks),
                    ('scripts', factory.FilesystemFactory(stdout=subprocess.PIPE), self.scripts),
                ]:
                    self.callpath_push(level)
                    self.callpath_transfer(sub)
                    yield from sub(where)
                    self.callpath_pop()


        def clean_up():
            return 'clean'


        meta = SchedMeta()
        meta.priority = 100
        assign_meta(clean_up, meta)
        factory.BaseFactory().callpath_burn(clean_up, 'clean_up')

        tasks = list(Everything('scripts')()) + [clean_up]
        s = sched.Sched(tasks)
        s.add_shared(host='localhost')
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            for res in s.run(pool=sched.pool.POOL(workers=1)):
                place = '/'.join(factory.get_callpath(res.task))
                if isinstance(res.ret, subprocess.CompletedProcess):
                    print(place, res.ret.returncode, res.ret.stdout.decode().strip())
                elif res.excinfo:
                    print(place, res.excinfo.type.__name__)
                else:
                    print(place, res.ret, res.shared)
        for one in caught:
            assert one.category is pexen_state.PexenWarning
            print(one.message)
        """,
    "checks/__init__.py": "",
    "checks/setup.py": """
        from pexen_state import sched

        @sched.meta.func_meta(provides=['server'], priority=-1)
        def start(shared):
            shared['port'] = 80
            return 'started'

        def gen(nr):
            @sched.meta.func_meta(requires=['server'], kwargs={'nr': nr})
            def ping(shared, nr):
                return nr * shared['port']
            globals()[f'ping{nr}'] = ping

        for i in range(1, 3):
            gen(i)
        """,
    "checks/deep/__init__.py": "",
    "checks/deep/more.py": """
        from pexen_state import sched

        def test_without_metadata():
            return 'found by name'

        @sched.meta.func_meta(claims=['disk'])
        def broken():
            raise KeyError('gone')
        """,
    "scripts/hello": "#!/bin/sh\necho hello\n",
    "scripts/fails": "#!/bin/sh\nexit 3\n",
    "scripts/.hidden": "#!/bin/sh\necho never\n",
    "scripts/notes": "no program\n",
}

WANTED = """
    python/setup/start started {'host': 'localhost', 'port': 80}
    python/deep/more/broken KeyError
    python/deep/more/test_without_metadata found by name {'host': 'localhost'}
    python/setup/ping1 80 {'host': 'localhost', 'port': 80}
    python/setup/ping2 160 {'host': 'localhost', 'port': 80}
    scripts/fails CalledProcessError
    scripts/hello 0 hello
    clean_up clean {'host': 'localhost'}
    1 locks still held at exit
    """


def run_program(directory, pool):
    for name, content in FILES.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(content).replace("POOL", pool))
        file.chmod(0o644 if name.endswith("notes") else 0o755)
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_program_of_2019_runs_with_threads(tmp_path):
    lines = run_program(tmp_path, "ThreadWorkerPool")

    assert sorted(lines[1:-2]) == sorted(dedent(WANTED).strip().splitlines()[1:-2])
    assert lines[0].startswith("python/setup/start ")
    assert lines[-2:] == dedent(WANTED).strip().splitlines()[-2:]


def test_a_program_of_2019_runs_with_processes(tmp_path):
    lines = run_program(tmp_path, "ProcessWorkerPool")

    assert sorted(lines[1:-2]) == sorted(dedent(WANTED).strip().splitlines()[1:-2])
    assert lines[-2:] == dedent(WANTED).strip().splitlines()[-2:]
