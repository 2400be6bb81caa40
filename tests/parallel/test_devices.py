"""The device that computes."""

import pytest

from hsfuse.errors import PlanError
from hsfuse.parallel import pick_device


@pytest.mark.parametrize("device", ["gpu", "", "CPU"])
def test_a_device_of_another_name_is_refused(device: str):
    """Only auto, cpu and cuda are devices."""
    with pytest.raises(PlanError, match="device must be auto, cpu or cuda"):
        pick_device(device)
