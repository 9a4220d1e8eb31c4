"""Check and seal arguments, as far as this process knows their task."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from gristmill.shared.base.secret import Secret
from gristmill.shared.errors import InternalTaskError, InvalidError, SettingsError
from gristmill.shared.jobs.encode_args import encode_args
from gristmill.shared.task import Task, registry

if TYPE_CHECKING:
    from gristmill.shared.jobs.options import JobOptions

SETTING: Final = "GRISTMILL_SECRET_KEY"
_SHORTEST_KEY: Final = 32  # as `gristmill.shared.settings` requires


def args_to_send(task: Task | str, args: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a task, and its arguments as JSON values, secret ones sealed.

    A task that this process does not declare is left to the database.

    Raises:
        InvalidArgsError: the arguments do not fit the task.
        InternalTaskError: only other tasks enqueue it.
        SettingsError: it has a secret argument, and there is no key to seal it with.
    """
    known = registry.find(task) if isinstance(task, str) else task
    if known is None:
        return str(task), encode_args(str(task), args)
    if known.internal:
        msg = f"{known.name} is enqueued by other tasks alone: {known.summary}"
        raise InternalTaskError(msg, {"task": [msg]})
    plain = encode_args(known.name, args)
    known.load_args(plain)
    return known.name, _sealed(known, plain)


def _sealed(task: Task, plain: dict[str, Any]) -> dict[str, Any]:
    secret = {name for name in task.secret_args if plain.get(name) is not None}
    if not secret:
        return plain
    from gristmill.shared.base.sealing import seal

    return seal(_secret_key(task.name, secret), plain, task.secret_args)


def _secret_key(task: str, secret: set[str]) -> Secret:
    key = os.environ.get(SETTING, "")
    if len(key) < _SHORTEST_KEY:
        named = ", ".join(sorted(secret))
        msg = (
            f"{task} has the secret argument {named}, which is encrypted before it is stored: set {SETTING} in the "
            "environment of this process to the value that the processes of Gristmill have"
        )
        raise SettingsError(msg, {SETTING: ["is not set" if not key else f"has fewer than {_SHORTEST_KEY} characters"]})
    return Secret(key)


def check_options(options: JobOptions) -> None:
    """Refuse options that only the platform's own sessions know, and times that mean another one on another machine.

    Raises:
        InvalidError: names the option.
    """
    if options.producer_id is not None:
        raise _refusal("producer_id", "the database enqueues for no producer; leave it out")
    for name in ("run_at", "expires_at"):
        time = getattr(options, name)
        if time is not None and time.utcoffset() is None:
            raise _refusal(name, "a time without a zone; write datetime.now(UTC), for instance")


def _refusal(option: str, problem: str) -> InvalidError:
    return InvalidError(f"The option {option} is not valid: {problem}", {option: [problem]})
