// The least that running anything in a KVM guest can take on this machine: the program starts, has
// a bare guest, and ends.
#include "bare_guest.h"

int main() { instar::bench::RunBareGuest(); }
