// --salvage: what cannot be read is taken for zeros, and counted.
#ifndef DISK_SALVAGE_H_
#define DISK_SALVAGE_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "disk/source_extent.h"
#include "instar/host.h"
#include "instar/result_records.h"

namespace instar::disk {

// What was lost, by all workers together.
class SalvageCount {
 public:
  void Lost(std::uint64_t offset, std::uint64_t length);
  // Nothing if nothing was lost.
  [[nodiscard]] std::optional<SalvageRecord> record() const;

 private:
  std::atomic<std::uint64_t> ranges_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> first_offset_{~std::uint64_t{0}};
};

// Turns what the host cannot read of the pieces of kData into kZero, to the sector. `spare` is
// scratch space. kLimit if there would be more than `max_pieces`.
Status DropUnreadable(Host& host, std::vector<SourceExtent>& pieces,
                      std::vector<SourceExtent>& spare, std::size_t max_pieces,
                      SalvageCount& count);

}  // namespace instar::disk

#endif  // DISK_SALVAGE_H_
