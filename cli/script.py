"""
The console script `hsfuse`: an interrupt (Ctrl-C) while modules are imported ends the process.

Python would print a traceback before the command line is parsed; later libraries that are being
imported may discard a KeyboardInterrupt, or turn it into an ImportError. This module imports only
what Python itself has loaded when it starts, since a signal that comes earlier is not handled here.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, _interrupt)
    from .main import main as group

    group()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or end the process with status 130 while a module is imported."""
    if not _imports(frame):
        raise KeyboardInterrupt
    line = b"\nstopped\n" if os.isatty(2) else b"stopped\n"  # a terminal shows ^C before it
    try:
        os.write(2, line)
    finally:
        os._exit(130)


def _imports(frame: FrameType | None) -> bool:
    """Return whether a frame, or one that called it, is of the import system."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
