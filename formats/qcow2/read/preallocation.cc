#include "formats/qcow2/read/preallocation.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/read/refcount_reader.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/refcount_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kAheadBytes = 512 << 10;

// Clusters with a refcount among the first `clusters` of the file; stops at `enough`.
Result<std::uint64_t> CountUsed(const BlockDevice& device, const Header& header,
                                std::uint64_t clusters, std::uint64_t enough) {
  RefcountReader refcounts(device, header, kAheadBytes);
  std::uint64_t used = 0;
  for (std::uint64_t cluster = 0; cluster < clusters;) {
    INSTAR_ASSIGN_OR_RETURN(const RefcountReader::Run run, refcounts.RunAt(cluster));
    const std::uint64_t end = std::min(run.end, clusters);
    if (!run.counts.empty()) {
      for (std::uint64_t i = cluster - run.first; i < end - run.first; ++i) {
        if (LoadRefcount(run.counts, i, refcounts.order()) != 0 && ++used >= enough) return used;
      }
    }
    cluster = end;
  }
  return used;
}

}  // namespace

Result<bool> LooksPreallocated(const BlockDevice& device, std::uint64_t allocated_bytes) {
  ReadWindow file(device, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(header.Validate());
  const std::uint64_t held = allocated_bytes / header.cluster_bytes();
  const std::uint64_t enough = std::max(held + held / 9, held + 2);
  const std::uint64_t clusters = DivideRoundUp(device.size_bytes(), header.cluster_bytes());
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t used, CountUsed(device, header, clusters, enough));
  return used >= enough;
}

}  // namespace instar::qcow2
