"""Screen that `up` shows when the platform is ready."""

import json
import shlex
from typing import Final

from gristmill.services.rabbitmq import RabbitMQ
from gristmill.shared.settings import Settings
from gristmill.up.folder import Folder
from gristmill.up.plan import Embedded

EXAMPLE: Final = {
    "task": "email.send",
    "args": {"to": "you@example.com", "subject": "Hello", "text": "The mill turns."},
}


def ready_screen(settings: Settings, embedded: Embedded, folder: Folder, url: str, *, flower: bool) -> str:
    """Return the addresses of everything, and a command to try it with."""
    rows = [("API", url), ("", f"{url}/docs")]
    if flower:
        where = f"user {settings.flower_user}, password in {folder.path / 'flower_password'}"
        rows.append(("Flower", f"http://{settings.host}:{settings.flower_port}  ({where})"))
    if embedded.mail is not None:
        rows.append(("Mail", f"{embedded.mail.url}  (mail is caught here, not delivered)"))
    for server in embedded.servers:
        if isinstance(server, RabbitMQ):
            where = f"user gristmill, password in {server.data_dir / 'password'}"
            rows.append(("RabbitMQ", f"http://127.0.0.1:{server.management_port}  ({where})"))
    rows += [("Key", f"{folder.shell_file}"), ("Logs", f"{folder.logs}/")]
    table = "\n".join(f"  {name:<9}{text}" for name, text in rows)
    return f"\n{table}\n\nTry it in another shell:\n\n{curl(folder)}\n"


def curl(folder: Folder) -> str:
    """Return a command that posts a job; it works as it stands in sh, bash and zsh, from any folder."""
    return (
        f". {shlex.quote(str(folder.shell_file))}\n"
        'curl -sS "$GRISTMILL_URL/api/v1/jobs" -H "Authorization: Bearer $GRISTMILL_API_KEY" \\\n'
        f"  -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(EXAMPLE))}"
    )
