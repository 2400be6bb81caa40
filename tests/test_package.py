"""What is installed, what it is called, and what importing it costs."""

import json
import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from importlib.metadata import entry_points, version
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import numpy as np
import pytest
from affine import Affine
from raster_files import TRANSFORM, write_tiff

import hsfuse

ROOT = Path(__file__).parents[1]
SCRIPTS = {ROOT / "hsfuse" / "qgis"}


@pytest.fixture(scope="module")
def setup():
    parser = ConfigParser()
    assert parser.read(ROOT / "setup.cfg")
    return parser


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """
    Return the modules that one fresh process holds after each of several steps.

    What one step loads, the next ones hold as well: each may load more than those before it.
    """
    folder = tmp_path_factory.mktemp("pair")
    scene = write_tiff(folder / "scene.tif", np.ones((5, 8, 8), np.float32))
    rgb = write_tiff(
        folder / "rgb.tif", np.ones((3, 16, 16), "f4"), transform=TRANSFORM * Affine.scale(0.5)
    )
    command = "from hsfuse.cli.main import main; main({}, standalone_mode=False)"
    steps = {
        "import": "import hsfuse",
        "help": command.format(["--help"]),
        "help of run": command.format(["run", "--help"]),
        "sensors": "hsfuse.list_sensors()",
        "metadata": f"{command.format(['info', str(scene)])}\n"
        "from pathlib import Path\n"
        "from hsfuse.report.inputs import describe_inputs\n"
        f"describe_inputs(Path({str(scene)!r}), Path({str(rgb)!r}))",
        "accessor": "import xarray\n"
        "assert not hasattr(xarray.DataArray, 'hsfuse')\n"
        "hsfuse.load_sensor\n"
        "assert hasattr(xarray.DataArray, 'hsfuse')",
        "plan": "import hsfuse.fusion.run, hsfuse.report.text\n"
        "from hsfuse.methods import load_method\n"
        "load_method('guided')",
    }
    code = "import json, sys\nheld = {}\n" + "".join(
        f"{step}\nheld[{name!r}] = sorted(sys.modules)\n" for name, step in steps.items()
    )
    code += "print(); print(json.dumps(held))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name: set(modules) for name, modules in json.loads(run.stdout.splitlines()[-1]).items()}


def test_the_list_of_packages_is_that_of_the_folders(setup):
    folders = {"hsfuse", "hsfuse.cli", "hsfuse.sensors"}
    for file in (ROOT / "hsfuse").rglob("__init__.py"):
        folders.add(".".join(file.parent.relative_to(ROOT).parts))
    assert set(lines(setup["options"]["packages"])) == folders


def test_every_folder_of_modules_is_a_package():
    """But that of scripts, which another Python imports."""
    for folder in ("hsfuse", "cli", "sensors"):
        for file in (ROOT / folder).rglob("*.py"):
            assert file.parent in SCRIPTS or (file.parent / "__init__.py").exists(), file.parent


def test_the_version_is_said_once(setup):
    assert hsfuse.__version__ == version("hsfuse") == setup["metadata"]["version"]


def test_the_changelog_begins_with_this_version():
    headings = [x for x in lines((ROOT / "CHANGELOG.md").read_text()) if x.startswith("## ")]
    assert headings[0].split()[1] == hsfuse.__version__


def test_every_data_file_is_shipped(setup):
    shipped = {
        file
        for package, patterns in setup["options.package_data"].items()
        for pattern in patterns.replace("\n", ",").split(",")
        for file in ROOT.joinpath(*package.replace("hsfuse.sensors", "sensors").split(".")).glob(
            pattern.strip()
        )
    }
    files = (file for name in ("hsfuse", "sensors") for file in (ROOT / name).rglob("*"))
    assert shipped == {f for f in files if f.is_file() and _is_data(f)}


def _is_data(file):
    return file.suffix not in {".py", ".pyc"} or (file.suffix == ".py" and file.parent in SCRIPTS)


def test_at_most_twenty_names_are_public():
    assert len(hsfuse.__all__) <= 20
    assert sorted(hsfuse.__all__) == sorted(set(hsfuse.__all__))


@pytest.mark.parametrize("name", hsfuse.__all__)
def test_every_public_name_is_there_and_no_module(name):
    value = getattr(hsfuse, name)
    assert callable(value) or isinstance(value, str)
    assert name in dir(hsfuse)


def test_importing_the_modules_hides_no_public_name():
    names = [each.name for each in walk_packages(hsfuse.__path__, "hsfuse.")]
    assert "hsfuse.fusion.block" in names
    for name in names:
        import_module(name)
    assert not any(isinstance(getattr(hsfuse, name), ModuleType) for name in hsfuse.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fuze'"):
        hsfuse.fuze  # noqa: B018 - the access is the test


def test_importing_hsfuse_imports_nothing_heavy(loaded):
    heavy = {"torch", "xarray", "dask", "rasterio", "numpy", "matplotlib", "pydantic"}
    assert not heavy & loaded["import"]


def test_listing_the_sensors_needs_no_torch_and_no_pydantic(loaded):
    assert not {"torch", "pydantic"} & loaded["sensors"]


@pytest.mark.parametrize("command", ["help", "help of run"])
def test_help_is_shown_without_what_reads_and_computes(loaded, command):
    """It is loaded by the run."""
    heavy = {"torch", "xarray", "dask", "rasterio", "scipy", "zarr", "matplotlib", "pydantic"}
    assert not heavy & loaded[command]


def test_metadata_are_shown_without_what_computes_draws_and_writes(loaded):
    """`hsfuse info` of a file, and the first lines of `hsfuse run`; nor by readers of products."""
    heavy = {"torch", "matplotlib", "zarr", "h5py", "scipy.optimize", "scipy.stats", "distributed"}
    assert not heavy & loaded["metadata"]


def test_the_accessor_comes_with_the_first_public_name_and_without_torch(loaded):
    """Where xarray is imported; `import hsfuse.xarray` does the same."""
    assert "hsfuse.xarray" in loaded["accessor"]
    assert not {"torch", "matplotlib", "holoviews"} & loaded["accessor"]


def test_a_plan_is_shown_without_what_draws(loaded):
    """Nor with all of scipy."""
    assert "torch" in loaded["plan"]
    assert not {"matplotlib", "h5py", "scipy.stats", "distributed"} & loaded["plan"]


def test_hsfuse_is_a_command_and_a_command_of_rio():
    modules = {"console_scripts": "script", "rasterio.rio_plugins": "main"}
    for group, module in modules.items():
        (entry,) = entry_points(group=group, name="hsfuse")
        assert entry.value == f"hsfuse.cli.{module}:main"
        assert callable(entry.load())
