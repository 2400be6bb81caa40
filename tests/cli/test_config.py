"""Options of a command from a TOML file, and the command that an interrupt prints."""

import json
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hsfuse.cli.config import config_option
from hsfuse.cli.interrupt import stop
from hsfuse.cli.main import _Group, main
from hsfuse.cli.options import pair_options

OPTIONS = """
method = "guided"
hs-sensor = "enmap"
rgb_sensor = "sentinel-2a:B2,B3"
fwhm = [1.5, 2.0]
bbox = [1, 2, 3.5, 4]
align = false
uncertainty = true
co = ["COMPRESS=DEFLATE", "TILED=YES"]
tile = 64
"""


@click.command()
@pair_options
@config_option
def show(**choices: Any) -> None:
    """Print the choices."""
    click.echo(json.dumps(choices))


def given(tmp_path: Path, text: str, *words: str) -> Result:
    file = tmp_path / "my.toml"
    file.write_text(text, encoding="utf-8")
    return CliRunner().invoke(show, [*words, "--config", str(file)])


def test_a_file_is_the_same_as_the_command_line(tmp_path: Path):
    words = (
        "--method guided --hs-sensor enmap --rgb-sensor sentinel-2a:B2,B3 --fwhm 1.5 2 "
        "--bbox 1 2 3.5 4 --no-align --uncertainty --co COMPRESS=DEFLATE --co TILED=YES --tile 64"
    )
    expected = CliRunner().invoke(show, words.split())
    assert expected.exit_code == 0, expected.output
    assert json.loads(given(tmp_path, OPTIONS).stdout) == json.loads(expected.stdout)
    table = OPTIONS.replace("co = [", "unused = [").split("unused")[0]
    table += 'tile = 64\n[co]\nCOMPRESS = "DEFLATE"\nTILED = "YES"\n'
    assert json.loads(given(tmp_path, table).stdout) == json.loads(expected.stdout)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path):
    """Editors of Windows write one."""
    found = given(tmp_path, "\ufefftile = 64")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["tile"] == 64


def test_the_command_line_takes_precedence(tmp_path: Path):
    words = ["--method", "bicubic", "--align", "--tile", "32"]
    found = json.loads(given(tmp_path, OPTIONS, *words).stdout)
    assert (found["method"], found["align"], found["tile"]) == ("bicubic", True, 32)
    assert found["hs_sensor"] == "enmap"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("methods = 'guided'", ["'methods' is no option", "did you mean method?"]),
        ("method = 'magic'", ["method: found 'magic'; expected one of", "guided"]),
        ("tile = 0", ["tile: 0 is not in the range"]),
        ("tile = true", ["tile: found True"]),
        ("align = 'yes'", ["align: found 'yes'; expected true or false"]),
        ("fwhm = 1.5", ["fwhm: found 1.5; expected a list"]),
        ("bbox = [1, 2]", ["bbox: ", "4"]),
        ("bbox = [1, 2, 3, true]", ["bbox: ", "True"]),
        ("tile = 64.5", ["tile: '64.5' is not a valid integer"]),
        ("method = ['guided']", ["expected one value"]),
        ("hs-sensor = 'a'\nhs_sensor = 'b'", ["stated twice"]),
        ("method = ", ["is not TOML"]),
        ("config = 'other.toml'", ["'config' is no option"]),
    ],
)
def test_a_fault_is_one_line_that_names_the_file(tmp_path: Path, text: str, words: list[str]):
    result = given(tmp_path, text)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path / 'my.toml'}: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_run_and_batch_take_it(tmp_path: Path):
    for words in (["run", "a.tif", "b.tif"], ["batch", "pairs.csv", "-o", "out"]):
        file = tmp_path / "none.toml"
        result = CliRunner().invoke(main, [*words, "--config", str(file)])
        assert result.exit_code == 1
        assert result.stderr == (
            f"Error: {file}: cannot be read (No such file or directory); expected a TOML file\n"
        )


def test_an_interrupt_prints_the_command_as_a_shell_takes_it():
    """With the options that it needs to go on, once, and quoted."""
    typed = ["halt", "my scene.tif", "--co", "A=$B"]

    @click.command("halt", context_settings={"ignore_unknown_options": True})
    @click.argument("words", nargs=-1)
    def halt(words: tuple[str, ...]) -> None:
        stop("--resume")

    group = _Group("hsfuse", commands={"halt": halt})
    for words in (typed, [*typed, "--resume"]):
        result = CliRunner().invoke(group, words, prog_name="hsfuse")
        assert result.exit_code == 130
        command = result.stderr.splitlines()[-1]
        assert shlex.split(command) == ["hsfuse", *typed, "--resume"]
        assert "'my scene.tif'" in command
