import numpy as np
import pytest
import rasterio

from hsfuse.core.grid import Axis
from hsfuse.core.resample import degrade_matrix
from hsfuse.errors import OutputError, PairError, SensorError
from hsfuse.sensor.catalogue import load_sensor, response_matrix
from hsfuse.synthetic.sample import make_sample, write_sample

SMALL = {"size": (12, 16)}


def corner(coarse, fine):
    """Return the row and column of one grid's upper left corner in another, north up."""
    return (coarse.f - fine.f) / fine.e, (coarse.c - fine.c) / fine.a


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("sample"), **SMALL)


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read().astype(np.float64) * dataset.scales[0], dataset.profile


@pytest.mark.slow
def test_the_same_seed_writes_the_same_bytes(files, tmp_path):
    again, other = (
        write_sample(tmp_path / "a", **SMALL),
        write_sample(tmp_path / "b", **SMALL, seed=1),
    )
    for first, second, third in zip(files, again, other, strict=True):
        assert first.read_bytes() == second.read_bytes()
        assert np.abs(read(first)[0] - read(third)[0]).mean() > 0.03  # more than the noise


def test_the_default_pair_has_two_real_sensors_at_their_own_pixel_sizes(files):
    enmap = load_sensor("enmap")
    with rasterio.open(files.scene) as scene, rasterio.open(files.rgb) as rgb:
        assert scene.res == (30.0, 30.0)
        assert rgb.res == (10.0, 10.0)
        assert scene.crs == rgb.crs == rasterio.CRS.from_epsg(32633)
        assert (scene.count, rgb.count) == (len(enmap.band_names), 4)
        centres = [
            float(scene.tags(i, ns="IMAGERY")["CENTRAL_WAVELENGTH_UM"]) for i in scene.indexes
        ]
        np.testing.assert_allclose(np.array(centres) * 1000, enmap.wavelength, atol=1e-3)
        assert scene.dtypes[0] == rgb.dtypes[0] == "int16"
        assert scene.nodata == rgb.nodata == -32768


def test_the_truth_lies_on_the_grid_of_the_rgb_image_and_the_scene_inside_but_unaligned(files):
    (_, scene), (_, rgb), (_, truth) = (read(path) for path in files)
    assert rgb["transform"] == truth["transform"]
    assert (rgb["height"], rgb["width"]) == (truth["height"], truth["width"])
    row, column = corner(scene["transform"], rgb["transform"])
    assert 0 < row < 1
    assert 0 < column < 1
    assert row + 3 * scene["height"] <= rgb["height"]
    assert column + 3 * scene["width"] <= rgb["width"]


def test_every_pixel_has_data_and_is_a_reflectance(files):
    for path in files:
        values, _ = read(path)
        assert values.min() > -0.1  # noise
        assert values.max() < 1.1
        assert values.std() > 0.05
    truth, _ = read(files.truth)
    assert truth.min() >= 0.0
    assert truth.max() <= 1.0


def test_both_images_are_observations_of_the_truth_up_to_noise(files):
    (scene, profile), (rgb, fine), (truth, _) = (read(path) for path in files)
    enmap = load_sensor("enmap")
    row, column = corner(profile["transform"], fine["transform"])
    down = degrade_matrix(Axis(truth.shape[1], scene.shape[1], 3.0, row), enmap.psf.fwhm[0])
    right = degrade_matrix(Axis(truth.shape[2], scene.shape[2], 3.0, column), enmap.psf.fwhm[1])
    seen = down @ truth @ right.T
    assert snr(seen, scene) == pytest.approx(40.0, abs=1.0)
    bands = load_sensor("sentinel-2a").select(["B2", "B3", "B4", "B8"])
    matrix = response_matrix(bands, enmap.wavelength, enmap.fwhm, good=enmap.good).matrix
    assert snr(np.tensordot(matrix, truth, 1), rgb) == pytest.approx(45.0, abs=1.0)


def snr(signal, noisy):
    """Return the signal-to-noise ratio in decibels."""
    return 10 * np.log10((signal**2).mean() / ((noisy - signal) ** 2).mean())


def test_plants_differ_from_water_in_the_ms_image(files):
    rgb, _ = read(files.rgb)
    ndvi = (rgb[3] - rgb[2]) / (rgb[3] + rgb[2])
    assert ndvi.max() > 0.7
    assert ndvi[rgb[3] < 0.05].mean() < 0.0


@pytest.mark.parametrize(("given", "expected"), [(None, 8.0), (5.5, 5.5)])
def test_other_sensors_and_ratios(given, expected):
    made = make_sample(
        hs_sensor="cave-31", rgb_sensor="nikon-d700", size=(6, 7), ratio=given, hs_snr=None,
        ms_snr=None,
    )  # fmt: skip
    assert made.scene.shape == (31, 6, 7)
    assert made.rgb.sizes["band"] == 3
    fine, coarse = made.rgb.rio.resolution()[0], made.scene.rio.resolution()[0]
    assert coarse / fine == pytest.approx(expected)


def test_the_pixel_size_of_the_hyperspectral_sensor_is_kept_at_any_ratio():
    made = make_sample(size=(4, 4), ratio=6)
    assert made.scene.rio.resolution() == pytest.approx((30.0, -30.0))
    assert made.rgb.rio.resolution() == pytest.approx((5.0, -5.0))


def test_water_vapour_bands_are_marked():
    made = make_sample(size=(2, 2))
    assert not made.scene["good"].values.all()
    assert np.array_equal(made.scene["good"].values, load_sensor("enmap").good)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": (0, 4)}, PairError, "size must be at least 1"),
        ({"ratio": 0.5}, PairError, "ratio must be greater than 1"),
        ({"hs_sensor": "enmop"}, SensorError, "unknown sensor"),
        ({"hs_sensor": "cave-31", "ratio": 4.0}, SensorError, "does not cover"),
    ],
)
def test_invalid_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        make_sample(**{"size": (4, 4), **options})


@pytest.mark.slow
def test_an_existing_sample_is_kept_without_overwrite(tmp_path):
    write_sample(tmp_path, size=(4, 4))
    with pytest.raises(OutputError, match="exists already"):
        write_sample(tmp_path, size=(4, 4))
    write_sample(tmp_path, size=(4, 4), overwrite=True)


def test_what_is_there_is_refused_before_the_landscape_is_made(files, tmp_path, monkeypatch):
    """A finished file, and a part that an interrupt left; --overwrite is what both name."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hsfuse.io.output.passes.finish", stop)
        with pytest.raises(KeyboardInterrupt):
            write_sample(tmp_path, **SMALL)
    monkeypatch.setattr("hsfuse.synthetic.sample.make_sample", None)
    with pytest.raises(OutputError, match=r"scene\.tif: an interrupted command left") as caught:
        write_sample(tmp_path, **SMALL)
    assert "overwrite=True" in str(caught.value)
    assert "resume" not in str(caught.value)
    with pytest.raises(OutputError, match="exists already"):
        write_sample(files.scene.parent, **SMALL)
