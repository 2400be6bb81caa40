"""The group: what every command owes to whoever types it."""

import inspect
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from hsfuse.cli.main import main

from hsfuse.fusion.settings import Settings
from hsfuse.learning.train import train
from hsfuse.synthetic.sample import make_sample
from hsfuse.synthetic.simulation import observe


def test_help_imports_neither_torch_nor_xarray():
    code = (
        "import sys; from hsfuse.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        'sys.exit(f\'imported {sorted({"torch", "xarray", "rasterio"} & set(sys.modules))}\''
        " if {'torch', 'xarray', 'rasterio'} & set(sys.modules) else 0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "sample" in found.stdout


@pytest.mark.parametrize(
    "command",
    [[], ["run"], ["sample"], ["simulate"], ["evaluate"], ["assess"], ["info"], ["train"]],
)
def test_every_command_shows_an_example(command: list[str]):
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    example = f"\n    hsfuse {command[0] if command else 'run'} "
    assert example in result.stdout.split("\nOptions")[0]


def test_rasterio_shows_it_under_its_name():
    """`rio hsfuse info`; the plugin's command is named after the group."""
    from rasterio.rio.main import main_group

    result = CliRunner().invoke(main_group, ["hsfuse", "methods"])
    assert result.exit_code == 0, result.output
    assert "guided" in result.stdout
    assert "main" not in main_group.list_commands(None)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_demo_scores_the_fusion_beside_interpolation_with_commands_that_exist():
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        ["make", "--dry-run", "demo"], cwd=root, capture_output=True, text=True, check=True
    )
    lines = [shlex.split(line) for line in done.stdout.replace("\\\n", " ").splitlines()]
    asked = [words[1:] for words in lines if words and words[0].endswith("/hsfuse")]
    for words in asked:
        main.commands[words[0]].make_context(words[0], words[1:], resilient_parsing=True)
    scored = [words[2] for words in asked if words[0] == "evaluate"]
    made = {words[words.index("-o") + 1]: words for words in asked if words[0] == "run"}
    assert len(scored) == 2
    assert set(scored) == set(made)
    assert "bicubic" in made[scored[1]]


def test_version():
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("hsfuse ")


@pytest.mark.parametrize(
    ("words", "function"),
    [
        (["run", "scene.tif", "rgb.tif"], Settings),
        (["sample", "folder"], make_sample),
        (["simulate", "cube.tif", "-o", "folder", "--ratio", "3", "--rgb-sensor", "srgb"], observe),
        (["train", "cube.tif", "-o", "mine.safetensors"], train),
    ],
)
def test_defaults_are_those_of_the_library(words: list[str], function: type):
    """The command line shows its defaults without importing the library; they must agree."""
    library = inspect.signature(function).parameters
    given = main.commands[words[0]].make_context(words[0], words[1:]).params
    shared = [
        name for name in given if name in library and f"--{name.replace('_', '-')}" not in words
    ]
    assert len(shared) > 3
    for name in shared:
        default = library[name].default
        if default is not inspect.Parameter.empty and name != "creation_options":
            assert given[name] == default, name


def test_run_offers_every_setting():
    offered = {option.name for option in main.commands["run"].params}
    assert set(inspect.signature(Settings).parameters) <= offered


@pytest.mark.parametrize(
    ("redirection", "status", "message"),
    [
        (">/dev/full", 1, "Error: standard output: cannot be written (No space left on device)"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("<&-", 0, ""),
    ],
)
def test_standard_streams_may_be_full_or_closed(redirection: str, status: int, message: str):
    """One line in place of a traceback, and no descriptor that a file takes."""
    code = (
        "import os, sys; from hsfuse.cli.main import main; import click\n"
        "@main.command()\ndef descriptors():\n"
        "    click.echo('text'); sys.stderr.write('')\n"
        "    assert os.open(os.devnull, os.O_RDONLY) > 2\n"
        "main(['descriptors'])"
    )
    words = ["sh", "-c", f'"$0" -c "$1" {redirection}', sys.executable, code]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr.strip()) == (status, message)


@pytest.mark.parametrize(
    "words", [["--help"], pytest.param(["sensors", "list"], marks=pytest.mark.slow)]
)
def test_a_reader_that_ends_early_is_no_error(words: list[str]):
    """As `head` does: no message, and the status of a process that SIGPIPE ends in a shell."""
    reading, writing = os.pipe()
    os.close(reading)
    call = [sys.executable, "-c", "from hsfuse.cli.main import main; main()", *words]
    found = subprocess.run(call, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (found.returncode, found.stderr) == (141, "")


def test_a_working_folder_that_was_removed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Libraries cannot be loaded from there."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    result = CliRunner().invoke(main, ["methods"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: the working folder cannot be found")


def test_a_name_that_no_file_may_have_is_one_line():
    """Of any argument: the error of the system names the file."""
    name = f"{300 * 'a'}.tif"
    result = CliRunner().invoke(main, ["info", name])
    assert (result.exit_code, result.output) == (1, f"Error: {name}: File name too long\n")


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch):
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(main.commands, "stop", click.Command("stop", callback=stop))
    result = CliRunner().invoke(main, ["stop"])
    assert (result.exit_code, result.stderr) == (130, "stopped\n")


@pytest.mark.parametrize(
    ("module", "words"), [("click", ["info"]), ("rasterio", ["info", "a.tif"])]
)
def test_an_interrupt_while_modules_are_imported_ends_the_process(
    module: str, words: list[str], tmp_path: Path
):
    """Before the command line is parsed and after, even by a module that discards exceptions."""
    (tmp_path / f"{module}.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    x = 0\n"
        "except BaseException:\n    raise ImportError\n"
    )
    call = [sys.executable, "-c", "from hsfuse.cli.script import main; main()", *words]
    found = subprocess.run(
        call, capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (130, "stopped\n")


def leaves(command: click.Command) -> list[click.Command]:
    """Return a command, or all commands of a group."""
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for each in command.commands.values() for leaf in leaves(each)]


def test_every_command_prints_json():
    """A viewer, which is looked at and prints no result, needs none."""
    lacking = [
        command.name
        for command in leaves(main)
        if command.name != "view" and not any("--json" in option.opts for option in command.params)
    ]
    assert lacking == []


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ([], "ben", {"benchmark"}),
        (["run"], "", {"file"}),
        (["run", "scene.tif"], "", {"file"}),
        (["run", "--weights"], "", {"file"}),
        (["run", "--config"], "", {"file"}),
        (["info"], "sc", {"file"}),
        (["run"], "--bb", {"--bbox", "--bbox-crs"}),
        (["run", "--method"], "gu", {"guided"}),
        (["run", "--device"], "c", {"cpu", "cuda"}),
        (["sensors"], "sh", {"show"}),
    ],
)
def test_the_shell_completes_commands_options_names_and_files(words, incomplete, expected):
    """An item of the type file is what bash, zsh and fish complete with their own files."""
    found = ShellComplete(main, {}, "hsfuse", "_HSFUSE_COMPLETE").get_completions(words, incomplete)
    assert {item.value if item.type == "plain" else item.type for item in found} == expected
