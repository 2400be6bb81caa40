import dask.array as da
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine

from hsfuse.core.grid import Axis
from hsfuse.core.resample import degrade_matrix
from hsfuse.errors import OutputError, PairError, SensorError
from hsfuse.sensor.catalogue import load_sensor, pick_sensor, response_matrix
from hsfuse.synthetic.landscape import make_scene
from hsfuse.synthetic.simulated_files import simulate
from hsfuse.synthetic.simulation import observe

WAVELENGTH = np.arange(430.0, 931.0, 20.0)
BANDS = "sentinel-2a:B2,B3,B4,B8"
TRANSFORM = Affine(2.0, 0.0, 300_000.0, 0.0, -2.0, 5_000_000.0)


def make_cube(rows: int = 48, columns: int = 64, values: np.ndarray | None = None) -> xr.DataArray:
    if values is None:
        values = make_scene(rows, columns, WAVELENGTH, seed=2)
    _, rows, columns = values.shape
    bands = len(values)
    cube = xr.DataArray(
        values.astype(np.float32),
        dims=("band", "y", "x"),
        coords={
            "band": np.arange(1, bands + 1),
            "wavelength": ("band", WAVELENGTH[:bands]),
            "fwhm": ("band", np.full(bands, 20.0)),
            "good": ("band", np.ones(bands, bool)),
            "band_name": ("band", np.array([f"b{i}" for i in range(bands)])),
            "y": TRANSFORM.f + TRANSFORM.e * (np.arange(rows) + 0.5),
            "x": TRANSFORM.c + TRANSFORM.a * (np.arange(columns) + 0.5),
        },
        attrs={"source": "cube.tif", "units": "reflectance"},
    )
    return cube.rio.write_crs("EPSG:32633").rio.write_transform(TRANSFORM)


def degraded(truth: xr.DataArray, scene: xr.DataArray, ratio: float, offset, fwhm) -> np.ndarray:
    y, x = (
        degrade_matrix(Axis(truth.sizes[name], scene.sizes[name], ratio, start), fwhm)
        for name, start in zip(("y", "x"), offset, strict=True)
    )
    return y @ truth.to_numpy().astype(np.float64) @ x.T


@pytest.mark.parametrize(
    ("ratio", "offset", "fwhm"),
    [(4.0, (0.0, 0.0), 1.0), (4.0, (1.3, 2.6), 0.8), (3.33, (0.5, 0.0), 1.4), (16.0, (0, 0), 1.0)],
)
def test_the_scene_is_the_truth_blurred_and_sampled(ratio, offset, fwhm):
    made = observe(make_cube(), rgb_sensor=BANDS, ratio=ratio, offset=offset, fwhm=fwhm)
    expected = degraded(made.truth, made.scene, ratio, offset, fwhm)
    np.testing.assert_allclose(made.scene.to_numpy(), expected, atol=2e-6)


def test_the_average_protocol_is_the_mean_over_blocks():
    made = observe(make_cube(), rgb_sensor=BANDS, ratio=4, psf="average")
    blocks = made.truth.to_numpy().reshape(-1, 12, 4, 16, 4).mean((2, 4))
    np.testing.assert_allclose(made.scene.to_numpy(), blocks, atol=2e-6)


def test_the_rgb_image_is_the_response_to_the_truth():
    made = observe(make_cube(), rgb_sensor=BANDS, ratio=4)
    sensor = load_sensor("sentinel-2a").select(["B2", "B3", "B4", "B8"])
    matrix = response_matrix(sensor, WAVELENGTH, np.full(WAVELENGTH.size, 20.0)).matrix
    expected = np.tensordot(matrix, made.truth.to_numpy(), 1)
    np.testing.assert_allclose(made.rgb.to_numpy(), expected, atol=2e-6)
    assert made.rgb["band_name"].values.tolist() == ["B2", "B3", "B4", "B8"]
    np.testing.assert_allclose(made.rgb["wavelength"].values, sensor.wavelength)
    assert made.rgb.attrs["sensor"] == "sentinel-2a"


def test_a_flat_cube_stays_flat():
    values = np.tile(np.linspace(0.1, 0.6, WAVELENGTH.size)[:, None, None], (1, 40, 44))
    made = observe(make_cube(values=values), rgb_sensor=BANDS, ratio=3.7, offset=(0.4, 3.1))
    for raster in (made.scene, made.rgb):
        flat = raster.to_numpy()
        np.testing.assert_allclose(flat, flat[:, :1, :1] * np.ones_like(flat), rtol=1e-5)
    np.testing.assert_allclose(made.scene.to_numpy()[:, 0, 0], values[:, 0, 0], rtol=1e-5)


