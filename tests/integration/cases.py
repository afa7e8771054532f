"""All integration groups."""

from integration import command_line, locks, outputs, sharing, signals


def groups():
    return [*command_line.groups(), *outputs.groups(), *locks.groups(), *sharing.groups(),
            *signals.groups()]
