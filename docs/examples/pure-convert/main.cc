// Writes a disk into a compressed qcow2 image, says what that image is, and reads the disk back,
// all in memory. Nothing here isolates what parses: see docs/embedding.md.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "instar/chain.h"
#include "instar/records.h"
#include "instar/verbs.h"
#include "memory_host.h"

namespace {

constexpr instar::DeviceId kDisk{1};
constexpr instar::DeviceId kImage{2};

int Fail(const instar::Error& error) {
  std::fprintf(stderr, "pure-convert: %s (%" PRIu64 ", %" PRIu64 ", %" PRIu64 ")\n", error.message,
               error.numbers[0], error.numbers[1], error.numbers[2]);
  return 1;
}

// A report is a stream of keys and values; this prints the numbers of its top level.
void PrintNumbers(std::span<const std::byte> records) {
  instar::WireReader reader(records);
  std::string_view key;
  int depth = 0;
  while (const auto field = reader.Next()) {
    switch (static_cast<instar::ReportTag>(field->tag)) {
      case instar::ReportTag::kKey:
        key = field->AsText();
        break;
      case instar::ReportTag::kBeginObject:
      case instar::ReportTag::kBeginArray:
        ++depth;
        break;
      case instar::ReportTag::kEndObject:
      case instar::ReportTag::kEndArray:
        --depth;
        break;
      case instar::ReportTag::kUnsigned:
        if (depth == 1) {
          std::printf("  %.*s: %" PRIu64 "\n", static_cast<int>(key.size()), key.data(),
                      field->AsUnsigned().value_or(0));
        }
        break;
      case instar::ReportTag::kSigned:
      case instar::ReportTag::kBoolean:
      case instar::ReportTag::kString:
        break;
    }
  }
}

// The whole virtual disk of the image on `device`, extent by extent.
instar::Result<std::vector<std::byte>> ReadDisk(MemoryHost& host, instar::DeviceId device) {
  INSTAR_ASSIGN_OR_RETURN(const auto chain, instar::Chain::Open(host, {.image = device}));
  INSTAR_ASSIGN_OR_RETURN(const auto cursor, chain->OpenCursor());
  std::vector<std::byte> disk(chain->virtual_size_bytes());
  for (std::uint64_t offset = 0; offset < disk.size();) {
    INSTAR_ASSIGN_OR_RETURN(const auto found, cursor->Next(offset, disk.size() - offset));
    const instar::Extent& extent = found.extent;
    const auto out = std::span(disk).subspan(offset, extent.length_bytes);
    switch (extent.kind) {
      case instar::ExtentKind::kData: {
        const instar::ReadRequest request{extent.device, extent.file_offset, out};
        INSTAR_TRY(host.Read({&request, 1}));
        break;
      }
      case instar::ExtentKind::kCompressed: {
        std::vector<std::byte> compressed(extent.compressed_bytes);
        std::vector<std::byte> unit(extent.unit_bytes);
        const instar::ReadRequest request{extent.device, extent.file_offset, compressed};
        INSTAR_TRY(host.Read({&request, 1}));
        INSTAR_TRY(chain->Decompress(found, compressed, unit));
        std::memcpy(out.data(), unit.data() + (offset - extent.unit_offset), out.size());
        break;
      }
      case instar::ExtentKind::kZero:
      case instar::ExtentKind::kUnallocated:
        break;  // the buffer is zero already
    }
    offset += extent.length_bytes;
  }
  return disk;
}

}  // namespace

int main() {
  MemoryHost host;
  std::vector<std::byte>& disk = host[kDisk];
  disk.resize(8 << 20);
  for (std::size_t i = 0; i < disk.size() / 2; ++i) disk[i] = static_cast<std::byte>(i / 100);
  (void)host[kImage];

  const instar::Status converted =
      instar::RunConvert(host, {.sources = {{kDisk, instar::FormatId::kRaw}},
                                .target = kImage,
                                .target_format = instar::FormatId::kQcow2,
                                .compress = true,
                                .workers = 2});
  if (!converted) return Fail(converted.error());
  std::printf("%zu bytes of disk became an image of %zu bytes:\n", disk.size(),
              host[kImage].size());

  if (const instar::Status told = instar::RunInfo(host, {.image = kImage}); !told) {
    return Fail(told.error());
  }
  PrintNumbers(host.records());

  const auto read = ReadDisk(host, kImage);
  if (!read) return Fail(read.error());
  const bool same = std::ranges::equal(*read, host[kDisk]);
  std::printf("read back, %s\n", same ? "the disk is the same" : "THE DISK DIFFERS");
  return same ? 0 : 1;
}