def test_grids_without_an_offset_cover_the_same_ground_to_the_last_whole_pixel():
    made = observe(make_cube(47, 66), rgb_sensor=BANDS, ratio=4)
    assert made.truth.shape == (WAVELENGTH.size, 44, 64)
    assert made.rgb.shape == (4, 44, 64)
    assert made.scene.shape == (WAVELENGTH.size, 11, 16)
    assert made.rgb.rio.bounds() == made.truth.rio.bounds() == made.scene.rio.bounds()
    assert made.scene.rio.resolution() == (8.0, -8.0)
    assert made.scene.rio.crs == made.rgb.rio.crs == made.truth.rio.crs
    np.testing.assert_allclose(made.scene["x"].values[:2], [300_004.0, 300_012.0])


def test_an_offset_moves_the_hs_image_in_the_cube():
    made = observe(make_cube(), rgb_sensor=BANDS, ratio=5, offset=(1.5, 2.25))
    left, bottom, right, top = made.scene.rio.bounds()
    assert (left, top) == (300_000.0 + 2.25 * 2, 5_000_000.0 - 1.5 * 2)
    outer = made.rgb.rio.bounds()
    assert outer[0] <= left < right <= outer[2]
    assert outer[1] <= bottom < top <= outer[3]


def test_noise_has_the_power_asked_for_and_follows_the_seed():
    options = {"rgb_sensor": BANDS, "ratio": 2, "hs_snr": 20.0, "ms_snr": 30.0}
    clean = observe(make_cube(), rgb_sensor=BANDS, ratio=2)
    noisy, again = (observe(make_cube(), **options, seed=5) for _ in range(2))
    other = observe(make_cube(), **options, seed=6)
    for name, snr in (("scene", 20.0), ("rgb", 30.0)):
        signal = getattr(clean, name).to_numpy().astype(float)
        values = getattr(noisy, name).to_numpy()
        power = (signal**2).mean((1, 2)) / ((values - signal) ** 2).mean((1, 2))
        np.testing.assert_allclose(10 * np.log10(power), snr, atol=0.7)
        assert np.array_equal(values, getattr(again, name).to_numpy())
        assert not np.array_equal(values, getattr(other, name).to_numpy())


def test_windows_are_those_of_the_whole():
    values = np.random.default_rng(0).random((WAVELENGTH.size, 300, 520), np.float32)
    cube = make_cube(values=values)
    lazy = cube.chunk({"band": 7, "y": 70, "x": 90})
    options = {"rgb_sensor": BANDS, "ratio": 1.9, "hs_snr": 30.0, "ms_snr": 30.0}
    whole, parts = observe(cube, **options), observe(lazy, **options)
    for name in ("scene", "rgb"):
        image = getattr(whole, name).to_numpy()
        window = getattr(parts, name).isel(y=slice(20, 150), x=slice(240, 270))
        np.testing.assert_allclose(window.to_numpy(), image[:, 20:150, 240:270], atol=1e-5)


def test_nothing_is_read_before_it_is_needed_and_then_only_the_window():
    rows_read = []

    def read(block_info):
        place = block_info[None]["array-location"]
        rows_read.append(place[1])
        return np.full([stop - start for start, stop in place], 0.3, np.float32)

    data = da.map_blocks(
        read,
        chunks=((WAVELENGTH.size,), (64,) * 32, (64,)),
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )
    cube = make_cube(values=np.zeros((WAVELENGTH.size, 2048, 64))).copy(data=data)
    made = observe(cube, rgb_sensor=BANDS, ratio=4)
    assert rows_read == []
    np.testing.assert_allclose(made.scene.isel(y=slice(0, 8)).to_numpy(), 0.3, rtol=1e-5)
    assert rows_read
    assert max(stop for _, stop in rows_read) < 1300  # one chunk of 256 pixels and its blur


def test_missing_values_stay_where_they_are():
    values = make_scene(40, 40, WAVELENGTH, seed=2)
    values[:, :8, :16] = np.nan
    values[0] = np.nan  # a band without data
    clean = make_scene(40, 40, WAVELENGTH, seed=2)
    options = {"rgb_sensor": BANDS, "ratio": 4}
    cube = make_cube(values=values)
    cube["good"] = ("band", np.arange(WAVELENGTH.size) > 0)
    made, whole = observe(cube, **options), observe(make_cube(values=clean), **options)
    scene, rgb = made.scene.to_numpy(), made.rgb.to_numpy()
    assert np.isnan(scene[0]).all()
    assert np.isnan(scene[1:, 0, 0]).all()
    assert np.isfinite(scene[1:, 5:]).all()
    np.testing.assert_allclose(scene[1:, 6:], whole.scene.to_numpy()[1:, 6:], atol=2e-6)
    assert np.isnan(rgb[:, :8, :16]).all()
    assert np.isfinite(rgb[:, 8:]).all()


