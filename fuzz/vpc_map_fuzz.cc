#include "vpc_map_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  instar::fuzz::FuzzVpcMap(std::as_bytes(std::span(data, size)));
  return 0;
}
