#include "qcow2_repair_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  instar::fuzz::FuzzQcow2Repair(std::as_bytes(std::span(data, size)));
  return 0;
}
