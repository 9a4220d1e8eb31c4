"""Mail: addresses, templates, messages, and the way to an SMTP server."""
