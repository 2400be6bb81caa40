"""Every method on the sample: better than interpolation."""

import pytest

import hsfuse
from hsfuse.core.metrics import psnr
from hsfuse.methods import METHODS
from hsfuse.synthetic.sample import make_sample
from hsfuse.synthetic.simulation import SimulatedRasters

pytestmark = pytest.mark.slow

NAMES = [name for name, spec in METHODS.items() if not spec.needs_weights and name != "bicubic"]


@pytest.fixture(scope="module")
def sample() -> SimulatedRasters:
    """Return the pair of `hsfuse sample`, 32 HS pixels a side, in memory."""
    return SimulatedRasters(*(raster.compute() for raster in make_sample(size=(32, 32))))


def decibels(sample: SimulatedRasters, method: str) -> float:
    """Return the PSNR of a fusion over the good bands, all of whose pixels have data."""
    fused = hsfuse.fuse(sample.scene, sample.rgb, method=method, align=False).compute()
    reference = sample.truth.sel(y=fused["y"], x=fused["x"], method="nearest")
    good = fused["good"].values
    return psnr(reference.values[good], fused.values[good])


@pytest.fixture(scope="module")
def interpolated(sample: SimulatedRasters) -> float:
    """Return the PSNR of `bicubic`."""
    return decibels(sample, "bicubic")


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_better_than_interpolation(
    sample: SimulatedRasters, interpolated: float, name: str
) -> None:
    """With its published settings, by three decibels at least."""
    assert decibels(sample, name) > interpolated + 3
