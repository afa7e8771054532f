// The guest image of `check`.
#include "bridge/host_bridge.h"
#include "instar/verbs.h"
#include "runtime/runtime.h"

extern "C" void instar_guest_main(const instar_call_table* table, const std::byte* request,
                                  std::size_t request_bytes) {
  instar::RunVerb(*table, instar::RunCheck, instar::DecodeRequest<instar::CheckRequest>,
                  {request, request_bytes});
}
