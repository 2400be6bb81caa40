"""The quicklook: headings that do not collide, and responses in the colours of their bands."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import hsfuse
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster
from hsfuse.report.quicklook import quicklook_figure
from hsfuse.report.srf_panel import srf_title
from hsfuse.synthetic.sample import write_sample


@pytest.fixture(scope="module", params=["stated", "estimated"])
def figure(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Figure:
    """Return the quicklook of a small run with a long name, drawn."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    made = write_sample(
        folder,
        hs_sensor="generic-vnir",
        rgb_sensor="sentinel-2a:B2,B3,B4",
        size=(20, 16),
        ratio=3,
    )
    rgb = made.rgb
    if request.param == "estimated":
        image = open_raster(made.rgb).compute()
        unknown = ("band", np.full(3, np.nan))
        image = image.assign_coords(
            wavelength=unknown, fwhm=unknown, band_name=("band", ["blue", "green", "red"])
        )
        image.attrs.pop("sensor", None)
        rgb = folder / "unknown.tif"
        write_raster(image, rgb)
    out = folder / f"{'a_long_name_of_an_output_' * 8}.tif"
    found = hsfuse.run(made.scene, rgb, out, method="bicubic", align=False)
    plan = found.job.plan
    assert (plan.radiometry.estimate is None) == (request.param == "stated")
    drawn = quicklook_figure(plan, found.path)
    FigureCanvasAgg(drawn).draw()
    drawn.set_label(srf_title(plan))
    return drawn


def test_headings_are_inside_the_figure_and_do_not_collide(figure: Figure) -> None:
    """Neither with each other nor with a panel beside their own."""
    headings = {
        text.get_text(): text.get_window_extent()
        for axes in figure.axes
        for loc in ("left", "center")
        if (text := axes._left_title if loc == "left" else axes.title).get_text()
    }
    headings[figure.get_suptitle()] = figure._suptitle.get_window_extent()
    assert len(headings) >= 7
    width, height = figure.get_size_inches() * figure.dpi
    for box in headings.values():
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    for (one, box), (other, another) in combinations(headings.items(), 2):
        assert not box.overlaps(another), f"{one!r} and {other!r}"
    for axes in figure.axes:
        assert not any(box.overlaps(axes.get_window_extent()) for box in headings.values())


def test_responses_have_the_colours_of_their_bands(figure: Figure) -> None:
    (panel,) = (axes for axes in figure.axes if axes.get_ylabel() == "response")
    lines = {line.get_label(): to_rgb(line.get_color()) for line in panel.get_lines()
             if not line.get_label().startswith("_")}  # fmt: skip
    assert len(lines) == len(set(lines.values())) == 3
    estimated = "estimated from the pair" in figure.get_label()
    if estimated:  # the bands have the names of their colours
        assert [int(np.argmax(colour)) for colour in lines.values()] == [2, 1, 0]
    dashed = [line for line in panel.get_lines() if line.get_linestyle() == "--"]
    assert len(dashed) == (3 if estimated else 0)
