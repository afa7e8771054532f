#include "vmdk_map_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  instar::fuzz::FuzzVmdkMap(std::as_bytes(std::span(data, size)));
  return 0;
}
