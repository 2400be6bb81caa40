"""Tests need the editable install: `pip install -e ".[test]"`, because cli/ is hsfuse.cli there."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from hypothesis import settings

try:
    version("hsfuse")
except PackageNotFoundError:
    pytest.exit(str(__doc__), returncode=4)

# The same examples every time, and no deadline: the cores may be shared.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of real scenes beside the repository, which are not part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real scenes are not at {folder}")
    return folder
