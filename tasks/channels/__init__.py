"""The channels of a notification: one interface, one module each."""

from tasks.channels.channel import Channel, Notice
from tasks.channels.in_app import InApp
from tasks.channels.webhook import Webhook

CHANNELS: dict[str, Channel] = {channel.name: channel for channel in (InApp(), Webhook())}

__all__ = ["CHANNELS", "Channel", "Notice"]
