// One entry of the log of a VHDX ([MS-VHDX] 2.3.1): a header, descriptors, data sectors.
#ifndef FORMATS_VHDX_LOG_ENTRY_H_
#define FORMATS_VHDX_LOG_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/crc32c.h"
#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/base/read_window.h"
#include "formats/base/table_reuse_limit.h"
#include "formats/vhdx/header.h"
#include "formats/vhdx/log.h"

namespace instar::vhdx {

struct LogEntryHeader {
  static constexpr std::size_t kBytes = 64;
  static constexpr std::size_t kChecksumAt = 4;

  std::uint32_t signature = 0;
  std::uint32_t entry_bytes = 0;
  std::uint32_t tail = 0;  // offset in the log of the oldest entry not known to be applied
  std::uint64_t sequence_number = 0;
  std::uint32_t descriptors = 0;
  Guid log_id{};
  std::uint64_t flushed_file_bytes = 0;  // that are on stable storage
  std::uint64_t last_file_bytes = 0;     // length of the file when the entry was written

  // Bytes of the header and the descriptors, in whole sectors.
  [[nodiscard]] std::uint64_t descriptor_bytes() const;
};

// [MS-VHDX] 2.3.1.1.
inline constexpr DiskStruct kLogEntryFields{
    Field<Be32, 0, &LogEntryHeader::signature>{"Signature"},
    Field<Le32, 8, &LogEntryHeader::entry_bytes>{"EntryLength"},
    Field<Le32, 12, &LogEntryHeader::tail>{"Tail"},
    Field<Le64, 16, &LogEntryHeader::sequence_number>{"SequenceNumber"},
    Field<Le32, 24, &LogEntryHeader::descriptors>{"DescriptorCount"},
    Field<RawBytes, 32, &LogEntryHeader::log_id>{"LogGuid"},
    Field<Le64, 48, &LogEntryHeader::flushed_file_bytes>{"FlushedFileOffset"},
    Field<Le64, 56, &LogEntryHeader::last_file_bytes>{"LastFileOffset"},
};

// [MS-VHDX] 2.3.1.2 and 2.3.1.3: a zero or a data descriptor.
struct LogDescriptor {
  std::uint32_t signature = 0;
  std::array<std::byte, 4> trailing{};  // of a data sector: the bytes that its signature and
  std::array<std::byte, 8> leading{};   // its sequence number have taken the place of
  std::uint64_t file_offset = 0;
  std::uint64_t sequence_number = 0;

  // ZeroLength of a zero descriptor, which stands where a data descriptor has LeadingBytes.
  [[nodiscard]] std::uint64_t zero_bytes() const { return LoadLe64(leading, 0); }
};
inline constexpr DiskStruct kLogDescriptorFields{
    Field<Be32, 0, &LogDescriptor::signature>{"ZeroSignature, DataSignature"},
    Field<RawBytes, 4, &LogDescriptor::trailing>{"TrailingBytes"},
    Field<RawBytes, 8, &LogDescriptor::leading>{"LeadingBytes"},
    Field<Le64, 16, &LogDescriptor::file_offset>{"FileOffset"},
    Field<Le64, 24, &LogDescriptor::sequence_number>{"SequenceNumber"},
};

// The ring in which entries stand. Reads through a window; not thread-safe.
class LogRing {
 public:
  LogRing(const BlockDevice& device, const Header& header);

  [[nodiscard]] std::uint64_t bytes() const { return header_.log_bytes; }

  // The valid entry that starts at `position` of the log (a multiple of 4 KiB), or nothing. kLimit
  // when more has been summed than a sane log could need.
  Result<std::optional<LogEntryHeader>> EntryAt(std::uint64_t position);

  // Appends the changes of the valid entry at `position` to `changes`. kLimit, kCorrupt.
  Status AppendChanges(std::uint64_t position, const LogEntryHeader& entry, LogChanges& changes);

 private:
  // The `length` bytes at `position` from the start of an entry, which may wrap around; they lie
  // within one sector.
  Result<std::span<const std::byte>> View(std::uint64_t position, std::size_t length);
  // Whether descriptors and data sectors are those of `entry`.
  Result<bool> DescriptorsAgree(std::uint64_t position, const LogEntryHeader& entry);
  Result<bool> ChecksumAgrees(std::uint64_t position, const LogEntryHeader& entry);

  const Header& header_;
  ReadWindow window_;
  TableReuseLimit meter_;  // of what is summed
  Crc32c crc_;
  std::uint64_t summed_bytes_ = 0;
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_LOG_ENTRY_H_
