#include "formats/raw/reader.h"

#include <algorithm>

#include "formats/base/run_cache.h"
#include "formats/raw/window.h"

namespace instar::raw {
namespace {

// Holes are zeros without storage; everything is allocated, so that no raw image ever shows what
// lies below it.
class Cursor final : public MapCursor {
 public:
  Cursor(const BlockDevice& device, const Stretch& stretch) : device_(device), stretch_(stretch) {}

  Result<Extent> Next(std::uint64_t offset, std::uint64_t max_length) override {
    if (offset >= stretch_.file_bytes) {
      const std::uint64_t padding = stretch_.disk_bytes - offset;
      return Extent{.kind = ExtentKind::kZero, .length_bytes = std::min(max_length, padding)};
    }
    const std::uint64_t file_offset = stretch_.start_bytes + offset;
    INSTAR_ASSIGN_OR_RETURN(
        const FileRun run,
        runs_.At(device_, file_offset, std::min(max_length, stretch_.file_bytes - offset)));
    if (run.hole) return Extent{.kind = ExtentKind::kZero, .length_bytes = run.length_bytes};
    return Extent{.kind = ExtentKind::kData,
                  .length_bytes = run.length_bytes,
                  .device = device_.id(),
                  .file_offset = file_offset};
  }

 private:
  const BlockDevice& device_;
  const Stretch stretch_;
  RunCache runs_;
};

class Reader final : public ImageReader {
 public:
  Reader(const BlockDevice& device, const Stretch& stretch) : device_(device), stretch_(stretch) {}

  [[nodiscard]] FormatId format() const override { return FormatId::kRaw; }
  [[nodiscard]] std::uint64_t virtual_size_bytes() const override { return stretch_.disk_bytes; }
  [[nodiscard]] std::uint64_t cluster_size_bytes() const override { return 0; }
  [[nodiscard]] std::span<const Reference> references() const override { return {}; }

  Status Attach(std::size_t, const BlockDevice&) override {
    return InvalidArgument("a raw image names no other files");
  }
  Status SelectSnapshot(std::string_view) override {
    return Unsupported("raw images have no internal snapshots");
  }
  Result<std::unique_ptr<MapCursor>> OpenCursor() const override {
    return std::make_unique<Cursor>(device_, stretch_);
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
  const Stretch stretch_;
};

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device,
                                                const RawWindow& window) {
  INSTAR_ASSIGN_OR_RETURN(const Stretch stretch, PlaceWindow(window, device.size_bytes()));
  return std::make_unique<Reader>(device, stretch);
}

}  // namespace instar::raw
