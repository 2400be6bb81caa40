import numpy as np
import pytest

from hsfuse.synthetic.materials import MATERIALS, spectrum

WAVELENGTH = np.arange(380.0, 2501.0, 5.0)
PLANTS = ("crop", "grass", "young crop", "broadleaf tree", "conifer")


def at(material: str, *wavelength: float, vary: float = 0.0) -> list[float]:
    return spectrum(material, list(wavelength), vary=vary).tolist()


def ndvi(material: str, vary: float = 0.0) -> float:
    red, infrared = at(material, 665.0, 842.0, vary=vary)
    return (infrared - red) / (infrared + red)


def red_edge(material: str, vary: float) -> float:
    """Return the wavelength of the steepest rise between 680 and 760 nm."""
    wave = np.arange(680.0, 760.0, 0.5)
    return float(wave[np.argmax(np.gradient(spectrum(material, wave, vary=vary)))])


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("vary", [-1.0, -0.4, 0.0, 1.0])
def test_reflectance_is_between_zero_and_one_and_smooth(material, vary):
    reflectance = spectrum(material, WAVELENGTH, vary=vary)
    assert reflectance.shape == WAVELENGTH.shape
    assert reflectance.min() >= 0.0
    assert 0.01 < reflectance.max() <= 1.0
    assert np.abs(np.diff(reflectance)).max() < 0.08  # 5 nm apart


@pytest.mark.parametrize("material", MATERIALS)
def test_varying_changes_the_spectrum(material):
    low, high = (spectrum(material, WAVELENGTH, vary=vary) for vary in (-1.0, 1.0))
    assert np.abs(high - low).max() > 0.005


def test_a_spectrum_depends_on_its_own_wavelengths_alone():
    whole = spectrum("crop", WAVELENGTH)
    assert np.array_equal(spectrum("crop", WAVELENGTH[::-7]), whole[::-7])


@pytest.mark.parametrize("material", PLANTS)
def test_plants_have_a_red_edge_and_water_absorbs_in_them(material):
    assert ndvi(material) > 0.5
    assert 690.0 < red_edge(material, 0.0) < 745.0
    green, red = at(material, 555.0, 675.0)
    assert green > red
    for dip, left, right in ((970, 900, 1060), (1195, 1090, 1270), (1450, 1300, 1650)):
        low, before, after = at(material, dip, left, right)
        assert low < (before + after) / 2


@pytest.mark.parametrize("material", PLANTS)
def test_vigour_moves_the_red_edge_to_longer_waves(material):
    assert red_edge(material, 1.0) > red_edge(material, -1.0)
    assert ndvi(material, 1.0) > ndvi(material, -1.0)


@pytest.mark.parametrize("material", ["clear water", "turbid water"])
def test_water_falls_with_wavelength_and_is_black_in_the_short_wave_infrared(material):
    green, red, infrared, short = at(material, 560.0, 700.0, 900.0, 1650.0)
    assert green > red > infrared > short
    assert short < 0.01
    assert ndvi(material) < 0.0


def test_clay_iron_and_cellulose_absorb_where_they_should():
    clay, left, right = at("red soil", 2205.0, 2140.0, 2270.0)
    assert clay < 0.97 * (left + right) / 2
    blue, red = at("clay tile", 480.0, 650.0)
    assert red > 2 * blue
    cellulose, left, right = at("stubble", 2100.0, 2000.0, 2210.0)
    assert cellulose < (left + right) / 2


def test_moist_soil_is_darker_than_dry():
    for soil in ("brown soil", "red soil", "pale soil", "dark soil"):
        wet, dry = (spectrum(soil, WAVELENGTH, vary=vary) for vary in (-1.0, 1.0))
        assert (wet < dry).all()


def test_an_unknown_material_is_refused():
    with pytest.raises(KeyError, match="kryptonite"):
        spectrum("kryptonite", WAVELENGTH)
