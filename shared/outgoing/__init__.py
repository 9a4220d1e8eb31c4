"""Post to URLs that other people chose, safely: the one way in which the platform does it."""
