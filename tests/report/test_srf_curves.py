"""Curves of the spectral response, as quicklook and page draw them."""

import numpy as np
import pytest

import hsfuse
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.report.srf_curves import srf_curves
from hsfuse.report.wording import describe_srf
from hsfuse.synthetic.sample import write_sample


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Return the plan of a pair whose HS image has two detectors that overlap."""
    made = write_sample(tmp_path_factory.mktemp("pair"), size=(24, 24))
    hs = hsfuse.open_raster(made.scene, sensor="enmap")
    rgb = hsfuse.open_raster(made.rgb, sensor="sentinel-2a:B2,B3,B4,B8")
    return plan_fusion(hs, rgb, method="bicubic", align=False)


def test_a_curve_has_no_step_where_detectors_overlap(plan: Plan) -> None:
    """The HS bands are closer there and have less weight, the response is the same."""
    infrared = max(srf_curves(plan.pair, plan.radiometry), key=lambda each: each.place.max())
    assert infrared.place.max() > 900
    published = hsfuse.load_sensor("sentinel-2a").curves
    curve = published.response[list(hsfuse.load_sensor("sentinel-2a").band_names).index("B8")]
    near = (infrared.place > 850) & (infrared.place < 910)
    smooth = np.array(
        [
            np.average(curve, weights=np.exp(-0.5 * ((published.wavelength - nm) / 4) ** 2))
            for nm in infrared.place
        ]
    )
    expected = smooth / smooth.max()
    np.testing.assert_allclose(infrared.share[near], expected[near], atol=0.06)


def test_curves_begin_and_end_where_the_response_does(plan: Plan) -> None:
    """One for each MS band, in spectral order, with its peak at one and its ends near zero."""
    curves = srf_curves(plan.pair, plan.radiometry)
    assert len(curves) == 4
    assert [curve.place.mean() for curve in curves] == sorted(c.place.mean() for c in curves)
    for curve in curves:
        assert curve.share.max() == 1
        assert max(curve.share[0], curve.share[-1]) < 0.02
        assert not curve.weights


def test_the_plan_lists_the_matched_bands(plan: Plan) -> None:
    """Of the MS sensor, and for each MS band the HS bands that its response covers."""
    text = describe_srf(plan.pair, plan.radiometry)
    assert "response curves of sentinel-2a, bands B2, B3, B4, B8" in text
    wavelength = plan.pair.hs["wavelength"].values
    for part, (low, high) in zip(
        text.split("half its peak: ")[1].split("; "),
        ((455, 528), (540, 580), (645, 685), (775, 905)),
        strict=True,
    ):
        numbers = part.split(" bands ")[1].split(" (")[0]
        first, last = (int(number) for number in numbers.split(" to "))
        covered = wavelength[first - 1 : last]
        assert low < covered.min() < covered.max() < high
