"""The help of commands with many options lists each of them once, in groups."""

import re

import click
import pytest
from click.testing import CliRunner
from hsfuse.cli.help import GROUPS, GroupedCommand
from hsfuse.cli.main import main


@pytest.mark.parametrize("name", ["run", "batch", "benchmark", "train"])
def test_every_option_is_listed_once_in_a_group(name: str) -> None:
    """Options in no group are those of every command: configuration, output on the terminal."""
    command = main.commands[name]
    assert isinstance(command, GroupedCommand)
    result = CliRunner().invoke(main, [name, "--help"], terminal_width=100)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    titles = [line.rstrip(":") for line in lines if line.rstrip(":") in {*GROUPS, "General"}]
    assert titles == [title for title in [*GROUPS, "General"] if title in titles]
    assert len(titles) >= 6
    for option in (param for param in command.params if isinstance(param, click.Option)):
        flag = max(option.opts, key=len)
        found = [line for line in lines if (line.startswith("  -") and flag in line.split()[:3])
                 or line.startswith(f"  {flag} ") or f"{flag} / " in line]  # fmt: skip
        assert len({*found}) == 1, (flag, found)
    general = lines[lines.index("General:") :]
    shown = {word for line in general for word in line.split() if word.startswith("--")}
    assert shown <= {"--config", "--dry-run", "--json", "--quiet", "--verbose", "--help"}


def commands() -> list[list[str]]:
    """Return the words of every command, of groups also."""
    found: list[list[str]] = [[]]
    for name, command in main.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        found += [[name], *([name, each] for each in inner)]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_help_fits_a_terminal_of_80_columns(words: list[str]) -> None:
    """Also the examples, which click does not wrap."""
    result = CliRunner().invoke(main, [*words, "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_help_has_one_word_for_one_thing(words: list[str]) -> None:
    """The MS image is no RGB image, the HTML file a report, the part that is fused a tile."""
    text = CliRunner().invoke(main, [*words, "--help"], terminal_width=80).stdout
    plain = re.sub(
        r"--(no-)?page|default: page|residual blocks", "", " ".join(text.lower().split())
    )
    assert not re.findall(r"\b(pages?|blocks?)\b", plain)
    assert plain.count("rgb image") == plain.count("an rgb image is an ms image of three bands")
    examples = re.sub(r" \\\n *", " ", text).splitlines()
    for line in (line for line in examples if line.strip().startswith("hsfuse ")):
        assert "--rgb-sensor" in line or "--hs-sensor" not in line


def test_every_name_of_a_group_is_an_option_of_a_command() -> None:
    """So that a renamed option does not leave its group unnoticed."""
    names = {param.name for command in main.commands.values() for param in command.params}
    assert {name for group in GROUPS.values() for name in group} <= names
