"""
A Processing algorithm of QGIS that calls `hsfuse run`; a script for its toolbox.

It needs QGIS 3.22 or newer and the program hsfuse, which may be installed in a Python of its own:
the algorithm imports nothing of it. See docs/how-to/qgis.md.
"""

from __future__ import annotations

import os
import queue
import re
import shlex
import signal
import subprocess
import threading
from typing import Any, TextIO

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterExtent,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

# Of the Python and the libraries of QGIS, which are not those of hsfuse.
_OWN_TO_QGIS = (
    "PYTHONHOME",
    "PYTHONPATH",
    "GDAL_DATA",
    "GDAL_DRIVER_PATH",
    "PROJ_DATA",
    "PROJ_LIB",
)
_PERCENT = re.compile(r"(\d{1,3})%")
_POLL = 0.2  # seconds between two looks at whether the user cancels
_GRACE = 30.0  # seconds that hsfuse gets to end after that


class HsfuseFusion(QgsProcessingAlgorithm):  # type: ignore[misc]
    """Fuse a hyperspectral with a multispectral image."""

    def name(self) -> str:
        """Return the name for programs."""
        return "hsfuse_fusion"

    def displayName(self) -> str:
        """Return the name for people."""
        return "Fuse hyperspectral with multispectral image"

    def group(self) -> str:
        """Return the group in the toolbox."""
        return "hsfuse"

    def groupId(self) -> str:
        """Return the name of the group for programs."""
        return "hsfuse"

    def shortHelpString(self) -> str:
        """Return the help that is shown beside the parameters."""
        return (
            "Fuses a low-resolution hyperspectral image with a high-resolution RGB or "
            "multispectral one. The output has the bands of the first on the pixels of the second, "
            "within both. It calls the program hsfuse, whose record, picture and report are "
            "written beside the output. Method: see `hsfuse methods`; sensors: see "
            "`hsfuse sensors list`."
        )

    def createInstance(self) -> HsfuseFusion:
        """Return a new algorithm."""
        return HsfuseFusion()

    def initAlgorithm(self, config: dict[str, Any] | None = None) -> None:
        """Declare the parameters."""
        del config
        add = self.addParameter
        add(QgsProcessingParameterRasterLayer("SCENE", "Hyperspectral image"))
        add(QgsProcessingParameterRasterLayer("MS", "MS image (multispectral or RGB)"))
        add(QgsProcessingParameterString("METHOD", "Method", defaultValue="ms-ssfnet"))
        for name, text in (
            ("HS_SENSOR", "Sensor of the hyperspectral image, such as enmap"),
            ("MS_SENSOR", "Sensor of the multispectral image, such as sentinel-2a:B2,B3,B4,B8"),
            ("BANDS", "Bands of the hyperspectral image, such as 1-50 or 450-900nm"),
        ):
            add(QgsProcessingParameterString(name, text, optional=True))
        add(QgsProcessingParameterExtent("EXTENT", "Extent", optional=True))
        add(QgsProcessingParameterBoolean("UNCERTAINTY", "Standard error of each pixel", False))
        for name, text, default in (
            ("OPTIONS", "Further options of hsfuse run", None),
            ("PROGRAM", "Program", os.environ.get("HSFUSE", "hsfuse")),
        ):
            more = QgsProcessingParameterString(name, text, defaultValue=default, optional=True)
            more.setFlags(more.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
            add(more)
        add(QgsProcessingParameterRasterDestination("OUTPUT", "Fused image"))

    def processAlgorithm(
        self, parameters: dict[str, Any], context: Any, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run hsfuse and return the path of the output."""
        out = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        words = self._command(parameters, context, out)
        feedback.pushCommandInfo(shlex.join(words))
        _run(words, feedback)
        return {"OUTPUT": out} if not feedback.isCanceled() else {}

    def _command(self, parameters: dict[str, Any], context: Any, out: str) -> list[str]:
        """Return the words of the command."""

        def text(name: str) -> str:
            return self.parameterAsString(parameters, name, context).strip()

        images = []
        for name in ("SCENE", "MS"):
            layer = self.parameterAsRasterLayer(parameters, name, context)
            if layer is None:
                raise QgsProcessingException(self.invalidRasterError(parameters, name))
            images.append(layer)
        # QGIS has asked already whether an output is replaced.
        words = [*shlex.split(text("PROGRAM") or "hsfuse"), "run"]
        words += [*(layer.source() for layer in images), "-o", out, "--overwrite"]
        for option, name in (
            ("--method", "METHOD"),
            ("--hs-sensor", "HS_SENSOR"),
            ("--rgb-sensor", "MS_SENSOR"),
            ("--bands", "BANDS"),
        ):
            words += [option, text(name)] if text(name) else []
        box = self.parameterAsExtent(parameters, "EXTENT", context, images[1].crs())
        if not box.isNull():
            corners = box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()
            words += ["--bbox", *(repr(number) for number in corners)]
        if self.parameterAsBool(parameters, "UNCERTAINTY", context):
            words.append("--uncertainty")
        return words + shlex.split(text("OPTIONS"))


def _run(words: list[str], feedback: QgsProcessingFeedback) -> None:
    """Run a command, show what it prints, and end it where the user cancels."""
    known = {name: value for name, value in os.environ.items() if name not in _OWN_TO_QGIS}
    try:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=known
        )
    except OSError as error:
        raise QgsProcessingException(
            f"{words[0]}: cannot be started ({error.strerror}); install it, and "
            "state its full path as the parameter Program or the environment variable HSFUSE"
        ) from error
    with process:
        last = _follow(process, feedback)
    if process.returncode != 0 and not feedback.isCanceled():
        raise QgsProcessingException(last or f"{words[0]} ended with status {process.returncode}")


def _follow(process: subprocess.Popen[str], feedback: QgsProcessingFeedback) -> str:
    """Show what a program prints until it ends; return its last line of errors."""
    lines: queue.Queue[tuple[str, str]] = queue.Queue()
    readers = [
        threading.Thread(target=_read, args=(stream, name, lines), daemon=True)
        for stream, name in ((process.stdout, "out"), (process.stderr, "err"))
    ]
    for reader in readers:
        reader.start()
    last, stopped = "", False
    while any(reader.is_alive() for reader in readers) or not lines.empty():
        if feedback.isCanceled() and not stopped:
            _stop(process)
            stopped = True
        try:
            name, line = lines.get(timeout=_POLL)
        except queue.Empty:
            continue
        last = line if name == "err" and line else last
        _show(line, feedback)
    return last


def _read(stream: TextIO, name: str, lines: queue.Queue[tuple[str, str]]) -> None:
    for line in stream:
        lines.put((name, line.rstrip()))


def _show(line: str, feedback: QgsProcessingFeedback) -> None:
    feedback.pushInfo(line)
    found = _PERCENT.search(line)
    if found and re.match(r"(tile|step) \d+ of", line):
        feedback.setProgress(int(found[1]))


def _stop(process: subprocess.Popen[str]) -> None:
    """Interrupt a command as Ctrl-C does, so that it can be resumed; kill it where it goes on."""
    process.send_signal(signal.SIGINT) if os.name == "posix" else process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
