"""The local admin producer: made once, its key kept in the data folder's `env`."""

from typing import Final

from gristmill.shared.base.principal import ADMIN
from gristmill.shared.database.connect import Database
from gristmill.shared.producers.check_key import find_producer_by_token
from gristmill.shared.producers.queries import create_producer, find_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.shared.settings import Settings
from gristmill.up.folder import Folder, read_exports

PRODUCER: Final = "local-admin"


def admin_key(settings: Settings, folder: Folder) -> str:
    """Return the token of the local admin: the one that is kept, as long as this database knows it, or a new one."""
    kept = read_exports(folder.shell_file).get("GRISTMILL_API_KEY", "")
    database = Database(settings, application_name="gristmill up", pool_size=1)
    try:
        with database.transaction() as session:
            if kept and (principal := find_producer_by_token(session, kept)) and principal.is_admin:
                return kept
            producer = find_producer(session, PRODUCER) or create_producer(session, PRODUCER, [ADMIN])
            return create_key(session, producer)
    finally:
        database.dispose()
