"""Cases: the pairs of a benchmark, listed from the metadata of their rasters."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import xarray as xr
from dask.base import tokenize

from hsfuse.benchmarking.rows import RunRow
from hsfuse.benchmarking.settings import BenchmarkSettings
from hsfuse.core.psf import PSF
from hsfuse.core.text import along_axes
from hsfuse.errors import PlanError
from hsfuse.fusion.digest import identify
from hsfuse.fusion.settings import PathLike
from hsfuse.io.files.url import AnyPath, as_path
from hsfuse.io.read import open_raster
from hsfuse.nets.weights import Card
from hsfuse.pair.geometry import make_pair
from hsfuse.sensor.catalogue import known_sensor, pick_sensor
from hsfuse.synthetic.simulation import observed_psf

__all__ = ["Case", "list_cubes", "list_pair"]

Kind = Literal["simulated", "reduced resolution", "full resolution"]

#: Default ratio and MS sensor of simulated pairs; the sensor is that of the literature.
DEFAULT_RATIO, DEFAULT_SENSOR = 4.0, "nikon-d700"
#: Suffix of the folders of CAVE, removed from the name of a scene.
_SUFFIX = re.compile(r"_ms$", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """
    A pair that all methods fuse.

    Attributes
    ----------
    kind : str
        ``simulated`` from a cube, or a real pair at ``reduced resolution`` or ``full resolution``.
    dataset, scene : str
        Names in the tables.
    files : tuple of path
        The cube, or HS and MS image.
    ratio : float
        MS pixels per HS pixel.
    rgb_sensor : str or None
        MS sensor; for a real pair None where its file states the bands.
    settings : BenchmarkSettings
        Settings of the benchmark.
    identity : str
        Hash of the files.
    """

    kind: Kind
    dataset: str
    scene: str
    files: tuple[AnyPath, ...]
    ratio: float
    rgb_sensor: str | None
    settings: BenchmarkSettings
    identity: str

    @property
    def name(self) -> str:
        """Name in file names: scene, ratio, sensor, and the kind of a real pair."""
        words = [self.dataset, self.scene, f"{self.ratio:g}"]
        words += [self.rgb_sensor] if self.rgb_sensor else []
        words += [] if self.kind == "simulated" else [self.kind]
        return "-".join(re.sub(r"[^\w.]+", "_", Path(word).stem if "/" in word else word)
                        for word in words)  # fmt: skip

    @property
    def psf(self) -> PSF:
        """PSF of the simulated HS sensor."""
        settings = self.settings
        sensor = None if settings.hs_sensor is None else pick_sensor(settings.hs_sensor)
        return observed_psf(sensor, settings.fwhm, settings.psf)

    def request(self, method: str, weights: Sequence[Card]) -> str:
        """Return a hash of all that determines the figures of a method."""
        settings = self.settings
        sensors = (known_sensor(name, None) for name in (settings.hs_sensor, self.rgb_sensor))
        return str(
            tokenize(
                self.kind,
                self.identity,
                self.ratio,
                *sensors,
                (
                    settings.psf,
                    settings.fwhm,
                    settings.hs_snr,
                    settings.ms_snr,
                    settings.peak,
                    settings.seed,
                ),
                method,
                [card.sha256 for card in weights],
                ensure_deterministic=True,
            )
        )

    def row(self, method: str, weights: Sequence[Card]) -> RunRow:
        """Return the row of a pending run."""
        settings, simulated = self.settings, self.kind == "simulated"
        return RunRow(
            "pending",
            "",
            self.dataset,
            self.scene,
            self.kind,
            self.ratio,
            self.rgb_sensor or "",
            self._psf_text() if simulated else "of the HS sensor",
            settings.hs_snr if simulated else None,
            settings.ms_snr if simulated else None,
            method,
            request=self.request(method, weights),
        )

    def _psf_text(self) -> str:
        if self.settings.psf == "average":
            return "mean over the HS pixel"
        return f"Gaussian, FWHM {along_axes(*self.psf.fwhm, 'HS pixels')}"


def list_cubes(cubes: Sequence[PathLike], settings: BenchmarkSettings) -> list[Case]:
    """
    Return the cases simulated from cubes, for every cube, ratio and sensor.

    Raises
    ------
    RasterError
        If a cube cannot be opened.
    PlanError
        If two cubes have the same name.
    """
    cases: list[Case] = []
    for path in map(as_path, cubes):
        raster = open_raster(path, sensor=settings.hs_sensor)
        names = _dataset(path, raster), _SUFFIX.sub("", path.stem)
        token = identify(raster)
        cases += [
            Case("simulated", *names, (path,), float(ratio), os.fspath(sensor), settings, token)
            for sensor in settings.rgb_sensors or (DEFAULT_SENSOR,)
            for ratio in settings.ratios or (DEFAULT_RATIO,)
        ]
    _check_names(cases)
    return cases


def list_pair(scene: PathLike, rgb: PathLike, settings: BenchmarkSettings) -> list[Case]:
    """
    Return the cases of a real pair: at reduced resolution by each ratio, and at full resolution.

    Raises
    ------
    RasterError, PairError
        If the files cannot be opened, or cannot be fused.
    PlanError
        If several sensors, or options of simulation, are given.
    """
    if len(settings.rgb_sensors) > 1:
        raise PlanError(
            f"a real pair has one MS sensor, got {', '.join(map(str, settings.rgb_sensors))}"
        )
    chosen = {
        "hs_snr": settings.hs_snr, "ms_snr": settings.ms_snr, "fwhm": settings.fwhm,
        "psf": None if settings.psf == "gaussian" else settings.psf,
    }  # fmt: skip
    if named := [name for name, value in chosen.items() if value is not None]:
        raise PlanError(f"{', '.join(named)}: simulated from cubes only; a real pair has its own")
    sensor = os.fspath(settings.rgb_sensors[0]) if settings.rgb_sensors else None
    paths = as_path(scene), as_path(rgb)
    hs, fine = (
        open_raster(path, sensor=sensor_name)
        for path, sensor_name in zip(paths, (settings.hs_sensor, sensor), strict=True)
    )
    pair = make_pair(
        hs,
        fine,
        hs_sensor=known_sensor(settings.hs_sensor, hs.attrs.get("sensor")),
        rgb_sensor=known_sensor(sensor, fine.attrs.get("sensor")),
    )
    pair_ratio = pair.geometry.ratio
    name = _SUFFIX.sub("", paths[0].stem)
    token = str(tokenize(identify(hs), identify(fine)))

    def case(kind: Kind, ratio: float) -> Case:
        return Case(kind, paths[0].parent.name, name, paths, ratio, sensor, settings, token)

    reduced = [float(ratio) for ratio in settings.ratios] or [float(max(2, round(pair_ratio)))]
    return [
        *(case("reduced resolution", ratio) for ratio in reduced),
        case("full resolution", pair_ratio),
    ]


def _dataset(path: AnyPath, raster: xr.DataArray) -> str:
    """Return the data set of a cube: that of its format, or the name of its folder."""
    named = str(raster.attrs.get("product", "")) if "full_scale" in raster.attrs else ""
    folder = path.absolute().parent.name if isinstance(path, Path) else path.parent.name
    return named or folder or "cubes"


def _check_names(cases: Sequence[Case]) -> None:
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.name, case)
        if other is not case:
            raise PlanError(
                f"{case.files[0]} and {other.files[0]} have the same name and folder name; "
                "expected names that differ, for they are rows of one table"
            )
