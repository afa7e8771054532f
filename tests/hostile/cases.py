"""All hostile groups."""

from hostile import jail, mutations, references, structures


def groups():
    return [*references.groups(), *structures.groups(), *mutations.groups(), *jail.groups()]
