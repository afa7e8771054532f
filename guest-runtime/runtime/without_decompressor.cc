// Stands in for the decompressor of qcow2 clusters in images that look at metadata only.
#include "formats/qcow2/read/decompressor.h"

namespace instar::qcow2 {

Decompressor::~Decompressor() = default;

Status Decompressor::Inflate(std::span<const std::byte>, std::span<std::byte>) {
  return Unsupported("this guest image does not inflate");
}

Result<Decompressor::Inflated> Decompressor::InflatePart(std::span<const std::byte>,
                                                         std::span<std::byte>) {
  return Unsupported("this guest image does not inflate");
}

}  // namespace instar::qcow2
