"""The one way in which the platform posts to URLs of other people's choice."""
