"""All hostile groups."""

from hostile import hyper_v, jail, mutations, references, structures


def groups():
    return [*references.groups(), *structures.groups(), *hyper_v.groups(), *mutations.groups(), *jail.groups()]
