"""Create the local admin producer, whose key is kept in the data folder's `env`."""

from typing import Final

from gristmill.shared.base.principal import ADMIN
from gristmill.shared.database.connect import opened
from gristmill.shared.producers.check_key import find_producer_by_token
from gristmill.shared.producers.queries import create_producer, find_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.shared.settings import Settings
from gristmill.up.folder import Folder, read_exports

PRODUCER: Final = "local-admin"


def admin_key(settings: Settings, folder: Folder) -> str:
    """Return the local admin's key: the one that is kept, as long as this database knows it, or a new one."""
    kept = read_exports(folder.shell_file).get("GRISTMILL_API_KEY", "")
    with opened(settings, application_name="gristmill up") as database, database.transaction() as session:
        if kept and (principal := find_producer_by_token(session, kept)) and principal.is_admin:
            return kept
        producer = find_producer(session, PRODUCER) or create_producer(session, PRODUCER, [ADMIN])
        return create_key(session, producer)
