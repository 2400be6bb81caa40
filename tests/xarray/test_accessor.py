"""Bands by wavelength, where detectors overlap and bands are bad."""

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import hsfuse.xarray  # noqa: F401 - gives DataArray its .hsfuse accessor
from hsfuse.errors import PlanError, RasterError

WAVELENGTH = [480.0, 560.0, 900.0, 990.0, 940.0, 664.0, 662.0]  # two detectors, 900 to 990 nm


def raster(**coords: object) -> xr.DataArray:
    values = np.arange(7.0)[:, None, None] * np.ones((1, 2, 2))
    named = {name: ("band", value) for name, value in coords.items()}
    return xr.DataArray(values, dims=("band", "y", "x"), coords=named)


def test_the_nearest_good_band_is_found_among_overlapping_detectors():
    """Which `sel` of xarray refuses."""
    every = raster(wavelength=WAVELENGTH)
    assert every.hsfuse.nearest(660).dims == ("y", "x")
    assert float(every.hsfuse.nearest(660)[0, 0]) == 6
    assert every.hsfuse.nearest([945, 470])[:, 0, 0].values.tolist() == [4, 0]
    bad = raster(wavelength=WAVELENGTH, good=[True] * 6 + [False])
    assert float(bad.hsfuse.nearest(660)[0, 0]) == 5


@pytest.mark.parametrize("wavelength", [0.66, np.nan, [], [660, -1]])
def test_what_is_no_wavelength_in_nanometres_is_refused(wavelength):
    """The nearest band would be the first."""
    with pytest.raises(PlanError, match="expected nanometres"):
        raster(wavelength=WAVELENGTH).hsfuse.nearest(wavelength)


def test_natural_colours_are_three_bands():
    assert raster(wavelength=WAVELENGTH).hsfuse.rgb()[:, 0, 0].values.tolist() == [6, 1, 0]
    assert raster().hsfuse.rgb().sizes["band"] == 3


def test_a_raster_without_wavelengths_has_no_nearest_band():
    for unknown in (raster(), raster(wavelength=[np.nan] * 7)):
        with pytest.raises(RasterError, match="states no wavelengths"):
            unknown.hsfuse.nearest(660)


def test_rioxarray_writes_the_names_of_the_selected_bands(tmp_path):
    """As descriptions, which programs show; without a selection as well."""
    named = raster(wavelength=WAVELENGTH, band_name=[*(f"b{n}" for n in range(5)), "red", "dark"])
    placed = named.rio.write_crs("EPSG:32633").rio.write_transform(Affine(2, 0, 0, 0, -2, 0))
    for bands, expected in (([5, 1], ("red (664.0 nm)", "560.0 nm")), (slice(1), ("480.0 nm",))):
        placed.isel(band=bands).hsfuse.described().rio.to_raster(tmp_path / "a.tif")
        with rasterio.open(tmp_path / "a.tif") as source:
            assert source.descriptions == expected


@pytest.mark.parametrize(
    ("values", "attributes"),
    [
        ([0.45, 0.55, 0.8], {"units": "um"}),
        ([0.45, 0.55, 0.8], {}),
        (["450 nm", "550 nm", "800 nm"], {}),
    ],
)
def test_wavelengths_of_any_unit_are_compared_in_nanometres(values, attributes):
    coords = {"wavelength": ("band", values, attributes)}
    raster = xr.DataArray([1.0, 2.0, 3.0], dims="band", coords=coords)
    assert raster.hsfuse.nearest(560).item() == 2


@pytest.mark.parametrize("use", [lambda a: a.nearest(660), lambda a: a.rgb()])
def test_an_array_without_bands_is_refused(use):
    flat = xr.DataArray(np.zeros((2, 2)), dims=("y", "x"))
    with pytest.raises(RasterError, match="has the dimensions y, x; expected band, y, x"):
        use(flat.hsfuse)


def test_a_colour_is_no_wavelength_and_a_name_no_place():
    placed = xr.DataArray(
        np.zeros((1, 2, 2)),
        dims=("band", "y", "x"),
        coords={"y": [25.0, 15.0], "x": [5.0, 15.0], "wavelength": ("band", [660.0])},
    )
    with pytest.raises(PlanError, match="found red; expected nanometres"):
        placed.hsfuse.nearest("red")
    with pytest.raises(PlanError, match="found 'here'; expected map coordinates"):
        placed.hsfuse.spectrum("here", 20)
    with pytest.raises(PlanError, match="found 2 and 3 values; expected as many of both"):
        placed.hsfuse.spectrum([5, 15], [15, 25, 15])
