"""Test tasks on a real database, without a broker, while time moves. The fixtures are in `gristmill.testing.plugin`."""

from gristmill.testing.mill import Mill
from gristmill.testing.outcomes import Ended, EnqueuedJob, MillError

__all__ = ["Ended", "EnqueuedJob", "Mill", "MillError"]
