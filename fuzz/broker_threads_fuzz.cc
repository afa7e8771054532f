#include "broker_threads_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  instar::fuzz::FuzzThreads(std::as_bytes(std::span(data, size)));
  return 0;
}
