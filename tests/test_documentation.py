"""What the Markdown files of the repository name exists: files, commands, options, functions."""

import re
import shlex
from pathlib import Path

import click
import pytest
from hsfuse.cli.main import main

import hsfuse

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md", "benchmarks/results/*.md")
    for path in ROOT.glob(pattern)
    if "generated" not in path.parts
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def names(pages):
    return [str(path.relative_to(ROOT)) for path in pages]


def commands(text):
    """Return the lines of code blocks that call hsfuse, without comments."""
    lines = (
        line.removeprefix("$ ").split(" #")[0]
        for block in BLOCK.findall(text)
        for line in block.replace("\\\n", " ").splitlines()
    )
    return [shlex.split(line)[1:] for line in lines if line.startswith("hsfuse ")]


def unknown_words(words):
    """Return the command and options of a call that hsfuse does not have."""
    command = main
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-") or words[0] == "COMMAND":
            break
        if words[0] not in command.commands:
            return [words[0]]
        command, words = command.commands[words[0]], words[1:]
    known = {"--help", "-h"}
    for parameter in command.params:
        known |= {*parameter.opts, *parameter.secondary_opts}
    given = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return [word for word in given if word not in known]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_to_files_of_the_repository_lead_somewhere(page):
    links = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert [
        link for link in links if "generated/" not in link and not (page.parent / link).exists()
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_and_options_in_code_blocks_exist(page):
    calls = commands(page.read_text("utf-8"))
    assert {" ".join(call): unknown_words(call) for call in calls if unknown_words(call)} == {}


def test_an_option_that_does_not_exist_is_found():
    text = "```\nhsfuse run a.tif \\\n  b.tif --no-such 1  # why\nhsfuse sensors draw x\n```\n"
    assert [unknown_words(call) for call in commands(text)] == [["--no-such"], ["draw"]]


def test_every_public_name_has_a_page():
    reference = (ROOT / "docs/reference/python.rst").read_text("utf-8")
    listed = set(re.findall(r"^   (\w+)$", reference, re.MULTILINE))
    assert listed == set(hsfuse.__all__) - {"__version__"}


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(r"^version: (.*)$", text, re.MULTILINE).group(1) == hsfuse.__version__


def test_lines_of_the_readme_fit_a_screen():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert [line for line in lines if len(line) > 128] == []
