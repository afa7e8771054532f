#include "formats/raw/reader.h"

#include <algorithm>

#include "formats/base/run_cache.h"

namespace instar::raw {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

// Holes are zeros without storage; everything is allocated, so that no raw image ever shows what
// lies below it.
class Cursor final : public MapCursor {
 public:
  explicit Cursor(const BlockDevice& device) : device_(device) {}

  Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length) override {
    const std::uint64_t file_bytes = device_.size_bytes();
    if (offset >= file_bytes) {  // the padding of the last sector
      const std::uint64_t padding = kSectorBytes - offset % kSectorBytes;
      return Extent{.kind = ExtentKind::kZero, .length_bytes = std::min(max_length, padding)};
    }
    INSTAR_ASSIGN_OR_RETURN(const FileRun run,
                            runs_.At(device_, offset, std::min(max_length, file_bytes - offset)));
    if (run.hole) return Extent{.kind = ExtentKind::kZero, .length_bytes = run.length_bytes};
    return Extent{.kind = ExtentKind::kData,
                  .length_bytes = run.length_bytes,
                  .device = device_.id(),
                  .file_offset = offset};
  }

 private:
  const BlockDevice& device_;
  RunCache runs_;
};

class Reader final : public ImageReader {
 public:
  Reader(const BlockDevice& device, std::uint64_t virtual_size_bytes)
      : device_(device), virtual_size_bytes_(virtual_size_bytes) {}

  [[nodiscard]] FormatId format() const override { return FormatId::kRaw; }
  [[nodiscard]] std::uint64_t virtual_size_bytes() const override { return virtual_size_bytes_; }
  [[nodiscard]] std::uint64_t cluster_size_bytes() const override { return 0; }
  [[nodiscard]] std::span<const Reference> references() const override { return {}; }

  Status Attach(std::size_t, const BlockDevice&) override {
    return InvalidArgument("a raw image names no other files");
  }
  Status SelectSnapshot(std::string_view) override {
    return Unsupported("raw images have no internal snapshots");
  }
  Result<std::unique_ptr<MapCursor>> OpenCursor() const override {
    return std::make_unique<Cursor>(device_);
  }
  Status Decompress(const Extent&, std::span<const std::byte>,
                    std::span<std::byte>) const override {
    return InvalidArgument("raw images have no compressed data");
  }
  Status Describe(ReportSink& sink) const override {
    sink.Boolean("dirty-flag", false);
    return {};
  }

 private:
  const BlockDevice& device_;
  std::uint64_t virtual_size_bytes_;
};

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device) {
  const std::uint64_t file_bytes = device.size_bytes();
  if (file_bytes > INT64_MAX - kSectorBytes) {
    return OverLimit("a raw image of {0} bytes is too large", file_bytes);
  }
  return std::make_unique<Reader>(device,
                                  (file_bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
}

}  // namespace instar::raw
