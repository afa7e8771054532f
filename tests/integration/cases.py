"""All integration groups."""

from integration import (baselines, command_line, configuration, devices, documents, huge, identity, in_memory,
                         locks, outputs, pipes, printed_text, resize_devices, resize_ends, resize_faults, scarce,
                         sharing, shortened, signals, strict, strict_honest, verdicts, watchdog)


def groups():
    return [*baselines.groups(), *command_line.groups(), *configuration.groups(), *devices.groups(),
            *documents.groups(), *outputs.groups(), *huge.groups(), *identity.groups(),
            *in_memory.groups(), *locks.groups(), *pipes.groups(), *printed_text.groups(),
            *resize_devices.groups(), *resize_ends.groups(), *resize_faults.groups(),
            *scarce.groups(), *sharing.groups(), *shortened.groups(), *signals.groups(),
            *strict.groups(), *strict_honest.groups(), *verdicts.groups(), *watchdog.groups()]
