"""Options in messages: as typed at the command line, as arguments in Python."""

import ast
import inspect
import pickle
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
from hsfuse.cli.main import main

import hsfuse
from hsfuse.errors import HsfuseError, ManifestError, OutputError, as_arguments, message_of
from hsfuse.fusion.settings import Settings

PACKAGE = Path(hsfuse.__file__).parent
# Texts of the plan and of pages, which only the command line prints; the QGIS script calls it.
COMMAND_LINE_ONLY = ("report/text.py", "report/record.py", "qgis/hsfuse_fusion.py")


def texts() -> Iterator[tuple[str, str]]:
    """Yield the string literals of the package that are no docstrings, f-strings whole."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        parts = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
            for part in node.values
        }  # fmt: skip
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                values = (v.value if isinstance(v, ast.Constant) else "hs" for v in node.values)
                yield path.relative_to(PACKAGE).as_posix(), "".join(map(str, values))
            elif isinstance(node, ast.Constant) and id(node) not in parts | docs:
                yield path.relative_to(PACKAGE).as_posix(), str(node.value)


def named() -> list[tuple[str, str]]:
    return [
        (path, text)
        for path, text in texts()
        if re.search(r"(^|[ (`])--[a-z]", text.replace("var(--", ""))
        and " " in text
        and path not in COMMAND_LINE_ONLY
    ]


def options() -> set[str]:
    return {
        name
        for command in main.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def arguments() -> set[str]:
    """Return the names of the arguments of public functions."""
    public = (getattr(hsfuse, name) for name in hsfuse.__all__)
    functions = [each for each in public if inspect.isfunction(each)]
    names = {name for each in functions for name in inspect.signature(each).parameters}
    return names | {field.name for each in (Settings, hsfuse.Recipe) for field in fields(each)}


@pytest.mark.parametrize(("path", "text"), named())
def test_an_option_in_a_message_exists_in_both_interfaces(path: str, text: str):
    """In backticks, so that it is found; other commands are named whole."""
    mine = re.sub(r"`hsfuse [^`]*`", "", text)
    found = re.findall(r"--[a-z][a-z-]*", mine)
    assert found == re.findall(r"`(--[a-z][a-z-]*)(?: [^`]+)?`", mine), path
    assert set(found) <= options(), path
    only_command_line = {"port"}  # of the viewer
    for call in re.findall(r"`(\w+)", as_arguments(mine)):
        assert call in arguments() | only_command_line, path
    assert "--" not in as_arguments(mine)


def test_no_message_names_an_argument_of_python_for_both():
    spelt = re.compile(r"\b(overwrite|resume|align|device|method)=(True|False)|\(\w+=\)")
    assert not [(path, text) for path, text in texts() if spelt.search(text)]


def test_an_exception_names_the_argument_and_the_command_the_option():
    text = "a.tif: exists already; pass `--overwrite` to replace it"
    for error in (OutputError(text), ManifestError([text]), HsfuseError(text)):
        assert str(error) == "a.tif: exists already; pass `overwrite=True` to replace it"
        assert message_of(error) == text
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), message_of(again)) == (str(error), text)
    assert message_of(ValueError("--x")) == "--x"
