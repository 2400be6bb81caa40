"""The QGIS style beside an output: bands, limits in the values that QGIS sees, and whose it is."""

from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
import xarray as xr

from hsfuse.io.write import write_raster


def raster(wavelength: list[float], scale: float = 1.0) -> xr.DataArray:
    """Return bands of known distribution, the first pixels without data."""
    values = np.linspace(0, scale, 6000, dtype=np.float32).reshape(60, 100)
    values = np.stack([values * (band + 1) for band in range(len(wavelength))])
    values[:, 0, :9] = np.nan
    coords = {"wavelength": ("band", wavelength)}
    return xr.DataArray(values, dims=("band", "y", "x"), coords=coords)


def style(path: Path) -> Xml.Element:
    """Return what stretches the bands."""
    found = Xml.parse(path).getroot().find("pipe/rasterrenderer")
    assert found is not None
    return found


def limits(path: Path) -> list[float]:
    """Return minimum and maximum of red, green and blue."""
    return [
        float(style(path).findtext(f"{colour}ContrastEnhancement/{end}Value", "nan"))
        for colour in ("red", "green", "blue")
        for end in ("min", "max")
    ]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("a.tif", {"dtype": "int16", "scale": 1e-3}), ("a.nc", {}), ("a.dat", {})],
)
def test_colours_are_the_nearest_bands_between_their_percentiles(tmp_path, name, numbers):
    """Of the values with data, scaled where GDAL scales them."""
    array = raster([440.0, 480.0, 560.0, 660.0])
    write_raster(array, tmp_path / name, **numbers)
    found = style(tmp_path / "a.qml")
    assert [found.get(f"{colour}Band") for colour in ("red", "green", "blue")] == ["4", "3", "2"]
    expected = np.nanpercentile(array.values[[3, 2, 1]], (2, 98), axis=(1, 2)).T.ravel()
    np.testing.assert_allclose(limits(tmp_path / "a.qml"), expected, atol=2e-3)


def test_limits_are_stored_numbers_where_gdal_does_not_scale_them(tmp_path):
    """As the divisor of reflectance in an ENVI header."""
    array = raster([480.0, 560.0, 660.0]).assign_attrs(units="reflectance")
    write_raster(array, tmp_path / "a.dat", dtype="int16", scale=1e-4)
    expected = 1e4 * np.nanpercentile(array.values[::-1], (2, 98), axis=(1, 2)).T.ravel()
    np.testing.assert_allclose(limits(tmp_path / "a.qml"), expected, rtol=1e-3, atol=10)


@pytest.mark.parametrize("name", ["a.tif", "a.nc", "a.dat"])
def test_without_wavelengths_the_bands_are_spread(tmp_path, name):
    """Bands 9, 6 and 2 of ten: QGIS would show 1, 2 and 3."""
    array = raster([np.nan] * 10)
    write_raster(array, tmp_path / name)
    found = style(tmp_path / "a.qml")
    assert [found.get(f"{colour}Band") for colour in ("red", "green", "blue")] == ["9", "6", "2"]
    expected = [part * band for band in (9, 6, 2) for part in (0.02, 0.98)]
    np.testing.assert_allclose(limits(tmp_path / "a.qml"), expected, atol=2e-2)


def test_a_style_of_a_user_stays(tmp_path):
    """That of an older output is replaced; without colours to show there is none."""
    array = raster([480.0, 560.0, 660.0])
    write_raster(array, tmp_path / "a.tif")
    before = limits(tmp_path / "a.qml")
    write_raster(array * 2, tmp_path / "a.tif", overwrite=True)
    np.testing.assert_allclose(limits(tmp_path / "a.qml"), 2 * np.array(before), rtol=1e-5)
    write_raster(array[:2], tmp_path / "a.tif", overwrite=True)
    assert not (tmp_path / "a.qml").exists()
    (tmp_path / "a.qml").write_text("<qgis/>")
    write_raster(array, tmp_path / "a.tif", overwrite=True)
    assert (tmp_path / "a.qml").read_text() == "<qgis/>"
