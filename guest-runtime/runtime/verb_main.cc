// The guest image of one verb: compiled once for each row of instar/verb_table.h, with
// INSTAR_VERB_STEM as the row's Stem.
#include "bridge/host_bridge.h"
#include "instar/verbs.h"
#include "runtime/runtime.h"

#define INSTAR_JOIN(a, b) a##b
#define INSTAR_PLANNER(stem) INSTAR_JOIN(Run, stem)

extern "C" void instar_guest_main(const instar_call_table* table, const std::byte* request,
                                  std::size_t request_bytes) {
  instar::RunVerb(*table, instar::INSTAR_PLANNER(INSTAR_VERB_STEM), {request, request_bytes});
}
