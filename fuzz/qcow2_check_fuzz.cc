#include "qcow2_check_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  instar::fuzz::FuzzQcow2Check(std::as_bytes(std::span(data, size)));
  return 0;
}