def test_a_pixel_beside_missing_values_is_the_mean_of_the_rest():
    values = np.full((WAVELENGTH.size, 40, 40), 0.25)
    values[:, :9, 10:22] = np.nan
    scene = observe(make_cube(values=values), rgb_sensor=BANDS, ratio=4).scene.to_numpy()
    assert 4 < np.isnan(scene[0]).sum() < 16
    np.testing.assert_allclose(scene[np.isfinite(scene)], 0.25, rtol=1e-5)


def test_files_hold_the_pair_and_its_truth(tmp_path):
    cube = make_cube(40, 48)
    made = observe(cube, rgb_sensor=BANDS, ratio=4, hs_snr=35.0)
    files = simulate(
        cube, tmp_path / "new" / "pair", rgb_sensor=BANDS, ratio=4, hs_snr=35.0, dtype="int16",
        scale=1e-4,
    )  # fmt: skip
    assert [path.name for path in files] == ["scene.tif", "rgb.tif", "truth.tif"]
    for path, raster in zip(files, made, strict=True):
        with rasterio.open(path) as dataset:
            assert dataset.dtypes[0] == "int16"
            assert dataset.nodata == -32768
            assert dataset.crs.to_epsg() == 32633
            assert dataset.transform.almost_equals(raster.rio.transform())
            assert dataset.tags(1, ns="IMAGERY")["CENTRAL_WAVELENGTH_UM"]
            values = dataset.read() * dataset.scales[0]
        np.testing.assert_allclose(values, raster.to_numpy(), atol=5.1e-5)


def test_existing_files_are_kept_without_overwrite(tmp_path):
    cube = make_cube(16, 16)
    files = simulate(cube, tmp_path, rgb_sensor=BANDS, ratio=4)
    before = files.rgb.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        simulate(cube, tmp_path, rgb_sensor=BANDS, ratio=2)
    assert files.rgb.read_bytes() == before
    simulate(cube, tmp_path, rgb_sensor=BANDS, ratio=2, overwrite=True)
    with rasterio.open(files.scene) as dataset:
        assert dataset.shape == (8, 8)


def test_a_folder_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file; expected the folder"):
        simulate(make_cube(16, 16), tmp_path / "file", rgb_sensor=BANDS, ratio=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 1.0}, "ratio must be greater than 1"),
        ({"ratio": float("nan")}, "ratio must be greater than 1"),
        ({"ratio": 100}, "hold no whole HS pixel at ratio 100"),
        ({"ratio": 4, "offset": (0.0, 4.0)}, "offset must be at least 0"),
        ({"ratio": 4, "offset": (-0.5, 0.0)}, "offset must be at least 0"),
        ({"ratio": 4, "fwhm": 0.0}, "fwhm must be positive"),
        ({"ratio": 4, "fwhm": 1.0, "psf": "average"}, "has no FWHM"),
        ({"ratio": 4, "psf": "box"}, "gaussian or average"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options, message):
    with pytest.raises(PairError, match=message):
        observe(make_cube(16, 16), rgb_sensor=BANDS, **options)


def test_a_cube_without_wavelengths_says_what_to_do():
    cube = make_cube(16, 16)
    with pytest.raises(SensorError, match=r"cube\.tif: has no wavelengths"):
        observe(cube.drop_vars("wavelength"), rgb_sensor=BANDS, ratio=4)


def test_bands_that_the_cube_does_not_cover_are_named_with_what_is_missing():
    with pytest.raises(SensorError, match=r"does not cover sentinel-2a .*B11 \(100 % missing\)"):
        observe(make_cube(16, 16), rgb_sensor="sentinel-2a", ratio=4)


def test_a_sensor_is_picked_by_name_and_bands():
    assert pick_sensor("sentinel-2a: B4, B3").band_names == ("B4", "B3")
    sensor = load_sensor("nikon-d700")
    assert pick_sensor(sensor) is sensor
    with pytest.raises(SensorError, match="B99"):
        pick_sensor("sentinel-2a:B99")


def test_the_blur_is_that_of_the_sensor():
    sensor = load_sensor("enmap")
    named = observe(make_cube(), rgb_sensor=BANDS, hs_sensor="enmap", ratio=4)
    expected = observe(make_cube(), rgb_sensor=BANDS, ratio=4, fwhm=sensor.psf.fwhm)
    assert np.array_equal(named.scene.to_numpy(), expected.scene.to_numpy())
    assert named.scene.attrs["sensor"] == "enmap"
