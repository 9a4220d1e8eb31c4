"""Plugins: tasks, queues, schedules, templates, channels, routes and tables of one subject, ours or a team's."""
