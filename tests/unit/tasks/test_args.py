"""Tasks accept valid arguments, and name the path of what is wrong."""

from typing import Any

import pytest

from gristmill.shared.errors import InvalidArgsError
from gristmill.shared.task import Task, registry
from tests import platform_tasks as tasks

USER = {"email": "ada@example.com", "password": "Lovelace1", "full_name": "Ada"}
MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "…"}
NOTE = {"user_id": "01a1fd1d-0e15-743e-a299-b33847ad48c0", "title": "t", "body": "b"}
NOTICE = {"channels": ["webhook"], "title": "t", "body": "b", "webhook_url": "https://example.com/hook"}


def test_every_task_of_the_platform_is_registered_under_its_wire_name() -> None:
    assert {task.name for task in registry} >= {
        "user.create",
        "user.send_verification",
        "email.send",
        "notification.in_app",
        "notification.send",
        "processing.record",
        "processing.aggregate_hour",
        "demo.echo",
        "demo.fail",
        "demo.linger",
        "demo.sleep",
        "demo.crash",
        "demo.effect",
    }
    assert {task.name for task in registry if task.demo} == {
        "demo.echo",
        "demo.fail",
        "demo.linger",
        "demo.sleep",
        "demo.crash",
        "demo.effect",
    }


def test_the_password_of_a_new_user_is_the_only_sealed_argument() -> None:
    assert {task.name: task.secret_args for task in registry if task.secret_args} == {
        "user.create": frozenset({"password"})
    }


@pytest.mark.parametrize(
    ("task", "args", "path"),
    [
        (tasks.notify_in_app, NOTE | {"data": {"x": "y" * 33_000}}, "args.data"),
        (tasks.notify_in_app, NOTE | {"title": ""}, "args.title"),
        (tasks.create_user, USER | {"email": "not an address"}, "args.email"),
        (tasks.create_user, USER | {"email": "a@b.example\r\nBcc: x@y.example"}, "args.email"),
        (tasks.create_user, USER | {"password": "short"}, "args.password"),
        (tasks.create_user, USER | {"role": "admin"}, "args.role"),
        (tasks.create_user, USER | {"full_name": ""}, "args.full_name"),
        (tasks.create_user, USER | {"is_admin": True}, "args.is_admin"),
        (tasks.send_email, MAIL | {"to": "ada"}, "args.to"),
        (tasks.send_email, MAIL | {"subject": "Hello\nBcc: x@y.example"}, "args.subject"),
        (tasks.send_email, {"to": "ada@example.com"}, "args.text"),
        (tasks.send_email, MAIL | {"template": "welcome", "context": {"name": "Ada"}}, "args.subject"),
        (tasks.send_email, {"to": "ada@example.com", "template": "no such"}, "args.template"),
        (tasks.send_email, {"to": "ada@example.com", "template": "welcome"}, "args.context.name"),
        (
            tasks.send_email,
            {"to": "ada@example.com", "template": "welcome", "context": {"name": "Ada", "nmae": "x"}},
            "args.context.nmae",
        ),
        (
            tasks.send_email,
            {"to": "ada@example.com", "template": "welcome", "context": {"name": ["Ada"]}},
            "args.context.name.value",
        ),
        (tasks.send_email, MAIL | {"context": {"name": "Ada"}}, "args.context"),
        (tasks.send_notification, NOTICE | {"channels": []}, "args.channels"),
        (tasks.send_notification, NOTICE | {"channels": ["pigeon"]}, "args.channels"),
        (tasks.send_notification, NOTICE | {"channels": ["webhook", "webhook"]}, "args.channels"),
        (tasks.send_notification, NOTICE | {"channels": ["in_app"]}, "args.user_id"),
        (tasks.send_notification, NOTICE | {"webhook_url": None}, "args.webhook_url"),
        (tasks.send_notification, NOTICE | {"webhook_url": "file:///etc/passwd"}, "args.webhook_url"),
        (tasks.send_notification, NOTICE | {"data": {"x": "y" * 40_000}}, "args.data"),
        (tasks.process_record, {"stream": "No Such", "data": {}}, "args.stream"),
        (tasks.process_record, {"stream": "ok\n", "data": {}}, "args.stream"),
        (tasks.process_record, {"stream": "s", "data": []}, "args.data"),
        (tasks.process_record, {"stream": "s", "data": {}, "occurred_at": "2026-01-01T00:00:00"}, "args.occurred_at"),
        (tasks.aggregate_hour, {"hour": "yesterday"}, "args.hour"),
        (
            tasks.aggregate_hour,
            {"hour": "2026-11-21T09:00:00Z", "before": "2026-11-21T10:00:00Z"},
            "args.before",
        ),
        (tasks.sleep, {"seconds": 3601}, "args.seconds"),
        (tasks.sleep, {"seconds": "NaN"}, "args.seconds"),
        (tasks.fail, {"times": 1, "kind": "odd"}, "args.kind"),
        (tasks.fail, {"times": -2}, "args.times"),
        (tasks.crash, {"times": True}, "args.times"),
        (tasks.echo, {}, "args.message"),
    ],
)
def test_wrong_arguments_are_refused_by_their_path(task: Task, args: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgsError) as refused:
        task.load_args(args)
    assert path in refused.value.details


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ada@EXAMPLE.com", "Ada@example.com"),
        ("ada@bücher.example.de", "ada@xn--bcher-kva.example.de"),
        ("ädä@example.com", "ädä@example.com"),
        ("ada@mill.test", "ada@mill.test"),
    ],
)
def test_an_address_is_normalised(given: str, kept: str) -> None:
    assert tasks.create_user.load_args(USER | {"email": given})["email"] == kept
