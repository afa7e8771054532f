"""All hostile groups."""

from hostile import hyper_v, jail, mutations, references, second_line, structures, vmdk


def groups():
    return [*references.groups(), *structures.groups(), *hyper_v.groups(), *vmdk.groups(), *mutations.groups(), *jail.groups(),
            *second_line.groups()]
