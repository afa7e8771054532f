// What map tells, as bytes, for the way from a jailed child process to its parent.
#ifndef LIBINSTAR_VMM_SRC_VERBS_MAP_CODEC_H_
#define LIBINSTAR_VMM_SRC_VERBS_MAP_CODEC_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "instar/vmm/map.h"
#include "instar/wire.h"

namespace instar::vmm {

// Collects entries and sends them in batches.
class MapEntryEncoder {
 public:
  explicit MapEntryEncoder(std::function<bool(std::span<const std::byte>)> send)
      : send_(std::move(send)) {}

  // False when nobody wants more.
  bool Add(const MapEntry& entry);
  bool Flush();

 private:
  static constexpr std::size_t kBatchBytes = 64 * 1024;
  std::function<bool(std::span<const std::byte>)> send_;
  WireWriter writer_;
};

// Hands each entry of a batch to `take` until that has enough; false then, and for what is no
// batch.
bool DecodeMapEntries(std::span<const std::byte> batch,
                      const std::function<bool(const MapEntry&)>& take);

std::vector<std::byte> EncodeMapReport(const MapReport& report);
absl::StatusOr<MapReport> DecodeMapReport(std::span<const std::byte> bytes);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_MAP_CODEC_H_
