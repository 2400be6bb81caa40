"""Selection of the components that the network corrects."""

from dataclasses import replace

import numpy as np
import pytest

from hsfuse.methods.ms_ssfnet.correction import CorrectionSettings, select_components


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_the_network_corrects_the_components_with_the_largest_differences(share: float) -> None:
    """As few as have that share of the differences; or the maximum number."""
    power = np.random.default_rng(0).permutation(1.0 + np.arange(8)) ** 2
    settings = CorrectionSettings(difference_share=share)
    selected = list(select_components(power, settings))
    others = np.setdiff1d(np.arange(len(power)), selected)
    assert power[selected].sum() >= share * power.sum()
    assert power[selected].sum() - power[selected].min() < share * power.sum()
    assert power[selected].min() >= power[others].max(initial=0)
    limited = replace(settings, maximum_components=1)
    assert select_components(power, limited) == (int(power.argmax()),)
