"""Mail: templates, messages, and their submission to an SMTP server."""
