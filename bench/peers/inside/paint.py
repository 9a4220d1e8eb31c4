"""`python paint.py FILE.png`: paint the drawing (JSON) that comes on standard input, by Pillow, at twice its size."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

_SCALE: Final = 2
_ANCHORS: Final = {"start": "lm", "middle": "mm", "end": "rm"}


def paint(drawing: dict[str, Any]) -> Image.Image:
    """Return the picture."""
    picture = Image.new("RGB", (int(drawing["width"] * _SCALE), int(drawing["height"] * _SCALE)), "#ffffff")
    brush = ImageDraw.Draw(picture)
    for box in drawing["boxes"]:
        left, top = box["x"] * _SCALE, box["y"] * _SCALE
        brush.rectangle((left, top, left + box["width"] * _SCALE, top + box["height"] * _SCALE), fill=box["colour"])
    for text in drawing["texts"]:
        font = ImageFont.load_default(size=text["size"] * _SCALE)
        corner = (text["x"] * _SCALE, text["y"] * _SCALE)
        brush.text(corner, text["text"], fill=text["colour"], font=font, anchor=_ANCHORS[text["anchor"]])
    return picture


if __name__ == "__main__":
    paint(json.load(sys.stdin)).quantize(64).save(sys.argv[1], optimize=True)
