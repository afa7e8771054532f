#include "qcow2_bitmap_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  instar::fuzz::FuzzQcow2Bitmap(std::as_bytes(std::span(data, size)));
  return 0;
}
