"""The command line, one module per group of commands; the only printer."""

from edgesim.cli.command_line import main

__all__ = ["main"]
