"""The option `--config`: read options of a command from a TOML file."""

from __future__ import annotations

import difflib
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import click

__all__ = ["CONFIG", "config_option"]

#: Key of the path of the configuration file in the context of a command.
CONFIG = "hsfuse.config"

# Options not accepted in a file: they end the command, or read the file itself.
_NOT_IN_A_FILE = ("config", "help", "verbose")


def _read(context: click.Context, _parameter: click.Parameter, file: Path | None) -> None:
    """Validate the values of a file and make them the defaults of the command."""
    if file is None:
        return
    options = {
        name: option
        for option in context.command.params
        if isinstance(option, click.Option) and option.name not in _NOT_IN_A_FILE
        for name in _names(option)
    }
    chosen: dict[str, Any] = {}
    for key, value in _parsed(file).items():
        option = options.get(key.replace("_", "-"))
        if option is None or option.name is None:
            near = difflib.get_close_matches(key.replace("_", "-"), options, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(sorted(options))}"
            raise click.ClickException(
                f"{file}: {key!r} is no option of {context.command_path}; {hint}"
            )
        if option.name in chosen:
            raise click.ClickException(f"{file}: {key!r} is stated twice")
        chosen[option.name] = _checked(context, option, value, f"{file}: {key}")
    context.default_map = {**(context.default_map or {}), **chosen}
    from hsfuse.io.files.location import full_path

    context.meta[CONFIG] = str(full_path(file))


def _names(option: click.Option) -> list[str]:
    """Return the names of an option in a file: its long names, without leading dashes."""
    return [each.removeprefix("--") for each in option.opts if each.startswith("--")]


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise click.ClickException(
            f"{file}: cannot be read ({error.strerror or error}); expected a TOML file"
        ) from error
    except ValueError as error:
        raise click.ClickException(f"{file}: is not TOML ({error})") from error


def _checked(context: click.Context, option: click.Option, value: Any, place: str) -> Any:
    """Return a value as a default for click; raise if the option does not accept it."""
    if isinstance(value, dict) and option.multiple:  # a table of creation options
        value = [f"{key}={text}" for key, text in value.items()]
    expected: str | None = None
    if option.is_flag and not isinstance(value, bool):
        expected = "true or false"
    elif not option.is_flag and isinstance(value, bool | dict):
        expected = str(option.make_metavar(context))
    elif isinstance(value, list) != (option.multiple or option.nargs != 1):
        expected = "a list" if option.multiple or option.nargs != 1 else "one value, no list"
    if expected is not None:
        raise click.ClickException(f"{place}: found {value!r}; expected {expected}")
    if isinstance(value, list):
        value = [_word(each) for each in value]
    elif not option.is_flag:
        value = _word(value)
    try:
        option.type_cast_value(context, value)
    except click.BadParameter as error:
        raise click.ClickException(f"{place}: {error.message}") from error
    return value


def _word(value: Any) -> str:
    """Return a value as typed on the command line: click would round a number given as float."""
    return value.isoformat() if isinstance(value, date) else str(value)


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    is_eager=True,
    expose_value=False,
    callback=_read,
    help='TOML file of options, such as method = "guided"; the command line takes precedence.',
)
