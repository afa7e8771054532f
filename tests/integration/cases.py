"""All integration groups."""

from integration import command_line, documents, huge, locks, outputs, sharing, signals


def groups():
    return [*command_line.groups(), *documents.groups(), *outputs.groups(), *huge.groups(),
            *locks.groups(),
            *sharing.groups(), *signals.groups()]
