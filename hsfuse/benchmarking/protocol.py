"""
The protocol of the publication: scenes for training and test, and parameters of the simulation.

Han, Zheng and Chen 2019, Multi-level and multi-scale spatial and spectral fusion CNN for
hyperspectral image super-resolution, section 4: Harvard, 40 of 50 outdoor scenes for training;
ICVL, 71 of 101 scenes; both drawn at random, here by a seed. NUS has its own 41 and 25. Nikon D700
response, factor 16, no noise; RMSE from 0 to 255, PSNR, SAM and SSIM. The publication does not
state the blur, so the PSF is an option that the table reports, nor the value that 255 represents:
here 4095 for ICVL, whose numbers have 12 bits, otherwise the largest value of each scene.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from hsfuse.benchmarking.settings import BenchmarkSettings, Peak
from hsfuse.errors import PlanError
from hsfuse.io.read import open_raster

__all__ = ["PaperSplit", "paper_settings", "paper_split"]

_RATIO, _SENSOR = 16.0, "nikon-d700"


class _Sizes(NamedTuple):
    """Numbers of scenes of a data set: in the archive, used, and for training."""

    archive: int
    used: int
    training: int


_SIZES = {
    "Harvard": _Sizes(50, 50, 40),
    "ICVL": _Sizes(201, 101, 71),
    "NUS": _Sizes(66, 66, 41),
}


@dataclass(frozen=True)
class PaperSplit:
    """
    The split of a data set into scenes for training and test.

    Attributes
    ----------
    dataset : str
        ``Harvard``, ``ICVL`` or ``NUS``.
    seed : int
        Seed of the random split.
    training, test : tuple of Path
        Files, sorted by name.
    """

    dataset: str
    seed: int
    training: tuple[Path, ...]
    test: tuple[Path, ...]

    def as_json(self) -> str:
        """Return the split as JSON with the names of files, for the training of networks."""
        content = {
            "dataset": self.dataset,
            "seed": self.seed,
            "training": [str(path) for path in self.training],
            "test": [str(path) for path in self.test],
        }
        return json.dumps(content, indent=2) + "\n"

    def note(self, settings: BenchmarkSettings) -> str:
        """Return the note on the protocol for the tables."""
        drawn = "as delivered" if self.dataset == "NUS" else f"drawn with seed {self.seed}"
        psf = (
            "the mean over each HS pixel"
            if settings.psf == "average"
            else f"a Gaussian PSF of {settings.fwhm or 1:g} HS pixels"
        )
        return (
            f"Protocol of the paper: {self.dataset}, {len(self.training)} scenes for training and "
            f"{len(self.test)} for test, {drawn}; response of the Nikon D700, factor 16, no noise. "
            f"The paper does not state D; here it is {psf}. Its network is trained with two levels "
            "and the intermediate factor 4 (`hsfuse train --recipe paper`)."
        )


def paper_settings(settings: BenchmarkSettings, dataset: str) -> BenchmarkSettings:
    """
    Return the settings of the protocol; methods, weights, PSF and seed may be set.

    Raises
    ------
    PlanError
        If another ratio, sensor, noise or peak is set.
    """
    fixed = {"ratios": (), "rgb_sensors": (), "hs_snr": None, "ms_snr": None, "peak": None}
    named = [name for name, value in fixed.items() if getattr(settings, name) != value]
    if named:
        raise PlanError(
            f"the protocol of the paper fixes {', '.join(named)}: factor 16, Nikon D700, no noise; "
            "omit them"
        )
    peak: Peak | None = None if dataset == "ICVL" else "max"
    return replace(settings, ratios=(_RATIO,), rgb_sensors=(_SENSOR,), peak=peak)


def paper_split(folder: Path, seed: int) -> PaperSplit:
    """
    Return the split of a data set.

    Parameters
    ----------
    folder : Path
        Folder with the MATLAB files of Harvard, ICVL or NUS; for NUS with subfolders for training
        and test.
    seed : int
        Seed of the random split.

    Raises
    ------
    PlanError
        If the number of files is not that of the data set.
    RasterError
        If the first file belongs to none of these data sets.
    """
    files = sorted(folder.rglob("*.mat"), key=lambda path: path.name)
    if not files:
        raise PlanError(f"{folder}: holds no .mat; expected the folder of {', '.join(_SIZES)}")
    dataset = str(open_raster(files[0]).attrs["product"])
    sizes = _SIZES[dataset]
    if len(files) not in (sizes.archive, sizes.used):
        expected = sorted({sizes.archive, sizes.used})
        raise PlanError(
            f"{folder}: holds {len(files)} files of {dataset}; expected "
            f"{' or '.join(map(str, expected))}"
        )
    if dataset == "NUS":
        training, test = (_within(files, folder, name) for name in ("train", "test"))
        counts = len(training), len(test)
        if counts != (sizes.training, sizes.used - sizes.training):
            raise PlanError(
                f"{folder}: holds {counts[0]} files in a folder called train and {counts[1]} in "
                f"one called test; expected {sizes.training} and {sizes.used - sizes.training}"
            )
        return PaperSplit(dataset, seed, tuple(training), tuple(test))
    drawn = random.Random(seed).sample(files, sizes.used)
    training, test = drawn[: sizes.training], drawn[sizes.training :]
    return PaperSplit(dataset, seed, tuple(sorted(training)), tuple(sorted(test)))


def _within(files: list[Path], folder: Path, name: str) -> list[Path]:
    """Return the files in the subfolder whose name begins with ``name``."""
    return [
        path
        for path in files
        if any(part.lower().startswith(name) for part in path.relative_to(folder).parts[:-1])
    ]
