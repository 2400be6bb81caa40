"""
Errors of the spectral response estimated from simulated pairs, with and without a tone curve.

    python benchmarks/response_estimates.py cave CUBES --fine d700 CURVES.csv
    python benchmarks/response_estimates.py scenes CUBES --fine ms rgb

From each cube pairs are simulated as in `accuracy.py`, with 30 dB of noise in the HS image and
40 dB in the MS image, linear and with the tone curve of sRGB. Printed are means over cubes and
bands of what the pair tells of R: of the weights that predict the MS bands, which the fusion uses,
and of the estimated response. `centroid` and `peak` are errors in nanometres, `overlap` is the
shared area of both curves, `R X` the error of the predicted linear MS band, relative to its
contrast.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import load, response, simulate, survey_of

from hsfuse.pair.radiometry import measure_radiometry, paired_spectra
from hsfuse.pair.survey import Survey

HEAD = "| MS sensor | tone curve | what | centroid | peak | overlap | R X |"


def srgb(image: np.ndarray) -> np.ndarray:
    """Return an image with the tone curve of sRGB; the brightest thousandth is saturated."""
    top = np.nanquantile(image, 0.999, axis=(1, 2), keepdims=True)
    level = np.clip(image / top, 0, 1)
    curved = 1.055 * np.maximum(level, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(level < 0.0031308, 12.92 * level, curved).astype(np.float32)


def errors(found: np.ndarray, reference: np.ndarray, survey: Survey) -> np.ndarray:
    """Return the mean errors of the rows of R: centroid, peak, overlap, R X."""
    place, good = survey.wavelength, survey.good
    spectra = paired_spectra(survey)[0]
    left = []
    for one, other in zip(found[:, good] @ spectra, reference[:, good] @ spectra, strict=True):
        line = np.polyfit(one, other, 1)
        left.append(np.std(other - np.polyval(line, one)) / np.std(other))
    return np.array(
        [
            np.abs((found - reference) @ place).mean(),
            np.abs(place[found.argmax(axis=1)] - place[reference.argmax(axis=1)]).mean(),
            np.minimum(found, reference).sum(axis=1).mean(),
            np.mean(left),
        ]
    )


def main() -> None:
    """Print two rows for each MS sensor and tone curve."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("protocol", choices=["cave", "scenes"])
    parser.add_argument("cubes", type=Path, nargs="+")
    parser.add_argument("--fine", nargs="+", required=True, help="as in accuracy.py")
    parser.add_argument("--ratio", type=int, default=4)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.info("%s\n| --- | --- | --- | --- | --- | --- | --- |", HEAD)
    for fine in options.fine:
        for tone in ("none", "sRGB"):
            rows: dict[str, list[np.ndarray]] = {"predictor": [], "estimate": []}
            for path in options.cubes:
                cube, wavelength = load(path, options.protocol)
                matrix = response(options.protocol, wavelength, fine)
                _, window = simulate(cube, matrix, options.ratio, "scenes", 1.0)
                if tone == "sRGB":
                    window = replace(window, fine=srgb(window.fine))
                survey = survey_of(window, None, wavelength)
                radiometry = measure_radiometry(survey)
                rows["predictor"].append(errors(radiometry.response, matrix, survey))
                if radiometry.estimate is not None:
                    rows["estimate"].append(errors(radiometry.estimate.response, matrix, survey))
            for what, each in rows.items():
                logging.info(
                    "| %s | %s | %s | %.0f nm | %.0f nm | %.2f | %.3f |",
                    *(Path(fine).stem, tone, what),
                    *np.mean(each, axis=0),
                )


if __name__ == "__main__":
    main()
