"""A drawing as data: boxes and texts, written as SVG by hand, and as PNG by Pillow in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal
from xml.sax.saxutils import escape

from bench.peers import environments
from gristmill.process import ServiceFailedError

FONT: Final = "DejaVu Sans, Verdana, sans-serif"
_PAINTER: Final = Path(__file__).parent / "inside" / "paint.py"

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; a line is a thin one."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; `y` is its middle."""

    x: float
    y: float
    text: str
    size: float
    anchor: Anchor = "start"
    colour: str = "#222222"


@dataclass(slots=True)
class Drawing:
    """The shapes of a picture, on white."""

    width: float
    height: float
    boxes: list[Box] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def svg(self) -> str:
        """Return it as SVG."""
        size = f'width="{self.width:g}" height="{self.height:g}"'
        view = f'viewBox="0 0 {self.width:g} {self.height:g}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {view} {size} font-family="{FONT}">',
            f'<rect {size} fill="#ffffff"/>',
        ]
        lines += [
            f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
            f'fill="{box.colour}"/>'
            for box in self.boxes
        ]
        lines += [
            f'<text x="{text.x:.1f}" y="{text.y:.1f}" font-size="{text.size:g}" text-anchor="{text.anchor}" '
            f'dominant-baseline="central" fill="{text.colour}">{escape(text.text)}</text>'
            for text in self.texts
        ]
        return "\n".join([*lines, "</svg>", ""])

    def paint(self, path: Path) -> None:
        """Write it as PNG.

        Raises:
            ServiceFailedError: Pillow could not be installed or could not paint.
        """
        done = subprocess.run(
            [environments.python("pictures"), _PAINTER, path],
            input=json.dumps(asdict(self)).encode(),
            capture_output=True,
            check=False,
            timeout=120,
        )
        if done.returncode != 0:
            raise ServiceFailedError(f"{path} could not be painted:\n{done.stderr.decode(errors='replace')}")
