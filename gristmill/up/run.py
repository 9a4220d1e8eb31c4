"""Run `gristmill up`, from its first check to the end of its last process."""

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from gristmill.generate.project import project_above
from gristmill.ports import LOOPBACK
from gristmill.process import ServiceFailedError
from gristmill.shared.plugins.discover import project_reference
from gristmill.shared.settings import Settings, environment, load_settings
from gristmill.up.check_plugins import describe_failure, planned_workers
from gristmill.up.environment import child_environment, given_settings, port_of, require_free
from gristmill.up.folder import Folder
from gristmill.up.launcher import Launcher
from gristmill.up.plan import Embedded, Options, choose_embedded, programs
from gristmill.up.platform import Platform, answers
from gristmill.up.screen import ready_screen
from gristmill.up.settings import MAIL_PORT
from gristmill.up.signals import StopRequestedError
from gristmill.up.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    settings: Settings
    embedded: Embedded
    url: str
    workers: dict[str, int]
    is_project: bool


def run(options: Options) -> int:
    """Run the platform until SIGINT, SIGTERM or SIGHUP; return the exit code.

    Raises:
        ServiceFailedError: it could not be started, with what to do; everything that was started is stopped.
        PortInUseError: a port is taken, with its holder and the setting that changes it.
        SettingsError: a setting is wrong.
    """
    began = time.monotonic()
    given = given_settings()
    if options.port is not None:
        given["GRISTMILL_PORT"] = str(options.port)
    url = f"http://{LOOPBACK}:{port_of(given, 'GRISTMILL_PORT', 8000)}"
    folder = Folder(options.data)
    with folder.locked(url):
        prepared = _prepare(options, folder, given, url)
        terminal = Terminal()
        platform = Platform(folder, terminal)
        terminal.line(f"Starting Gristmill in {folder.path}")
        if not prepared.is_project and (above := project_above(Path.cwd())):
            terminal.line(f"The project in {above} is not part of it: to run that, stop this and start it there")
        try:
            launcher = _start(platform, prepared, folder, terminal, flower=options.flower)
            terminal.line(_screen(prepared, folder, options))
            if reloads := options.reload and prepared.is_project:
                _reload_on_change(platform, prepared, launcher)
            what = "A changed file is reloaded. " if reloads else ""
            terminal.line(f"ready in {time.monotonic() - began:.1f} s. {what}Ctrl-C stops it.")
            platform.supervise()
        except StopRequestedError:
            pass
        finally:
            terminal.line("Stopping")
            ending = time.monotonic()
            platform.stop()
        terminal.line(f"Stopped in {time.monotonic() - ending:.1f} s")
    return 0


def _prepare(options: Options, folder: Folder, given: dict[str, str], url: str) -> _Prepared:
    """Check everything that could be wrong before anything is started."""
    public = _public_ports(options, given)
    embedded = choose_embedded(options, folder, given, public=public)
    listened = {setting: port for setting, port in public.items() if setting != "GRISTMILL_MAIL_PORT"}
    require_free(listened, given.get("GRISTMILL_HOST", LOOPBACK), embedded.ports)
    made = {
        "GRISTMILL_SECRET_KEY": folder.secret("secret_key"),
        "GRISTMILL_FLOWER_PASSWORD": folder.secret("flower_password"),
        "GRISTMILL_PUBLIC_URL": url,
        "GRISTMILL_LOG_FORMAT": "console",
        "GRISTMILL_DEMO_TASKS": "true",
        "GRISTMILL_WORKER_EVENTS": "true",
        "GRISTMILL_ALLOW_PRIVATE_WEBHOOKS": "true",
        "GRISTMILL_ALLOW_HTTP_CALLBACKS": "true",
    }
    os.environ.update({**made, **embedded.settings, **given})
    settings = load_settings(dotenv=None)
    workers, is_project = _plan_workers(), project_reference(Path.cwd()) is not None
    return _Prepared(settings=settings, embedded=embedded, url=url, workers=workers, is_project=is_project)


def _plan_workers() -> dict[str, int]:
    """Load the plugins, whose queues need workers.

    Raises:
        ServiceFailedError: one of them cannot be loaded; tells why and who names it.
    """
    try:
        return planned_workers()
    except Exception as error:
        raise ServiceFailedError(describe_failure(error)) from error


def _public_ports(options: Options, given: dict[str, str]) -> dict[str, int]:
    """Return the ports that people use, by their settings."""
    defaults = {"GRISTMILL_PORT": 8000, "GRISTMILL_MAIL_PORT": MAIL_PORT}
    if options.flower:
        defaults["GRISTMILL_FLOWER_PORT"] = 5555
    return {setting: port_of(given, setting, default) for setting, default in defaults.items()}


def _start(platform: Platform, prepared: _Prepared, folder: Folder, terminal: Terminal, *, flower: bool) -> Launcher:
    values = environment(prepared.settings)
    folder.write_settings(values)
    platform.start_servers(prepared.embedded, _import_what_comes_next)
    platform.run_step("migrations", lambda: _migrate(prepared.settings))
    platform.run_step("API key", lambda: _make_key(prepared, folder))
    platform.run_step("schedules", lambda: _write_schedules(prepared.settings))
    launcher = Launcher(env=child_environment(values), logs=folder.logs, report=terminal.report)
    platform.start_programs(launcher, programs(prepared.workers, flower=flower))
    platform.wait_until_ready(prepared.settings.host, prepared.settings.port)
    return launcher


def _reload_on_change(platform: Platform, prepared: _Prepared, launcher: Launcher) -> None:
    host, port = prepared.settings.host, prepared.settings.port
    platform.reload_on_change(Path.cwd(), launcher, lambda: answers(host, port))


def _screen(prepared: _Prepared, folder: Folder, options: Options) -> str:
    return ready_screen(prepared.settings, prepared.embedded, folder, prepared.url, flower=options.flower)


def _import_what_comes_next() -> None:
    """Import these while the servers start: they take half a second."""
    import gristmill.shared.database.connect  # noqa: F401
    from gristmill import migrations  # noqa: F401


def _migrate(settings: Settings) -> None:
    from gristmill import migrations

    migrations.upgrade(settings.direct_url.reveal())


def _write_schedules(settings: Settings) -> None:
    """Write the schedules of the code, as beat does, which starts when everything else is ready."""
    import structlog

    from gristmill.shared.database.connect import opened
    from gristmill.shared.plugins.load import load_plugins
    from gristmill.shared.schedules.defaults import sync_schedules

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with opened(settings, application_name="gristmill up") as database, database.transaction() as session:
        sync_schedules(session, load_plugins().schedules)


def _make_key(prepared: _Prepared, folder: Folder) -> None:
    from gristmill.up.admin import admin_key

    key = admin_key(prepared.settings, folder)
    mail = {"GRISTMILL_MAIL_URL": prepared.embedded.mail.url} if prepared.embedded.mail else {}
    folder.write_shell_file({"GRISTMILL_URL": prepared.url, "GRISTMILL_API_KEY": key, **mail})
