"""Signs of the components in the input of the network."""

import numpy as np
import torch

from hsfuse.methods.ms_ssfnet.features import CHANNELS, LEADING_COMPONENTS, with_signs
from hsfuse.methods.ms_ssfnet.scales import MS_COMPONENTS


def test_signs_applied_twice_cancel() -> None:
    """Channels without a sign, MS image and constants, do not change."""
    features = torch.randn(CHANNELS, 4, 4)
    leading = np.array([1.0, -1.0, -1.0])
    changed = with_signs(features, -1.0, leading)
    assert torch.equal(with_signs(changed, -1.0, leading), features)
    assert torch.equal(changed[:MS_COMPONENTS], features[:MS_COMPONENTS])
    assert torch.equal(changed[-4:], features[-4:])
    first = MS_COMPONENTS + LEADING_COMPONENTS
    assert torch.equal(changed[first], -features[first])
