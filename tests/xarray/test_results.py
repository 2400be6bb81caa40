"""What hsfuse returns, in xarray and in notebooks: one small pair."""

import dask
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from hsfuse.cli.main import main

import hsfuse
from hsfuse.errors import PairError, as_arguments

SENSORS = {"hs_sensor": "wyvern-dragonette-3", "rgb_sensor": "planetscope-dove"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return hsfuse.write_sample(tmp_path_factory.mktemp("pair"), size=(16, 16), ratio=4, **SENSORS)


@pytest.fixture(scope="module")
def outcome(pair):
    """Return the finished run of the pair, in a zarr store."""
    seen = []
    out = pair.scene.with_name("fused.zarr")
    done = hsfuse.run(
        pair.scene, pair.rgb, out, method="bicubic", tile=32, progress=lambda *at: seen.append(at),
        **SENSORS,
    )  # fmt: skip
    assert seen[-1] == (done.blocks, done.blocks)
    return done


@pytest.fixture(scope="module")
def fused(pair):
    """Return the lazy result of the pair."""
    return hsfuse.fuse(pair.scene, pair.rgb, method="bicubic", tile=32, **SENSORS)


def test_the_assessment_of_the_accessor_is_that_of_the_function(pair, fused):
    fused = fused.compute()
    found = fused.hsfuse.assess(pair.scene, pair.rgb, **SENSORS)
    assert found == hsfuse.assess(fused, pair.scene, pair.rgb, **SENSORS)
    assert found.findings[0].text in found._repr_html_()
    assert len(repr(found)) < 2000  # a figure for each band would fill pages


def test_a_fused_raster_is_not_computed_by_its_accessor(fused):
    def computing(*_: object) -> None:
        raise AssertionError("a chunk is computed")

    x, y = float(fused.x[9]), float(fused.y[20])
    with dask.config.set(scheduler=computing):
        spectrum = fused.hsfuse.spectrum(x, y)
        seen = fused.hsfuse.resample_to("planetscope-dove:green,red")
        red = fused.hsfuse.rgb()
    np.testing.assert_array_equal(spectrum, fused[:, 20, 9])
    np.testing.assert_allclose(
        seen[:, 20, 9], spectrum.hsfuse.resample_to("planetscope-dove:green,red"), rtol=1e-6
    )
    assert red.sizes["band"] == 3


def test_bands_are_selected_by_wavelength_as_xarray_does_it(fused):
    """Where wavelengths increase, as those of one detector do."""
    band = fused.sel(wavelength=660, method="nearest")
    assert band.band == fused.hsfuse.nearest(660).band


def test_a_store_opened_by_xarray_has_what_the_accessor_needs(outcome, fused):
    """Wavelengths, FWHM, good bands and the place."""
    with xr.open_zarr(outcome.path) as dataset:
        (stored,) = (each for each in dataset.data_vars.values() if each.ndim == 3)
        x, y = float(fused.x[40]), float(fused.y[3])
        step = 1e-4  # of the stored numbers
        np.testing.assert_allclose(
            stored.hsfuse.spectrum(x, y), fused.hsfuse.spectrum(x, y), atol=step
        )
        np.testing.assert_allclose(
            stored.hsfuse.resample_to("planetscope-dove").isel(y=3, x=40),
            fused.hsfuse.resample_to("planetscope-dove").isel(y=3, x=40),
            atol=step,
        )
        np.testing.assert_array_equal(stored.hsfuse.rgb().wavelength, fused.hsfuse.rgb().wavelength)


def test_results_are_tables_in_a_notebook(pair, outcome):
    html = outcome._repr_html_()
    assert str(outcome.path) in html
    assert f"{outcome.spatial.relative:.2%}" in html
    assert f"({outcome.hs_sre_db:.1f} dB)" in html
    score = hsfuse.evaluate(pair.truth, outcome.path, ratio=4)
    assert f"{score.psnr:.2f} dB" in score._repr_html_()


def test_results_are_printed_as_the_commands_print_them(pair, outcome):
    """Of an assessment and of metrics the same text; nothing of their fields."""
    files = [str(outcome.path), str(pair.scene), str(pair.rgb)]
    sensors = [f"--{name.replace('_', '-')}={value}" for name, value in SENSORS.items()]
    for command, result in (
        (["assess", *files, *sensors], hsfuse.assess(*files, **SENSORS)),
        (["evaluate", str(pair.truth), files[0]], hsfuse.evaluate(pair.truth, files[0])),
    ):
        printed = CliRunner().invoke(main, command).stdout.strip()
        assert as_arguments(printed) == str(result)
        assert f"{type(result).__name__}(" not in printed
    text = str(outcome)
    assert text.splitlines()[0].split() == ["output", str(outcome.path)]
    assert "HS consistency  RMSE" in text


def test_an_outcome_states_its_consistency_in_units(pair, outcome):
    """In per cent and decibels, equal to those of the files: nobody reads sums of squares."""
    fused = hsfuse.open_raster(outcome.path)
    ms = hsfuse.open_raster(pair.rgb).sel(y=fused.y, x=fused.x, method="nearest").values
    share = outcome.ms_rmse / np.sqrt(np.mean(ms.astype(np.float64) ** 2))
    assert outcome.ms_rmse_percent == pytest.approx(100 * share, rel=1e-3)
    assert outcome.ms_sre_db == pytest.approx(-20 * np.log10(share), abs=0.01)
    assert outcome.hs_sre_db == pytest.approx(-20 * np.log10(outcome.hs_rmse_percent / 100))
    text = repr(outcome)
    assert "\n" not in text
    for part in (f"{outcome.hs_rmse_percent:.2f}%", f"{outcome.ms_sre_db:.1f} dB", "no data"):
        assert part in text


def test_errors_are_one_line_in_a_notebook():
    """IPython shows this in place of the traceback."""
    error = PairError("a.tif and b.tif: no common place")
    assert error._render_traceback_() == ["PairError: a.tif and b.tif: no common place"]
