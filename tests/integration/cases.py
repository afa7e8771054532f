"""All integration groups."""

from integration import command_line, documents, locks, outputs, sharing, signals


def groups():
    return [*command_line.groups(), *documents.groups(), *outputs.groups(), *locks.groups(),
            *sharing.groups(), *signals.groups()]
