"""The choice of the platform that a command works on, and the file that keeps the keys."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from gristmill.backends.profiles import Profile, ProfileError, changing_profiles, profiles_file, read_profiles
from gristmill.backends.target import check_url, choose_target
from gristmill.shared.errors import SettingsError

PAIR = {"GRISTMILL_URL": "https://env.example.com", "GRISTMILL_API_KEY": "gm_env_x"}
DATABASE = {"GRISTMILL_DATABASE_URL": "postgresql://db/mill"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with two profiles, one of them in use."""
    for name in [name for name in os.environ if name.startswith("GRISTMILL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    with changing_profiles() as known:
        known["profiles"] = {
            "one": Profile("https://one.example.com", "gm_one_x"),
            "two": Profile("https://two.example.com", guarded=True),
        }
        known["current"] = "one"
    return tmp_path


@pytest.mark.parametrize(
    ("flag", "env", "dotenv", "url"),
    [
        (None, {}, {}, "https://one.example.com"),
        (None, PAIR, {}, "https://env.example.com"),
        (None, PAIR | DATABASE, {}, "https://env.example.com"),
        (None, PAIR | {"GRISTMILL_PROFILE": "one"}, {}, "https://env.example.com"),
        ("one", PAIR | DATABASE, {}, "https://one.example.com"),
        (None, DATABASE | {"GRISTMILL_PROFILE": "one"}, {}, "https://one.example.com"),
        (None, {"GRISTMILL_PROFILE": "one"}, PAIR, "https://one.example.com"),
        (None, {}, PAIR, "https://env.example.com"),
        (None, DATABASE, {}, None),
        (None, {}, DATABASE, None),
        (None, {"GRISTMILL_URL": ""} | DATABASE, {}, None),
    ],
)
def test_the_nearest_of_what_is_given_wins(
    home: Path, monkeypatch: pytest.MonkeyPatch, flag: str | None, env: dict[str, str], dotenv: dict[str, str], url: str
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in dotenv.items()))
    address = choose_target(flag).address
    assert (address.url if address is not None else None) == url


def test_an_up_in_this_folder_wins_over_the_profile_in_use(home: Path) -> None:
    (home / ".gristmill").mkdir()
    (home / ".gristmill" / "settings").write_text("export GRISTMILL_DATABASE_URL=postgresql://127.0.0.1/mill\n")
    assert choose_target().address is None
    assert choose_target("one").address is not None


def test_a_key_is_never_sent_to_a_url_of_another_source(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".env").write_text("GRISTMILL_URL=https://evil.example.com\n")
    monkeypatch.setenv("GRISTMILL_API_KEY", "gm_env_x")
    with pytest.raises(SettingsError, match=r"GRISTMILL_API_KEY in \.env is not set"):
        choose_target()
    address = choose_target("one").address
    assert address is not None
    assert address.key == "gm_one_x"


def test_a_profile_without_a_key_takes_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="holds no key"):
        choose_target("two")
    monkeypatch.setenv("GRISTMILL_API_KEY", "gm_env_x")
    target = choose_target("two")
    assert target.address is not None
    assert (target.address.key, target.guarded_by) == ("gm_env_x", "two")


@pytest.mark.parametrize(
    "url", ["", "mill", "ftp://x", "https://", "http://x:0", "https://x?y", "http://[", "http://x:y"]
)
def test_what_is_no_url_of_an_api_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"--url: .* is no URL of an API"):
        check_url(url, "--url")


def test_a_url_may_end_with_the_path_of_the_api() -> None:
    assert check_url("https://x.example.com/mill/api/v1/", "--url") == "https://x.example.com/mill"


def test_only_its_owner_may_read_the_file_of_the_keys() -> None:
    path = profiles_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o640)
    with pytest.raises(ProfileError, match="chmod 600"):
        read_profiles()


def test_a_file_that_is_damaged_is_told_and_not_replaced() -> None:
    path = profiles_file()
    for damaged in ("{", "[]", '{"profiles": {"a": {"uri": "x"}}}'):
        path.write_text(damaged)
        with pytest.raises(ProfileError, match="does not hold profiles"), changing_profiles():
            pytest.fail("nothing may be changed")
        assert path.read_text() == damaged


def test_profiles_that_are_added_at_the_same_time_are_all_kept() -> None:
    def add(number: int) -> None:
        with changing_profiles() as known:
            known["profiles"][f"p{number}"] = Profile("https://x.example.com", "gm_x_y")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads(profiles_file().read_text())["profiles"]) == 10


def test_a_key_is_in_no_repr_and_only_its_public_half_is_shown() -> None:
    profile = Profile("https://x", "gm_4f1c09a2b7d3_hushhush")
    assert ("hush" in repr(profile), profile.shown_key) == (False, "4f1c09a2b7d3")
    assert [Profile("u", key).shown_key for key in ("", "eyJhbGciOi.x", "gm_x")] == ["none", "a token", "a token"]
