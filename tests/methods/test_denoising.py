"""Noise and stripes of the HS image are not made into detail of the fine grid."""

from dataclasses import replace

import numpy as np
import pytest

from hsfuse.core.grid import Span
from hsfuse.fusion.plan import survey_for
from hsfuse.methods import Options, Window, load_method
from hsfuse.methods.denoising import Quiet, QuietFuser
from hsfuse.pair.geometry import make_pair
from hsfuse.pair.survey import Survey
from hsfuse.synthetic.sample import make_sample

BAND = 30


@pytest.fixture(scope="module")
def made() -> tuple[Survey, Window, np.ndarray]:
    """Return a surveyed pair of 61 bands, its whole window, and the truth."""
    seen = make_sample(
        hs_sensor="generic-vnir", rgb_sensor="sentinel-2a:B2,B3,B4,B8", size=(40, 40), ratio=4.0
    )
    pair = make_pair(seen.scene.compute().chunk(), seen.rgb.compute().chunk())
    rows, columns = pair.geometry.fine_shape
    core = Span(0, rows), Span(0, columns)
    window = Window(pair.hs.values, pair.rgb.values, pair.geometry, core, (0, 0))
    truth = seen.truth.sel(y=pair.rgb["y"], x=pair.rgb["x"], method="nearest").values
    return survey_for(pair)[0], window, truth


def faulty(survey: Survey, window: Window, fault: np.ndarray) -> tuple[Survey, Window]:
    """Return the pair with a fault of one band, in units of its spread."""
    fault = (0.5 * survey.spectra[BAND].std() * fault).astype(np.float32)
    coarse = window.coarse.copy()
    coarse[BAND] += fault
    (patch,) = survey.patches
    return replace(survey, patches=(replace(patch, coarse=coarse),)), replace(window, coarse=coarse)


@pytest.mark.parametrize("kind", ["stripes down", "stripes across", "noise"])
def test_a_faulty_band_takes_its_detail_from_the_clean_ones(
    made: tuple[Survey, Window, np.ndarray], kind: str
) -> None:
    """What the fault adds to its error is little more than half of that, taken as it is."""
    survey, clean, truth = made
    draw = np.random.default_rng(2).normal(size=clean.coarse.shape[1:])
    fault = {"stripes down": draw[:1], "stripes across": draw[:, :1], "noise": draw}[kind]
    method = load_method("guided")
    fusers = [(method.prepare(survey, Options()), clean)]
    survey, window = faulty(survey, clean, np.broadcast_to(fault, draw.shape))
    assert isinstance(method, Quiet)
    quiet = method.prepare(survey, Options())
    assert isinstance(quiet, QuietFuser)
    assert np.flatnonzero(quiet.explained.noisy).tolist() == [BAND]
    assert any("noisy or striped" in note for note in quiet.notes)
    fusers += [(quiet, window), (method.method.prepare(survey, Options()), window)]
    ideal, explained, taken = (
        np.nanmean((fuser.fuse([seen])[0][BAND] - truth[BAND]) ** 2) for fuser, seen in fusers
    )
    assert explained - ideal < 0.6 * (taken - ideal)


def test_clean_bands_are_fused_as_ever(made: tuple[Survey, Window, np.ndarray]) -> None:
    """Without a faulty band the method is the method."""
    survey, _, _ = made
    assert not isinstance(load_method("guided").prepare(survey, Options()), QuietFuser)


def test_a_band_of_its_own_kind_is_not_taken_for_noise(
    made: tuple[Survey, Window, np.ndarray],
) -> None:
    """What no other band explains but has a shape stays what it is."""
    survey, window, _ = made
    rows, columns = np.mgrid[: window.coarse.shape[1], : window.coarse.shape[2]]
    fault = np.sin(rows / 2.0) + np.cos(columns / 2.5)
    survey, _ = faulty(survey, window, 2 * fault)
    assert not isinstance(load_method("guided").prepare(survey, Options()), QuietFuser)


def test_noise_alone_is_left_as_it_is(made: tuple[Survey, Window, np.ndarray]) -> None:
    """Where no band is clean, none explains another."""
    survey, _, _ = made
    (patch,) = survey.patches
    noise = np.random.default_rng(3).normal(1, 0.1, patch.coarse.shape).astype(np.float32)
    survey = replace(survey, patches=(replace(patch, coarse=noise),))
    assert not isinstance(load_method("guided").prepare(survey, Options()), QuietFuser)


def test_a_pixel_without_data_stays_one(made: tuple[Survey, Window, np.ndarray]) -> None:
    """And a band that lacks data in a neighbour is taken as it is there."""
    survey, window, _ = made
    draw = np.random.default_rng(0).normal(size=window.coarse.shape[1:])
    survey, window = faulty(survey, window, draw)
    fuser = load_method("guided").prepare(survey, Options())
    assert isinstance(fuser, QuietFuser)
    coarse = window.coarse.copy()
    coarse[:, 3, 4] = np.nan
    coarse[BAND + 1, 7, 8] = np.nan
    quiet = fuser.explained.cube(coarse)
    assert np.array_equal(np.isnan(quiet), np.isnan(coarse))
    assert quiet[BAND, 7, 8] == coarse[BAND, 7, 8]
