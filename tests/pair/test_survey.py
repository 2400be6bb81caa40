"""What a survey tells of a pair."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from scipy.ndimage import gaussian_filter

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.noise import band_noise
from hsfuse.core.psf import PSF
from hsfuse.pair.geometry import make_pair
from hsfuse.pair.patch import Patch
from hsfuse.pair.sampling import FINE_VALUES, survey_pair
from hsfuse.pair.survey import Survey


def surveyed(coarse: np.ndarray) -> Survey:
    """Return the survey of an HS image beside a flat fine one."""
    bands, rows, columns = coarse.shape
    geometry = Geometry(Axis(2 * rows, rows, 2.0), Axis(2 * columns, columns, 2.0))
    fine = np.ones((1, 2 * rows, 2 * columns), np.float32)
    patch = Patch(coarse.astype(np.float32), fine, geometry, (0, 0))
    return Survey((patch,), PSF((1.0, 1.0)), np.ones(bands, bool), np.linspace(400, 900, bands))


def ground(own: float) -> np.ndarray:
    """Return 40 bands of three materials, and of what each band alone shows of the ground."""
    draw = np.random.default_rng(0)
    maps = np.stack([gaussian_filter(draw.normal(size=(48, 60)), 1.5) for _ in range(43)])
    maps /= maps.std(axis=(1, 2), keepdims=True)
    mix = np.array([np.sin(k + np.linspace(0, 2 + k, 40)) for k in range(3)])
    return np.tensordot(mix.T, maps[:3], axes=1) + own * maps[3:]


@pytest.mark.parametrize("own", [0.0, 0.02])
def test_noise_is_found_whatever_bands_show_of_their_own(own: float) -> None:
    """White noise is told within a quarter."""
    noise = 0.05 * np.random.default_rng(1).normal(size=(40, 48, 60))
    survey = surveyed(ground(own) + noise)
    assert survey.noise == pytest.approx(0.05, rel=0.25)


def test_what_has_a_shape_is_no_noise() -> None:
    """A clean image whose bands each show something of their own is told to be clean."""
    image = ground(0.02)
    unexplained = band_noise(image.reshape(40, -1))
    assert (surveyed(image).noise < 0.2 * unexplained).all()


def test_a_bad_band_has_no_noise_to_tell() -> None:
    """Bands without data keep their place, at zero."""
    image = ground(0.02)
    image[7] = np.nan
    survey = surveyed(image)
    assert not survey.good[7]
    assert survey.noise[7] == 0
    assert survey.noise.shape == (40,)


def lazy(bands: int, side: int, pixel: float, width: float) -> xr.DataArray:
    """Return a lazy raster of ones, bands from 500 to 800 nm."""
    values = da.ones((bands, side, side), chunks=(bands, 1024, 1024), dtype=np.float32)
    return xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={
            "band": np.arange(1, bands + 1),
            "wavelength": ("band", np.linspace(500, 800, bands)),
            "fwhm": ("band", np.full(bands, width)),
            "good": ("band", np.ones(bands, bool)),
            "band_name": ("band", [f"b{i}" for i in range(bands)]),
            "y": -pixel * (np.arange(side) + 0.5),
            "x": pixel * (np.arange(side) + 0.5),
        },
        attrs={"source": "a.tif", "georeferenced": True, "sensor": ""},
    ).rio.write_transform(Affine.scale(pixel, -pixel))


@pytest.mark.parametrize("side", [96, 160])
def test_a_survey_is_bounded_in_ms_pixels(side: int) -> None:
    """At ratio 32 its windows shrink, of scenes that a smaller ratio reads whole as well."""
    pair = make_pair(lazy(4, side, 32.0, 20.0), lazy(3, 32 * side, 1.0, 60.0))
    survey = survey_pair(pair)
    assert sum(patch.fine.size for patch in survey.patches) < 1.2 * FINE_VALUES
    assert len(survey.patches) == 9
    assert min(min(patch.coarse.shape[1:]) for patch in survey.patches) >= 16
    known = [survey.degraded(patch)[1].all() for patch in survey.patches]
    assert all(known), "every HS pixel of a patch has the MS pixels that it needs"
    # The HS image alone is read in windows of the usual size.
    assert survey.spectra.shape[1] == (side if side <= 128 else 3 * 64) ** 2


def patch_of(side: int, ratio: int, value: float = 1.0) -> Patch:
    """Return a patch with noise in the MS image."""
    axis = Axis(side * ratio, side, float(ratio))
    fine = np.random.default_rng(0).normal(size=(2, side * ratio, side * ratio))
    coarse = np.full((3, side, side), value, np.float32)
    return Patch(coarse, fine.astype(np.float32), Geometry(axis, axis), (5, 7))


def test_the_middle_of_a_patch_lies_where_it_lay() -> None:
    """Its HS pixels are seen through the same MS pixels."""
    patch = patch_of(20, 6)
    psf = PSF((1.0, 1.0))
    part = patch.middle(psf, patch.fine[0].size / 4)
    assert part.coarse.shape[1:] == (10, 10)
    assert part.start == (10, 12)
    whole, cut = (
        Survey((each,), psf, np.ones(3, bool), np.arange(3.0)).degraded(each)[0]
        for each in (patch, part)
    )
    assert cut == pytest.approx(whole[:, 5:15, 5:15])
    assert patch.middle(psf, 1e9) is patch


def test_averaged_ms_pixels_are_seen_alike_and_holes_stay() -> None:
    """D of averages is nearly D; an average with a pixel of no data has none."""
    patch = patch_of(20, 8)
    patch.fine[:] = gaussian_filter(patch.fine, (0, 6, 6))
    reduced = patch.averaged(4)
    assert reduced.geometry.y.ratio == 4
    psf = PSF((1.0, 1.0))
    whole, less = (
        Survey((each,), psf, np.ones(3, bool), np.arange(3.0)).degraded(each)[0]
        for each in (patch, reduced)
    )
    assert np.abs(whole - less).max() < 0.05 * whole.std()
    patch.fine[0, 17, 33] = np.nan
    assert np.isnan(patch.averaged(4).fine[0, 8, 16])
    assert np.isnan(patch.averaged(4).fine).sum() == 1


def test_a_sample_is_spread_over_the_patches_with_data() -> None:
    """The outermost of them and those between; patches without MS data are passed over."""
    patches = [patch_of(20, 2, value) for value in range(9)]
    patches[8] = replace(patches[8], fine=np.full_like(patches[8].fine, np.nan))
    survey = Survey(tuple(patches), PSF((1.0, 1.0)), np.ones(3, bool), np.arange(3.0))
    assert [int(patch.coarse[0, 0, 0]) for patch in survey.sample(3, 10**6)] == [0, 4, 7]
    assert sum(patch.fine[0].size for patch in survey.sample(3, 600)) < 40**2
