"""Planning reads a bounded part of the pair, and no pixel more often than it needs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from numpy.typing import NDArray

import hsfuse
from hsfuse.errors import WeightsError
from hsfuse.fusion.plan import plan_fusion
from hsfuse.fusion.settings import FusionSettings
from hsfuse.synthetic.sample import make_sample

BANDS = "sentinel-2a:B2,B3,B4,B8"
OTHER_WEIGHTS = Path(__file__).parents[2] / "benchmarks/weights/any-sensor-b.safetensors"


class CountedPixels:
    """Pixels that count how often each of them is read."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, 3
        self.reads = np.zeros(values.shape[1:], int)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        self.reads[key[1:]] += 1
        return self.values[key]


@pytest.fixture(scope="module")
def counted() -> Callable[[float], tuple[xr.DataArray, xr.DataArray, list[CountedPixels]]]:
    """Return a maker of a pair whose HS image lies elsewhere than stated, and its counters."""
    made = make_sample(hs_sensor="generic-vnir", rgb_sensor=BANDS, size=(40, 40), ratio=4.0)
    scene, rgb = made.scene.compute(), made.rgb.compute()

    def make(shift: float) -> tuple[xr.DataArray, xr.DataArray, list[CountedPixels]]:
        stated = scene.rio.transform()
        moved = scene.assign_coords(y=scene["y"] - shift * stated.e).rio.write_transform(
            stated * Affine.translation(0, -shift)
        )
        pixels = [CountedPixels(each.to_numpy()) for each in (moved, rgb)]
        hs, ms = (
            each.copy(data=da.from_array(p, chunks=-1, fancy=True, meta=np.empty((0,) * 3, "f4")))
            for each, p in zip((moved, rgb), pixels, strict=True)
        )
        return hs.assign_attrs(scene.attrs, georeferenced=True), ms, pixels

    return make


@pytest.mark.parametrize("shift", [0.0, 0.4], ids=["as stated", "shifted"])
def test_a_plan_reads_a_pixel_of_a_small_pair_once(
    counted: Callable[[float], tuple[xr.DataArray, xr.DataArray, list[CountedPixels]]],
    shift: float,
) -> None:
    """Fill search, co-registration and survey share it, also where the HS image is shifted."""
    hs, rgb, pixels = counted(shift)
    plan = plan_fusion(hs, rgb, method="guided")
    assert plan.alignment is not None
    assert plan.alignment.shift[0] == pytest.approx(shift, abs=0.1)
    for each in pixels:
        assert each.reads.max() == 1


@pytest.mark.parametrize(
    ("products", "choices", "expected"),
    [
        (True, {}, "bfloat16"),
        (False, {}, "float32"),
        (True, {"precision": "float32"}, "float32"),
        (True, {"weights": OTHER_WEIGHTS}, "float32"),
        (True, {"method": "guided"}, "float32"),
    ],
    ids=str,
)
def test_the_plan_states_the_arithmetic_of_networks(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    products: bool,
    choices: dict[str, Any],
    expected: str,
) -> None:
    """bfloat16 where products in it are fast, for the weights of hsfuse; or as requested."""
    monkeypatch.setattr("hsfuse.fusion.plan.has_bfloat16_products", lambda device: products)
    plan = plan_fusion(files / "scene.tif", files / "rgb.tif", device="cpu", **choices)
    assert plan.options.precision == expected
    assert plan.fuser.describe().get("precision", expected) == expected


def test_arithmetic_in_bfloat16_hardly_changes_the_pixels(files: Path) -> None:
    """By less than 0.2 percent of their standard deviation."""
    pair = files / "scene.tif", files / "rgb.tif"
    fine, half = (
        hsfuse.fuse(*pair, align=False, device="cpu", precision=precision)
        .compute(scheduler="synchronous")
        .to_numpy()
        for precision in ("float32", "bfloat16")
    )
    change = half - fine
    assert change.any()
    assert change.std() < 2e-3 * fine.std()


def test_weights_for_other_pairs_are_refused_before_a_pixel_is_read(monkeypatch):
    """By bands and ratio, which the metadata tell; the file and what it takes are named."""
    centre = np.linspace(450.0, 800.0, 6)
    hs, rgb = (
        xr.DataArray(
            np.ones((bands, size, size), np.float32),
            dims=("band", "y", "x"),
            coords={
                "wavelength": ("band", centre[:bands]),
                "fwhm": ("band", np.full(bands, 60.0)),
                "y": -step * (np.arange(size) + 0.5),
                "x": step * (np.arange(size) + 0.5),
            },
        ).chunk()
        for bands, size, step in ((6, 8, 4.0), (3, 32, 1.0))
    )
    monkeypatch.setattr("hsfuse.fusion.plan.without_gaps", None)
    weights = Path(__file__).parents[2] / "benchmarks" / "weights" / "cave-16-dhsis.safetensors"
    with pytest.raises(WeightsError, match="take 31 good HS bands") as caught:
        plan_fusion(hs, rgb, FusionSettings(method="dhsis", weights=weights))
    assert str(caught.value).startswith(str(weights))
