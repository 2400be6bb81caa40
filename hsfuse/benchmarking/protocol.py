"""
The protocol of the publication: which scenes train and test, and what is simulated of them.

Han, Zheng and Chen 2019, Multi-level and multi-scale spatial and spectral fusion CNN for
hyperspectral image super-resolution, section 4: Harvard, 40 of 50 outdoor scenes for training;
ICVL, 71 of 101 scenes; both drawn at random, here by a seed. NUS has its own 41 and 25. Nikon D700
response, factor 16, no noise; RMSE from 0 to 255, PSNR, SAM and SSIM. The publication states
neither the blur, so that the PSF is chosen and the table says which, nor what 255 stands for: here
4095 for ICVL, whose numbers have 12 bits, otherwise the largest value of each scene.
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
    """Scenes of a data set: in the archive, used, and of these for training."""

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
    The scenes of a data set.

    Attributes
    ----------
    dataset : str
        ``Harvard``, ``ICVL`` or ``NUS``.
    seed : int
        By which they were drawn.
    training, test : tuple of Path
        By name.
    """

    dataset: str
    seed: int
    training: tuple[Path, ...]
    test: tuple[Path, ...]

    def as_json(self) -> str:
        """Return the split as JSON: names of files, for the training of networks."""
        facts = {
            "dataset": self.dataset,
            "seed": self.seed,
            "training": [str(path) for path in self.training],
            "test": [str(path) for path in self.test],
        }
        return json.dumps(facts, indent=2) + "\n"

    def note(self, settings: BenchmarkSettings) -> str:
        """Return what the tables say of it."""
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
    Return the settings of the protocol; methods, weights, PSF and seed are chosen.

    Raises
    ------
    PlanError
        If another ratio, sensor, noise or peak is asked for.
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
    Return the scenes for training and test of a data set.

    Parameters
    ----------
    folder : Path
        Holds the MATLAB files of Harvard, ICVL or NUS; of NUS in a folder for training and one for
        test.
    seed : int
        By which scenes are drawn.

    Raises
    ------
    PlanError
        If there are not as many files as the data set has.
    RasterError
        If the first one is of none of these data sets.
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
        found = len(training), len(test)
        if found != (sizes.training, sizes.used - sizes.training):
            raise PlanError(
                f"{folder}: holds {found[0]} files in a folder called train and {found[1]} in one "
                f"called test; expected {sizes.training} and {sizes.used - sizes.training}"
            )
        return PaperSplit(dataset, seed, tuple(training), tuple(test))
    drawn = random.Random(seed).sample(files, sizes.used)
    training, test = drawn[: sizes.training], drawn[sizes.training :]
    return PaperSplit(dataset, seed, tuple(sorted(training)), tuple(sorted(test)))


def _within(files: list[Path], folder: Path, name: str) -> list[Path]:
    """Return the files in a folder whose name begins with a word."""
    return [
        path
        for path in files
        if any(part.lower().startswith(name) for part in path.relative_to(folder).parts[:-1])
    ]
