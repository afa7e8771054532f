"""All integration groups."""

from integration import (command_line, documents, huge, locks, outputs, pipes, sharing, signals,
                         watchdog)


def groups():
    return [*command_line.groups(), *documents.groups(), *outputs.groups(), *huge.groups(),
            *locks.groups(), *pipes.groups(), *sharing.groups(), *signals.groups(),
            *watchdog.groups()]
