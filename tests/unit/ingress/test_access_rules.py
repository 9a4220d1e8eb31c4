"""Every route says who may use it, and a key is what it says it is."""

from uuid import uuid4

import pytest
from flask import Flask

from gristmill.ingress.access.access_rules import AccessRule, access_rule_of, public, refuse_undeclared_routes, requires
from gristmill.ingress.app import create_app
from gristmill.shared.people.sessions import SCOPES_OF, Person, Tokens
from gristmill.shared.producers.keys import Key, ProducerPrincipal, new_key, read_token
from gristmill.shared.settings import Settings


def test_a_route_without_a_scope_stops_the_app_from_starting() -> None:
    app = Flask("forgetful", static_folder=None)
    app.add_url_rule("/open", "open", public(lambda: "open"))
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    with pytest.raises(RuntimeError, match="Routes without a scope: /forgotten"):
        refuse_undeclared_routes(app)


def test_a_scope_that_does_not_exist_is_refused_at_import() -> None:
    with pytest.raises(ValueError, match="jobs:read"):
        requires("jobs:raed")
    with pytest.raises(ValueError, match="give one or more"):
        requires()


def test_only_health_documentation_and_the_way_in_are_public(settings: Settings) -> None:
    app = create_app(settings)
    open_to_all = {rule.rule for rule in app.url_map.iter_rules() if declared(app, rule.endpoint).is_public}
    documentation = {"/openapi.json", "/docs", "/docs/page.js", "/docs/page.css"}
    way_in = {f"/api/v1/auth/{step}" for step in ("register", "login", "refresh")}
    assert open_to_all == {"/health", "/healthz", "/ready", "/readyz"} | documentation | way_in


def test_jobs_are_posted_with_keys_alone_and_people_are_told_of_themselves_alone(settings: Settings) -> None:
    app = create_app(settings)
    rules = [(rule.rule, declared(app, rule.endpoint)) for rule in app.url_map.iter_rules()]
    assert {rule for rule, needs in rules if needs.producers and not needs.people} == {
        "/api/v1/jobs",  # its GET takes people
        "/api/v1/jobs/batch",
        "/api/v1/webhook-secret",
    }
    assert {rule for rule, needs in rules if needs.people and not needs.producers} == {
        "/api/v1/auth/logout",
        "/api/v1/users/me",
    }
    assert all(needs.scopes for _, needs in rules if needs.producers)


def declared(app: Flask, endpoint: str) -> AccessRule:
    needs = access_rule_of(app, endpoint)
    assert needs is not None
    return needs


def test_a_token_is_read_as_the_key_it_was_written_from() -> None:
    key = new_key()
    assert read_token(key.token) == key
    assert key.matches(key.hash)
    assert not new_key().matches(key.hash)
    assert key.secret not in repr(key)


@pytest.mark.parametrize(
    "token",
    ["", "gm_", "gm_abc_def", new_key().token + "x", new_key().token[1:], "Ü" * 60],
    ids=["empty", "prefix", "short", "too long", "cut", "not ASCII"],
)
def test_what_is_not_written_like_a_key_is_none(token: str) -> None:
    assert read_token(token) is None


def test_a_key_does_not_match_the_hash_of_another_secret() -> None:
    assert not Key("0" * 12, "a" * 43).matches(Key("0" * 12, "b" * 43).hash)


def test_admin_has_every_scope_and_sees_everything() -> None:
    producer_id = uuid4()
    admin = ProducerPrincipal(producer_id=producer_id, name="a", key_id="k", scopes=frozenset({"admin"}))
    reader = ProducerPrincipal(producer_id=producer_id, name="r", key_id="k", scopes=frozenset({"jobs:read"}))
    assert admin.has_one_of(frozenset({"dead_letters:write"}))
    assert admin.sees is None
    assert reader.has_one_of(frozenset({"jobs:read", "jobs:write"}))
    assert not reader.has_one_of(frozenset({"jobs:write"}))
    assert reader.sees == producer_id


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("member", set(), {"jobs:read", "queues:read", "operator", "admin"}),
        ("operator", {"jobs:read", "queues:write", "operator"}, {"admin"}),
        ("admin", {"jobs:read", "operator", "admin"}, set()),
    ],
)
def test_a_role_has_the_scope_of_its_name_and_a_member_has_none(role: str, may: set[str], may_not: set[str]) -> None:
    person = Person(name="user:a@b.c", scopes=SCOPES_OF[role], user_id=uuid4(), session_id=uuid4(), role=role)
    assert all(person.has_one_of(frozenset({scope})) for scope in may)
    assert not any(person.has_one_of(frozenset({scope})) for scope in may_not)
    assert person.sees == (person.user_id if role == "member" else None)


def test_tokens_do_not_show_themselves() -> None:
    assert "abc" not in repr(Tokens(access_token="abc1", refresh_token="abc2"))
