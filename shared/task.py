"""Declare a task with `@task`, and look tasks up in the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Required, TypedDict, Unpack, overload

from marshmallow import Schema, ValidationError

from gristmill.shared.args import PlainArgs, flatten
from gristmill.shared.contract.contract import Contract, make_contract, make_schema
from gristmill.shared.contract.handler import Handler, handler_problem, load_handler, origin_of, summary_of
from gristmill.shared.contract.options import Effects, bundle_problem, limit_problem
from gristmill.shared.contract.refusal import FieldRefusedError
from gristmill.shared.errors import InternalTaskError, InvalidArgsError, TaskDefinitionError, UnknownTaskError
from gristmill.shared.queues import QUEUES, Queue
from gristmill.shared.retry import RetryPolicy

ManyHandler = Callable[..., Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Code with a name, an argument schema, a queue and a retry policy. Calling it calls the handler.

    Attributes:
        named_handler: the function, or its name, `shop.heavy:build_report`: see `handler`.
        named_many: the same of the handler for many.
        contract: the arguments as a producer sends them.
        module: the module that declares the task.
        time_limit: how long one attempt may take.
        effects: `database`: the handler works on `ctx.session`, and its effects commit with the job's completion.
            `outside`: it talks to the world under a lease, and keeps what it did in a ledger.
        bundle: how many jobs one hint may carry, one commit ending them all.
        demo: only there when GRISTMILL_DEMO_TASKS is on.
        internal: enqueued by the platform alone; nobody posts or schedules it.
    """

    name: str
    named_handler: Handler | str
    schema: Schema
    queue_name: str
    retry: RetryPolicy
    time_limit: timedelta
    effects: Effects
    bundle: int
    named_many: ManyHandler | str | None
    demo: bool
    internal: bool
    contract: Contract
    module: str
    line: int

    def __call__(self, ctx: Any, /, **args: Any) -> Any:
        """Run the handler, as a worker would with validated arguments."""
        return self.handler(ctx, **args)

    @property
    def declared_at(self) -> str:
        """The module and the line of the declaration."""
        return f"{self.module}, line {self.line}"

    @cached_property
    def queue(self) -> Queue:
        """The queue of its jobs.

        Raises:
            TaskDefinitionError: no plugin that is loaded declares this queue.
        """
        queue = QUEUES.get(self.queue_name)
        if queue is None:
            msg = f"@task {self.name} in {self.declared_at}: no queue is called {self.queue_name!r}; "
            raise TaskDefinitionError(msg + f"choose one of {', '.join(QUEUES)}, or declare it in your Plugin")
        return queue

    @cached_property
    def handler(self) -> Handler:
        """The function that runs a job.

        One that was named by text is imported by the first look at it, and compared with the schema then.

        Raises:
            TaskDefinitionError: it does not fit the schema, or its module has no such function.
        """
        return load_handler(self.named_handler, self.name, self.schema)

    @cached_property
    def many(self) -> ManyHandler | None:
        """The handler for many, or None.

        It takes all jobs of a bundle at once (a list of `context.Call`, which share one session) and returns their
        results in order. When it raises, or a result is an outcome, all it did is undone, and each job goes through the
        handler by itself.
        """
        return None if self.named_many is None else load_handler(self.named_many, self.name)

    def resolve(self) -> None:
        """Import what is named by text, as a worker does at its start.

        Raises:
            TaskDefinitionError: a handler does not fit the schema, or a module has no such function.
            Exception: whatever a module raises when it is imported, with a note that names the task.
        """
        _ = self.handler, self.many

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring, or the declared summary."""
        return self.contract.summary

    @property
    def secret_args(self) -> frozenset[str]:
        """Names of the arguments that are sealed in the database: schema fields with `metadata={"secret": True}`."""
        return self.contract.secret

    @cached_property
    def _plain_args(self) -> PlainArgs:
        return PlainArgs(self.schema)

    def load_args(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return `args` (as JSON knows them) as the handler takes them.

        Raises:
            InvalidArgsError: they do not fit the schema; `details` has each wrong field by its path.
        """
        plain = self._plain_args.load(args)
        if plain is not None:
            return plain
        try:
            loaded: dict[str, Any] = self.schema.load(args)
        except ValidationError as error:
            msg = f"The arguments of {self.name} are not valid: see details, and GET /api/v1/tasks for its schema"
            raise InvalidArgsError(msg, flatten(error.messages, "args")) from None
        return loaded


