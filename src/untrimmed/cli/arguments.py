"""From words to a command's dataclass of arguments, by tyro."""

from typing import TypeVar

import tyro

A = TypeVar("A")


def parse(cls: type[A], words: list[str], *, command: str) -> A:
    """Parse the words behind `untrimmed COMMAND`; on a mistake tyro prints what is wrong and exits with 2."""
    # without AvoidSubcommands every choice among parts would add a positional word to the command
    return tyro.cli(cls, prog=f"untrimmed {command}", args=words, config=(tyro.conf.AvoidSubcommands,))
