"""A real pair: the HS image is the truth at reduced resolution, and there is none at full."""

import numpy as np
import pytest

from hsfuse.benchmarking.cases import list_pair
from hsfuse.benchmarking.run import run_benchmark
from hsfuse.benchmarking.settings import BenchmarkSettings
from hsfuse.errors import PlanError
from hsfuse.io.read import open_raster
from hsfuse.pair.geometry import make_pair
from hsfuse.synthetic.simulated_files import SimulatedFiles, simulate
from hsfuse.synthetic.simulation import reduce_pair

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair(made_cubes, tmp_path_factory: pytest.TempPathFactory) -> SimulatedFiles:
    """Return a pair of 24 HS pixels a side at ratio 2."""
    folder = tmp_path_factory.mktemp("pair")
    return simulate(made_cubes[0], folder, rgb_sensor="sentinel-2a:B2,B3,B4", ratio=2)


def test_a_reduced_pair_has_the_hs_image_as_truth(pair) -> None:
    """Both images are degraded by the PSF: of a flat field nothing changes, and means stay."""
    whole = make_pair(open_raster(pair.scene), open_raster(pair.rgb))
    reduced = reduce_pair(whole, 3.0)
    assert reduced.scene.shape == (8, 8, 8)
    assert reduced.rgb.shape == (3, 24, 24)
    np.testing.assert_array_equal(reduced.truth, whole.hs)
    for coarse, fine in ((reduced.scene, whole.hs), (reduced.rgb, whole.fine)):
        inside = coarse.values[:, 2:-2, 2:-2].mean(axis=(1, 2))
        np.testing.assert_allclose(inside, fine.values.mean(axis=(1, 2)), rtol=0.1)
    scale = abs(reduced.scene.rio.transform().a / reduced.truth.rio.transform().a)
    assert scale == pytest.approx(3.0)
    np.testing.assert_array_equal(reduced.rgb["wavelength"], whole.fine["wavelength"])


def test_a_pair_is_scored_with_and_without_truth(pair, tmp_path, in_process) -> None:
    out = tmp_path / "out"
    outcome = run_benchmark(
        out=out, pair=(pair.scene, pair.rgb), methods=("bicubic",), ratios=(3.0,)
    )
    assert not outcome.failed, outcome.failed
    reduced, full = outcome.rows
    assert (reduced.kind, full.kind) == ("reduced resolution", "full resolution")
    assert reduced.psnr is not None
    assert full.psnr is None
    assert reduced.qnr is None
    assert full.ratio == pytest.approx(2.0)
    for row in outcome.rows:
        assert row.hs_consistency is not None
    text = (out / "benchmark.md").read_text()
    assert "## Reduced resolution, ratio 3" in text
    assert "## Full resolution, ratio 2" in text
    assert (
        f"| method | {pair.scene.parent.name} (1) QNR | HQNR | D_lambda | D_lambda K | D_s |"
        in text
    )
    assert "HS consistency %" in text


def test_cases_of_a_pair_have_names_of_their_own(pair) -> None:
    """Runs are prepared, and files written, by the name: also where both ratios are the same."""
    settings = BenchmarkSettings(rgb_sensors=("sentinel-2a:B2,B3,B4",))
    reduced, full = list_pair(pair.scene, pair.rgb, settings)
    assert reduced.ratio == full.ratio == 2
    assert reduced.name != full.name


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"hs_snr": 30.0}, "hs_snr: simulated from cubes only"),
        ({"rgb_sensors": ("nikon-d700", "enmap")}, "a real pair has one MS sensor"),
    ],
)
def test_what_is_only_simulated_is_refused(pair, tmp_path, choices, message) -> None:
    with pytest.raises(PlanError, match=message):
        run_benchmark(out=tmp_path, pair=(pair.scene, pair.rgb), **choices)
