"""Declare a task with `@task`, and look tasks up in the registry."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Literal

from marshmallow import Schema, ValidationError, missing

from gristmill.shared.args import PlainArgs
from gristmill.shared.errors import InternalTaskError, InvalidArgsError, TaskDefinitionError, UnknownTaskError
from gristmill.shared.queues import QUEUES, Queue
from gristmill.shared.retry import RetryPolicy

Effects = Literal["database", "outside"]
Handler = Callable[..., Any]
ManyHandler = Callable[..., Sequence[Any]]

SHORTEST_LIMIT: Final = timedelta(seconds=1)
LONGEST_LIMIT: Final = timedelta(hours=6)  # RabbitMQ is told to wait this long for an ack, and a little more
LARGEST_BUNDLE: Final = 250


@dataclass(frozen=True, kw_only=True)
class Task:
    """Code with a name, an argument schema, a queue and a retry policy. Calling it calls the handler.

    Attributes:
        time_limit: how long one attempt may take.
        effects: `database`: the handler works on `ctx.session`, and its effects commit with the job's completion.
            `outside`: it talks to the world under a lease, and keeps what it did in a ledger.
        bundle: how many jobs one hint may carry, one commit ending them all.
        many: takes all jobs of a bundle at once (a list of `context.Call`, which share one session) and returns
            their results in order. When it raises, or a result is an outcome, all it did is undone, and each job goes
            through the handler by itself.
        demo: only there when GRISTMILL_DEMO_TASKS is on.
        internal: enqueued by the platform alone; nobody posts or schedules it.
    """

    name: str
    handler: Handler
    schema: Schema
    queue_name: str
    retry: RetryPolicy
    time_limit: timedelta
    effects: Effects
    bundle: int
    many: ManyHandler | None
    demo: bool
    internal: bool

    def __call__(self, ctx: Any, /, **args: Any) -> Any:
        """Run the handler, as a worker would with validated arguments."""
        return self.handler(ctx, **args)

    @property
    def module(self) -> str:
        """The module that declares the task."""
        return self.handler.__module__

    @cached_property
    def queue(self) -> Queue:
        """The queue of its jobs.

        Raises:
            TaskDefinitionError: no plugin that is loaded declares this queue.
        """
        queue = QUEUES.get(self.queue_name)
        if queue is None:
            msg = f"@task {self.name} in {self.module}: no queue is called {self.queue_name!r}; "
            raise TaskDefinitionError(msg + f"choose one of {', '.join(QUEUES)}, or declare it in your Plugin")
        return queue

    @cached_property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or self.name).splitlines()[0]

    @cached_property
    def secret_args(self) -> frozenset[str]:
        """Names of the arguments that are sealed in the database: schema fields with `metadata={"secret": True}`."""
        return frozenset(name for name, field in self.schema.fields.items() if field.metadata.get("secret"))

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


def flatten(messages: Any, path: str) -> dict[str, list[str]]:
    """Return marshmallow's nested messages as `{"args.address.city": ["…"]}`."""
    if isinstance(messages, Mapping):
        flat: dict[str, list[str]] = {}
        for name, inner in messages.items():
            inner_path = path if name == "_schema" else f"{path}.{name}".lstrip(".")
            for key, texts in flatten(inner, inner_path).items():
                flat.setdefault(key, []).extend(texts)
        return flat
    return {path: [str(text) for text in messages] if isinstance(messages, list) else [str(messages)]}


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
            other = self._tasks[task.name].handler
            msg = f"@task {task.name}: the name is taken by {other.__module__}.{other.__qualname__}; choose another"
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


def task(
    *,
    name: str,
    queue: str,
    args: type[Schema],
    retry: RetryPolicy | None = None,
    time_limit: timedelta = timedelta(seconds=30),
    effects: Effects = "database",
    bundle: int = 1,
    many: ManyHandler | None = None,
    demo: bool = False,
    internal: bool = False,
    into: Registry = registry,
) -> Callable[[Handler], Task]:
    """Declare a task. A declaration that cannot work is refused at import.

    Raises:
        TaskDefinitionError: says which option is wrong and what to write instead.
    """

    def refuse(problem: str) -> TaskDefinitionError:
        return TaskDefinitionError(f"@task {name}: {problem}")

    problem = (
        _name_problem(name)
        or _effects_problem(effects, time_limit)
        or _bundle_problem(bundle, effects=effects, time_limit=time_limit, many=many)
    )
    if problem is not None:
        raise refuse(problem)

    def declare(handler: Handler) -> Task:
        schema = args()
        _match(handler, schema, refuse)
        made = Task(
            name=name,
            handler=handler,
            schema=schema,
            queue_name=queue,
            retry=retry or RetryPolicy(),
            time_limit=time_limit,
            effects=effects,
            bundle=bundle,
            many=many,
            demo=demo,
            internal=internal,
        )
        into.add(made)
        return made

    return declare


def _name_problem(name: str) -> str | None:
    if "." not in name or name != name.lower() or not name.isascii():
        return "the name must read like `email.send`: lower case, with a dot"
    return None


def _effects_problem(effects: str, time_limit: timedelta) -> str | None:
    if not SHORTEST_LIMIT <= time_limit <= LONGEST_LIMIT:
        return f"time_limit={time_limit} must lie between {SHORTEST_LIMIT} and {LONGEST_LIMIT}"
    if effects not in ("database", "outside"):
        return f'effects={effects!r}: write "database" or "outside"'
    return None


def _bundle_problem(bundle: int, *, effects: Effects, time_limit: timedelta, many: ManyHandler | None) -> str | None:
    if not 1 <= bundle <= LARGEST_BUNDLE:
        return f"bundle={bundle} must lie between 1 and {LARGEST_BUNDLE}"
    if bundle > 1 and effects == "outside":
        return 'a task with effects="outside" runs alone: leave bundle at 1'
    if many is not None and bundle == 1:
        return "a handler for many needs bundles: write bundle=32, for instance"
    if longest_run(time_limit, bundle) > LONGEST_LIMIT:
        return f"bundle={bundle} with time_limit={time_limit} may run longer than {LONGEST_LIMIT}: lower one"
    return None


def longest_run(time_limit: timedelta, jobs: int) -> timedelta:
    """Return how long a hint of `jobs` jobs may run: each once, or each twice where one of many fails."""
    return time_limit * jobs * (1 if jobs == 1 else 2)


def _match(handler: Handler, schema: Schema, refuse: Callable[[str], TaskDefinitionError]) -> None:
    """Refuse a handler whose keywords are not the fields of its schema."""
    parameters = list(inspect.signature(handler).parameters.values())
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise refuse("the handler's first parameter is the context: write `def handler(ctx: Context, *, …)`")
    keywords = parameters[1:]
    if any(parameter.kind is not inspect.Parameter.KEYWORD_ONLY for parameter in keywords):
        raise refuse("the handler takes its arguments by keyword: put `*,` after `ctx`")
    fields = {field.attribute or field_name: field for field_name, field in schema.fields.items()}
    names = {parameter.name for parameter in keywords}
    if names != fields.keys():
        missing, extra = sorted(fields.keys() - names), sorted(names - fields.keys())
        raise refuse(f"handler and schema differ: the handler lacks {missing}, the schema lacks {extra}")
    for parameter in keywords:
        field = fields[parameter.name]
        optional = parameter.default is not inspect.Parameter.empty
        if not optional and not field.required and not _has_load_default(field):
            raise refuse(f"{parameter.name} is optional in the schema: give it a default in the handler too")


def _has_load_default(field: Any) -> bool:
    return field.load_default is not missing
