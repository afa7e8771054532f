// The header of a VHDX ([MS-VHDX] 2.2.2). There are two, written in turn: of those that are valid
// the one with the higher sequence number counts.
#ifndef FORMATS_VHDX_HEADER_H_
#define FORMATS_VHDX_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/base/block_device.h"
#include "formats/base/disk_struct.h"
#include "formats/base/error.h"
#include "formats/vhdx/constants.h"

namespace instar::vhdx {

struct Header {
  static constexpr std::size_t kBytes = 4096;

  std::uint64_t sequence_number = 0;
  Guid file_write_id{};
  Guid data_write_id{};
  Guid log_id{};  // kNoGuid: the log is empty
  std::uint16_t log_version = 0;
  std::uint16_t version = 1;
  std::uint32_t log_bytes = 0;
  std::uint64_t log_offset = 0;

  // `bytes` holds kBytes. kCorrupt without the signature or with a wrong checksum.
  static Result<Header> DecodeFrom(std::span<const std::byte> bytes);

  // Stores the fields and the checksum of `out`, kBytes, whose rest stays.
  void EncodeTo(std::span<std::byte> out) const;

  // The header that counts, checked: version, place of the log. kCorrupt, kUnsupported, kIo.
  static Result<Header> ReadCurrent(const BlockDevice& device);

  [[nodiscard]] bool has_log() const { return log_id != kNoGuid; }

  friend bool operator==(const Header&, const Header&) = default;
};

// [MS-VHDX] 2.2.2.
inline constexpr DiskStruct kHeaderFields{
    Constant<Be32, 0, NumberOf("head")>{"Signature"},
    Field<Le64, 8, &Header::sequence_number>{"SequenceNumber"},
    Field<RawBytes, 16, &Header::file_write_id>{"FileWriteGuid"},
    Field<RawBytes, 32, &Header::data_write_id>{"DataWriteGuid"},
    Field<RawBytes, 48, &Header::log_id>{"LogGuid"},
    Field<Le16, 64, &Header::log_version>{"LogVersion"},
    Field<Le16, 66, &Header::version>{"Version"},
    Field<Le32, 68, &Header::log_bytes>{"LogLength"},
    Field<Le64, 72, &Header::log_offset>{"LogOffset"},
};

// What a file starts with ([MS-VHDX] 2.2.1).
struct FileIdentifier {
  static constexpr std::size_t kBytes = 4096;
  // UTF-16.
  std::array<char, 12> creator{'i', '\0', 'n', '\0', 's', '\0', 't', '\0', 'a', '\0', 'r', '\0'};
};
inline constexpr DiskStruct kFileIdentifierFields{
    Constant<Be64, 0, NumberOf("vhdxfile")>{"Signature"},
    Field<RawBytes, 8, &FileIdentifier::creator>{"Creator"},
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_HEADER_H_
