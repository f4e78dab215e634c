"""The command line: one module per command, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from keyword import iskeyword
from typing import Final

import click

from simulator import __version__
from simulator.core.errors import StagesimError

COMMANDS: Final = tuple("record replay run drill faults show check diff drive import export demo".split())
"""In the order in which people meet them; each is a module here with a click command of the same name."""


class Commands(click.Group):
    """Loads a command's module only when it is asked for, so that the others cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(importlib.import_module(f"simulator.cli.{module}"), f"{cmd_name}_command")
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="stagesim")
def cli() -> None:
    """Record staging's WebSocket and HTTP traffic, replay it offline, and break it on demand.

    \b
    Try it:      stagesim demo
    Record:      stagesim record --upstream backend=https://api.staging.example --out staging.jsonl
    Replay:      stagesim replay staging.jsonl
    Break it:    stagesim replay staging.jsonl --fault stall
    Run tests:   stagesim run staging.jsonl --fault stall -- pytest tests/e2e

    Exit codes: 0 fine, 1 the run found something, 2 bad input, 130 interrupted.
    """


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line with these words, or those of this process; raises SystemExit.

    Mistakes in what was given are one line on stderr and exit code 2.
    """
    try:
        code = cli.main(words, prog_name="stagesim", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        click.echo(f"stagesim: {_one_line(error)}", err=True)
        code = 2
    except StagesimError as error:
        click.echo(f"stagesim: {error}", err=True)
        code = 2
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left; nothing to say and nobody to say it to
        code = 0
    except OSError as error:
        click.echo(f"stagesim: {error.filename or ''}: {error.strerror or error}".replace(": : ", ": "), err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        code = 130
    sys.exit(code)


def _one_line(error: click.ClickException) -> str:
    text = error.format_message()
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "stagesim"
    return f"{text} (try `{command} --help`)"
