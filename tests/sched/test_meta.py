"""What a callable says of itself, how it is kept, read, and made into a spec."""

from __future__ import annotations

import functools

import pytest

from pexen_state import PexenError, task
from pexen_state.core.spec import Declared, TaskSpec
from pexen_state.core.states import RETRIED, Cause
from pexen_state.sched import meta
from pexen_state.sched.fields import FIELDS
from pexen_state.sched.meta import SchedMeta, assign_meta, assign_val, func_meta, has_meta, retrieve_meta
from pexen_state.sched.specs import Defaults, spec_of


def plain():
    def body():
        return "done"

    return body


class Disk:
    @func_meta(claims=["disk"])
    def format(self):
        return "formatted"


class Probe:
    """A callable object."""

    @task(uses=["net"])
    def __call__(self):
        return "probed"


def test_lists_and_sets_of_names_become_sets_and_a_bare_string_is_refused():
    body = plain()

    assign_val(body, requires=["net"], claims={"disk", ("vm", 1)})

    assert meta.get_requires(body) == {"net"}
    assert meta.get_claims(body) == {"disk", ("vm", 1)}
    with pytest.raises(AttributeError, match="<class 'str'> cannot be used for requires"):
        assign_val(body, requires="net")
    assert meta.get_requires(body) == {"net"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"require": ["net"]}, "require is not a valid metadata field. Did you mean 'requires'?"),
        ({"requries": ["a"]}, "requries is not a valid metadata field. Did you mean 'requires'?"),
        ({"requires": ("a", "b")}, "<class 'tuple'> cannot be used for requires"),
        ({"claims": [["a", "list"]]}, "claims takes only names that are hashable"),
        ({"priority": "1"}, "<class 'str'> cannot be used for priority"),
        ({"priority": True}, "<class 'bool'> cannot be used for priority"),
        ({"priority": float("nan")}, "give a number"),
        ({"kwargs": ["a"]}, "<class 'list'> cannot be used for kwargs"),
        ({"kwargs": {1: "a"}}, "only strings for keys, and 1 is none"),
        ({"always": "yes"}, "<class 'str'> cannot be used for always"),
        ({"timeout": "5 fortnights"}, "timeout: '5 fortnights' is not a duration"),
        ({"idle_timeout": 0}, "idle_timeout: 0 is not a duration"),
        ({"retries": -1}, "retries cannot be below zero"),
        ({"retries": 1.5}, "<class 'float'> cannot be used for retries"),
        ({"retry_on": ["timedout"]}, "does not know 'timedout'. Did you mean 'timed_out'?"),
        ({"retry_on": ["returned"]}, "does not know 'returned'."),
        ({"name": ""}, "name cannot be empty"),
        ({"name": 3}, "<class 'int'> cannot be used for name"),
        ({"needs": ["gpu"]}, "<class 'list'> cannot be used for needs"),
        ({"needs": {"memory": "4 apples"}}, "needs: '4 apples' of 'memory' is no amount"),
        ({"needs": {"gpu": 0}}, "needs: 0 of 'gpu' is no amount"),
        ({"memory_max": "4 apples"}, "memory_max: '4 apples' is not a size"),
        ({"memory_max": 0}, "memory_max: 0 is not a size"),
        ({"weight": 0}, "cannot be used for weight: give a number above zero"),
        ({"prefers": "nginx"}, "cannot be used for prefers: give a list, the best first"),
        ({"env": {"A=B": "1"}}, "'A=B' cannot be the name of a variable"),
        ({"env": {"A": 1}}, "A cannot be 1: give a string"),
        ({"exit_codes": 4}, "<class 'int'> cannot be used for exit_codes"),
        ({"after": [3]}, "after takes only strings, and 3 is none"),
        ({"on_fail": {"lock": "free"}}, "on_fail does not know 'lock'. Did you mean 'locks'?"),
        ({"on_fail": {"deps": "free"}}, "deps can be 'break' or 'keep', and 'free' is neither"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(fields, message):
    with pytest.raises(AttributeError) as refused:
        SchedMeta(**fields)

    assert message in str(refused.value)
    assert isinstance(refused.value, PexenError)


def test_an_update_that_is_refused_changes_nothing():
    body = plain()
    assign_val(body, requires=["net"])

    with pytest.raises(AttributeError):
        assign_val(body, requires=["disk"], timeout="1h", priority="high")

    assert meta.get_requires(body) == {"net"}
    assert not retrieve_meta(body).says("timeout")
    assert retrieve_meta(body).timeout is None


def test_metadata_made_apart_is_assigned_and_can_be_changed_afterwards():
    body = plain()
    apart = SchedMeta(priority=3)

    assert assign_meta(body, apart) is apart
    apart.priority = 5
    apart.provides.add("late")

    assert meta.get_priority(body) == 5
    assert meta.get_provides(body) == {"late"}


def test_assigning_without_metadata_gives_what_is_there_or_an_empty_one():
    body = plain()

    first = assign_meta(body)

    assert assign_meta(body) is first
    assert retrieve_meta(body) is first
    assert meta.get_kwargs(body) == {}


def test_reading_never_writes():
    body = plain()

    for read in (
        meta.get_requires,
        meta.get_provides,
        meta.get_uses,
        meta.get_claims,
        meta.get_priority,
        meta.get_kwargs,
    ):
        assert not read(body)
    spec_of(body, "body")

    assert vars(body) == {}
    assert not has_meta(body)
    with pytest.raises(AttributeError, match="has no metadata"):
        retrieve_meta(body)


def test_the_decorator_is_used_bare_and_with_arguments():
    @func_meta
    def bare():
        return "bare"

    @func_meta(priority=2, kwargs={"a": 1})
    def with_arguments(a):
        return a

    assert has_meta(bare)
    assert bare() == "bare"
    assert meta.get_kwargs(with_arguments) == {"a": 1}
    assert with_arguments(7) == 7


def test_decorators_stack_and_each_adds():
    @func_meta(requires=["net"])
    @func_meta(claims=["disk"], requires=["old"])
    def body():
        pass

    assert meta.get_claims(body) == {"disk"}
    assert meta.get_requires(body) == {"net"}


def test_task_declares_and_func_meta_does_not():
    @task
    def bare():
        pass

    @task(requires=["net"])
    def with_arguments():
        pass

    @func_meta
    def undeclared():
        pass

    assert spec_of(bare, "a").declared is Declared.TASK
    assert spec_of(with_arguments, "b").declared is Declared.TASK
    assert spec_of(with_arguments, "b").requires == ("net",)
    assert spec_of(undeclared, "c").declared is Declared.CALLABLE


def test_a_bound_method_shows_the_metadata_of_its_function_and_does_not_change_it():
    method = Disk().format

    assert meta.get_claims(method) == {"disk"}
    with pytest.raises(AttributeError, match=r"functools\.partial\(Disk\.format\)"):
        assign_val(method, priority=9)
    with pytest.raises(AttributeError, match=r"functools\.partial"):
        assign_meta(method, SchedMeta(priority=9))
    assert meta.get_priority(Disk.format) == 0


def test_a_builtin_takes_no_metadata_and_the_error_says_what_to_do():
    assert meta.get_requires(len) == set()
    with pytest.raises(AttributeError, match=r"task = functools\.partial\(len\)"):
        assign_val(len, requires=["net"])


def test_a_partial_shows_what_it_wraps_and_begins_a_copy_when_it_is_changed():
    first = functools.partial(Disk().format)
    second = functools.partial(first)

    assign_val(second, name="second", priority=1)

    assert meta.get_claims(first) == {"disk"}
    assert meta.get_claims(second) == {"disk"}
    assert meta.get_priority(second) == 1
    assert meta.get_priority(first) == 0
    assert retrieve_meta(Disk.format).name is None


def test_an_object_shows_the_metadata_of_its_call_and_keeps_changes_to_itself():
    one, other = Probe(), Probe()

    assign_val(one, priority=4)

    assert meta.get_uses(one) == meta.get_uses(other) == {"net"}
    assert (meta.get_priority(one), meta.get_priority(other)) == (4, 0)
    assert spec_of(one, "one").declared is Declared.TASK


def test_an_object_that_answers_to_every_attribute_has_no_metadata():
    class Anything:
        def __getattr__(self, name):
            return self

        def __call__(self):
            pass

    assert not has_meta(Anything())
    assert spec_of(Anything(), "any") == TaskSpec("any")


def test_a_spec_says_what_the_metadata_says():
    @task(
        requires=["net", "disk"],
        requires_all={"ready"},
        provides=["result"],
        after=["z/*", "a/*"],
        uses=["cpu"],
        claims=["/dev/sda"],
        priority=-1.5,
        always=True,
        timeout="1h30m",
        idle_timeout=90,
        retries=2,
        retry_on=["timed_out", Cause.SKIPPED],
        max_crashes=None,
        on_fail={"locks": "hold", "deps": "keep"},
    )
    def body():
        pass

    assert spec_of(body, "the/key") == TaskSpec(
        key="the/key",
        requires=("disk", "net"),
        requires_all=("ready",),
        provides=("result",),
        after=("a/*", "z/*"),
        uses=("cpu",),
        claims=("/dev/sda",),
        priority=-1.5,
        always=True,
        timeout=5400.0,
        idle_timeout=90.0,
        retries=2,
        retry_on=frozenset({Cause.TIMED_OUT, Cause.SKIPPED}),
        max_crashes=None,
        declared=Declared.TASK,
        on_fail_locks="hold",
        on_fail_deps="keep",
    )


def test_names_of_any_type_come_in_one_order():
    one, other = plain(), plain()
    names = [3, "3", ("a", 1), None, "b", frozenset({1})]

    assign_val(one, requires=names)
    assign_val(other, requires=set(names))

    assert spec_of(one, "k") == spec_of(other, "k")


def test_defaults_hold_for_what_a_task_does_not_say():
    silent, without_limit = plain(), plain()
    assign_val(without_limit, timeout=None, retries=0, max_crashes=3)
    defaults = Defaults(timeout=60.0, idle_timeout=5.0, retries=2)

    told = spec_of(silent, "silent", defaults)
    said = spec_of(without_limit, "without limit", defaults)

    assert (told.timeout, told.idle_timeout, told.retries, told.max_crashes) == (60.0, 5.0, 2, 1)
    assert (said.timeout, said.idle_timeout, said.retries, said.max_crashes) == (None, 5.0, 0, 3)
    assert told.retry_on == RETRIED


def test_what_metadata_says_can_be_read_in_a_log():
    assert repr(SchedMeta()) == "SchedMeta()"
    assert repr(SchedMeta(requires=["net"], retries=1)) == "SchedMeta(requires={'net'}, retries=1)"


def test_every_field_has_a_default_and_a_note():
    empty = SchedMeta()

    for field in FIELDS:
        assert not empty.says(field)
        assert field in SchedMeta.__annotations__
        assert field in meta.Fields.__annotations__
        setattr(empty, field, getattr(empty, field))
