"""All integration groups."""

from integration import command_line, locks, outputs, signals


def groups():
    return [*command_line.groups(), *outputs.groups(), *locks.groups(), *signals.groups()]
