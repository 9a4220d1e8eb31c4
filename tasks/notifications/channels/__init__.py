"""The channels of a notification: one interface, and one module for each channel."""

from gristmill.tasks.notifications.channels.channel import Channel, Notice
from gristmill.tasks.notifications.channels.in_app import InApp
from gristmill.tasks.notifications.channels.webhook import Webhook

CHANNELS: dict[str, Channel] = {channel.name: channel for channel in (InApp(), Webhook())}

__all__ = ["CHANNELS", "Channel", "Notice"]
