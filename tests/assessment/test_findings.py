"""Words of the quality: what they depend on, and what they advise."""

from dataclasses import replace

import numpy as np
import pytest

from hsfuse.assessment.figures import BandGroup, Consistency, usable_bands
from hsfuse.assessment.findings import ImagePair, findings_of
from hsfuse.core.tally import Moments, take_moments

RNG = np.random.default_rng(0)
GOOD = {"hqnr": 0.97, "hqnr_limit": 0.99, "qnr": 0.96, "qnr_limit": 0.99,
        "d_lambda": 0.01, "d_lambda_k": 0.01, "d_s": 0.02}  # fmt: skip
MS = Consistency(
    1.0, 0.005, 0.1, (1.0, 1.0), (0.004, 0.006), ("a", "b"), ("band 1 (a)", "band 2 (b)"), 100, ""
)


def moments(noise: np.ndarray, times: float) -> Moments:
    """Return the moments of an HS image of contrast 1, and of an estimate off by its noise."""
    truth = 5 + RNG.normal(size=(len(noise), 40, 40)).astype(np.float32)
    off = times * noise[:, None, None] * RNG.normal(size=truth.shape)
    return take_moments(truth, (truth + off).astype(np.float32), np.ones((40, 40), bool))


@pytest.mark.parametrize(("times", "word"), [(1.0, "good"), (2.0, "fair")])
def test_noisy_bands_do_not_change_the_word(times: float, word: str) -> None:
    """Bands in water absorption, whose difference is their noise, beside thirty clear ones."""
    clear, water = np.full(30, 0.05), np.full(4, 0.6)
    figures = []
    for noise, some in ((clear, 0), (np.append(clear, water), 4)):
        sums = moments(noise, 1.0)
        scale = np.append(np.full(30, times**2), np.ones(some))
        sums = replace(sums, error=sums.error * scale)
        chosen = usable_bands(sums, noise)
        assert np.count_nonzero(~chosen) == some
        others = BandGroup.of(sums, noise, ~chosen) if some else None
        groups = BandGroup.of(sums, noise, chosen), others
        figures.append(groups)
        assert findings_of(GOOD, groups, MS)[0].quality == word
        assert ("4 much noisier ones" in findings_of(GOOD, groups, MS)[0].text) == bool(some)
    (before, _), (after, noisy) = figures
    assert after.noise_share == pytest.approx(before.noise_share, rel=0.05)
    assert after.noise_share == pytest.approx(times, rel=0.1)
    assert noisy.noise_share == pytest.approx(1, rel=0.1)


def test_all_bands_of_a_noisy_image_are_usable() -> None:
    noise = RNG.uniform(0.3, 0.5, 20)
    assert usable_bands(moments(noise, 1.0), noise).all()
    assert usable_bands(moments(np.zeros(5), 0.0), np.zeros(5)).all()


CLEAR = BandGroup(20, 0.005, 1.0), None
POOR = replace(MS, relative=0.09, band_relative=(0.08, 0.1))


def test_the_advice_depends_on_what_is_known_of_the_response() -> None:
    """A stated response needs no sensor; an image with a tone curve is to be replaced."""
    texts = {
        name: findings_of(GOOD, CLEAR, POOR, images)[1].text
        for name, images in {
            "estimated": ImagePair(correlation=0.97),
            "stated": ImagePair(stated=True, correlation=0.97),
            "curved": ImagePair(curved=True, correlation=0.97),
        }.items()
    }
    assert "--rgb-sensor" in texts["estimated"]
    assert "--rgb-sensor" not in texts["stated"]
    assert "mask what changed" in texts["stated"]
    assert "tone curve" in texts["curved"]
    assert "linear image" in texts["curved"]
    assert all("0.970" in text for text in texts.values())
    assert all(len(text) < 400 for text in texts.values()), "a line that can be read at once"
    assert "--rgb-sensor" not in findings_of(GOOD, CLEAR, MS)[1].text, "a good one needs no advice"


def test_figures_that_disagree_are_explained_and_others_are_not() -> None:
    reason = "HQNR is good nevertheless"
    assert reason in findings_of(GOOD, CLEAR, POOR)[1].text
    assert reason not in findings_of(GOOD, CLEAR, MS)[1].text
    low = GOOD | {"hqnr": 0.7, "d_s": 0.3}
    assert reason not in findings_of(low, CLEAR, POOR)[1].text
    assert "Both consistencies are better" in findings_of(low, CLEAR, MS)[2].text
    assert "Both consistencies" not in findings_of(low, CLEAR, POOR)[2].text