class Registry:
    """The tasks of this process, by name.

    Attributes:
        outside: names of the tasks with `effects="outside"`, kept here because each claim asks for them.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self.outside: tuple[str, ...] = ()

    def add(self, task: Task) -> None:
        """Register `task`.

        Raises:
            TaskDefinitionError: its name is taken.
        """
        if task.name in self._tasks:
            other = self._tasks[task.name].declared_at
            msg = f"@task {task.name} in {task.declared_at}: the name is taken by the task in {other}; choose another"
            raise TaskDefinitionError(msg)
        self._tasks[task.name] = task
        if task.effects == "outside":
            self.outside = (*self.outside, task.name)

    def remove(self, name: str) -> None:
        """Forget the task of this name, as a test does with one that it declared.

        Raises:
            KeyError: there is none.
        """
        del self._tasks[name]
        self.outside = tuple(other for other in self.outside if other != name)

    def get(self, name: str, *, demo: bool = True) -> Task:
        """Return the task of this name.

        Raises:
            UnknownTaskError: there is none, or it is a demo task and `demo` is off.
        """
        task = self._tasks.get(name)
        if task is None or (task.demo and not demo):
            msg = f"No task is called {name!r}: GET /api/v1/tasks lists them"
            raise UnknownTaskError(msg, {"task": [f"unknown task {name!r}"]})
        return task

    def get_for_posting(self, name: str, *, demo: bool) -> Task:
        """Return the task of this name, for somebody who wants to post or to schedule it.

        Raises:
            UnknownTaskError: there is none, or it is a demo task and `demo` is off.
            InternalTaskError: the platform alone enqueues it.
        """
        if (task := self.get(name, demo=demo)).internal:
            msg = f"{name} is enqueued by the platform alone: {task.summary}"
            raise InternalTaskError(msg, {"task": [msg]})
        return task

    def find(self, name: str) -> Task | None:
        """Return the task of this name, or None."""
        return self._tasks.get(name)

    def __iter__(self) -> Iterator[Task]:
        """Iterate over the tasks by name."""
        return iter(sorted(self._tasks.values(), key=lambda task: task.name))


registry: Final = Registry()


class TaskOptions(TypedDict, total=False):
    """Options of `task`; `_declare` has their defaults."""

    name: Required[str]
    queue: Required[str]
    args: Required[type[Schema]]
    retry: RetryPolicy | None
    time_limit: timedelta
    effects: Effects
    bundle: int
    many: ManyHandler | str | None
    summary: str | None
    demo: bool
    internal: bool
    into: Registry


@overload
def task(*, handler: str, **options: Unpack[TaskOptions]) -> Task: ...
@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Handler], Task]: ...
def task(*, handler: str | None = None, **options: Unpack[TaskOptions]) -> Task | Callable[[Handler], Task]:
    """Declare a task. A declaration that cannot work is refused at import.

    Args:
        handler: names the handler, `shop.heavy:build_report`, so that workers alone import its module: `task` returns
            the task, and needs a `summary`. Without a name, `task` decorates the handler.

    Raises:
        TaskDefinitionError: says which option or argument is wrong and what to write instead.
    """
    return _declare(handler, **options) if handler is not None else lambda function: _declare(function, **options)


def _declare(
    handler: Handler | str,
    *,
    name: str,
    queue: str,
    args: type[Schema],
    retry: RetryPolicy | None = None,
    time_limit: timedelta = timedelta(seconds=30),
    effects: Effects = "database",
    bundle: int = 1,
    many: ManyHandler | str | None = None,
    summary: str | None = None,
    demo: bool = False,
    internal: bool = False,
    into: Registry = registry,
) -> Task:
    problem = (
        _name_problem(name)
        or limit_problem(effects, time_limit)
        or bundle_problem(bundle, effects=effects, time_limit=time_limit, many=many)
        or handler_problem(handler, many, summary)
    )
    if problem is not None:
        raise TaskDefinitionError(f"@task {name}: {problem}")
    try:
        schema = make_schema(args)
        contract = make_contract(schema, summary=summary or summary_of(handler, name))
    except FieldRefusedError as error:
        raise TaskDefinitionError(f"@task {name}: {error}") from error.__cause__
    module, line = origin_of(handler)
    made = Task(
        name=name,
        named_handler=handler,
        schema=schema,
        queue_name=queue,
        retry=retry or RetryPolicy(),
        time_limit=time_limit,
        effects=effects,
        bundle=bundle,
        named_many=many,
        demo=demo,
        internal=internal,
        contract=contract,
        module=module,
        line=line,
    )
    if callable(handler):
        load_handler(handler, name, schema)
    into.add(made)
    return made


def _name_problem(name: str) -> str | None:
    if "." not in name or name != name.lower() or not name.isascii():
        return "the name must read like `email.send`: lower case, with a dot"
    return None
