"""All hostile groups."""

from hostile import (disagreements, hyper_v, jail, mutate, mutations, neighbours, references,
                     second_line, sparse, strict, structures, vmdk)
from hostile.guest import cases as guest


def groups():
    return [*references.groups(), *neighbours.groups(), *structures.groups(), *hyper_v.groups(),
            *vmdk.groups(), *disagreements.groups(), *sparse.groups(), *mutations.groups(),
            *mutate.groups(), *jail.groups(), *second_line.groups(), *strict.groups(),
            *guest.groups()]
