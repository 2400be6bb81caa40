"""
Draw the picture of the README from the files of `make demo`: `make picture`.

Shows the part of the scene with the most edges, and the spectra of the pixel in it at which
interpolation of the HS image errs most.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import hsfuse
from hsfuse.core.picture import busiest_window, natural_bands, stretch_limits, stretched

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from extensions.drawing import Case, draw_result, png  # noqa: E402 - after its folder is known

DEMO = HERE.parents[1] / "build" / "demo"
SIDE = 72  # MS pixels of the part


def main() -> None:
    """Write ``docs/images/result.png``."""
    sensors = {"scene": "enmap", "rgb": "sentinel-2a:B2,B3,B4,B8", "truth": "enmap"}
    hs, ms, truth = (
        hsfuse.open_raster(DEMO / f"{name}.tif", sensor=sensor) for name, sensor in sensors.items()
    )
    results = {
        method: hsfuse.open_raster(DEMO / f"{name}.tif", sensor="enmap")
        for method, name in (("ms-ssfnet", "fused"), ("bicubic", "bicubic"))
    }
    case = Case.of(hs, ms, truth, results)
    psnr = {
        method: hsfuse.evaluate(DEMO / "truth.tif", DEMO / f"{name}.tif", ratio=3).psnr
        for method, name in (("ms-ssfnet", "fused"), ("bicubic", "bicubic"))
    }
    bands = natural_bands(case.ms_wavelength, np.ones(len(case.ms_wavelength), bool))
    picture = stretched(case.ms[bands], stretch_limits(case.ms[bands]))
    rows, columns = busiest_window(picture, case.ms.shape[1:], SIDE)
    notes = (
        f"HS: {len(case.hs)} bands, 30 m\ninterpolated: PSNR {psnr['bicubic']:.1f} dB",
        f"MS: {len(case.ms)} bands, 10 m",
        f"fused: {len(case.hs)} bands, 10 m\nPSNR {psnr['ms-ssfnet']:.1f} dB",
    )
    figure = draw_result(case, "ms-ssfnet", (slice(*rows), slice(*columns)), notes)
    (HERE / "result.png").write_bytes(png(figure, dpi=100))


if __name__ == "__main__":
    main()
