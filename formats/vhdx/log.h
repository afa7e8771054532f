// The log of a VHDX ([MS-VHDX] 2.3): changes of metadata that may not have reached their places.
//
// The log is a ring of entries, each of whole 4 KiB sectors, numbered in sequence and summed. What
// must be replayed is the valid sequence whose last entry has the highest number, from the entry
// that the last one names as the tail. Nothing is copied: a change stays where it stands in the
// log, and ReplayedDevice (replayed_device.h) looks it up there.
//
// Bounds: a log of 256 MiB, 65,536 changes, and as many bytes summed as three times the log has and
// 64 MiB more, whatever a hostile log holds. tests/unit/formats/vhdx/log_test.cc.
#ifndef FORMATS_VHDX_LOG_H_
#define FORMATS_VHDX_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/vhdx/header.h"

namespace instar::vhdx {

inline constexpr std::size_t kLogSectorBytes = 4096;
inline constexpr std::uint64_t kMaxReplayedLogBytes = 256 * kMebibyte;
inline constexpr std::size_t kMaxLogChanges = 65536;

// 4096 bytes of the file that the log replaces. Its first eight and last four bytes stand in the
// descriptor, the rest in a data sector of the log.
struct DataChange {
  std::uint64_t file_offset = 0;
  std::uint64_t log_sector_offset = 0;  // in the file
  std::uint32_t order = 0;              // later changes have higher numbers
  std::array<std::byte, 8> leading{};
  std::array<std::byte, 4> trailing{};
};

// A stretch of the file that the log makes zero.
struct ZeroChange {
  std::uint64_t file_offset = 0;
  std::uint64_t bytes = 0;
  std::uint32_t order = 0;
};

struct LogChanges {
  std::vector<DataChange> data;   // ascending by file offset, one for each
  std::vector<ZeroChange> zeros;  // ascending by order
  std::uint64_t file_bytes = 0;   // length the file must have
};

// The changes that the log of the image with `header` holds; none if it is empty. kCorrupt if it is
// said to hold some, but no valid sequence is found, or the file is shorter than the log knows it;
// kLimit, kIo.
Result<LogChanges> ReadLog(const BlockDevice& device, const Header& header);

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_LOG_H_
