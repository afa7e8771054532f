// The guest image of `info --strict`.
#include "bridge/host_bridge.h"
#include "instar/verbs.h"
#include "runtime/runtime.h"

extern "C" void instar_guest_main(const instar_call_table* table, const std::byte* request,
                                  std::size_t request_bytes) {
  instar::RunVerb(*table, instar::RunInspect, instar::DecodeRequest<instar::InspectRequest>,
                  {request, request_bytes});
}
