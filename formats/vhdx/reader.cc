#include <utility>

#include "formats/vhdx/format.h"
#include "formats/vhdx/image.h"
#include "formats/vhdx/map_cursor.h"
#include "formats/vhdx/parent_locator.h"

namespace instar::vhdx {
namespace {

class Reader final : public ImageReader {
 public:
  Reader(Image image, ParentLocator parent)
      : image_(std::move(image)), parent_locator_(std::move(parent)) {
    parent_.name = {parent_locator_.name.data(), parent_locator_.name.size()};
    parent_.format_name = "vhdx";
  }

  [[nodiscard]] FormatId format() const override { return FormatId::kVhdx; }
  [[nodiscard]] std::uint64_t virtual_size_bytes() const override {
    return image_.bat.virtual_bytes;
  }
  [[nodiscard]] std::uint64_t cluster_size_bytes() const override { return image_.bat.block_bytes; }
  [[nodiscard]] std::uint64_t compressed_unit_bytes() const override { return 0; }
  [[nodiscard]] std::span<const Reference> references() const override {
    return {&parent_, image_.bat.has_parent ? 1U : 0U};
  }

  Status Attach(std::size_t, const BlockDevice&) override {
    return InvalidArgument("a VHDX names no other file than its parent");
  }
  Status SelectSnapshot(std::string_view) override {
    return Unsupported("VHDX images have no internal snapshots");
  }
  Status CheckBacking(const ImageReader& backing) const override {
    if (backing.format() != FormatId::kVhdx) return Corrupt("the parent of a VHDX is not a VHDX");
    const Header& parent = static_cast<const Reader&>(backing).image_.header;
    if (parent_locator_.LinksTo(parent.data_write_id)) return {};
    return Corrupt(
        "the parent is another disk, or has been written to since this disk was made "
        "upon it: the identifiers differ");
  }
  Result<std::unique_ptr<MapCursor>> OpenCursor() const override {
    return std::make_unique<Cursor>(image_);
  }
  Status Decompress(const Extent&, std::span<const std::byte>,
                    std::span<std::byte>) const override {
    return InvalidArgument("VHDX images have no compressed data");
  }
  Status Describe(ReportSink& sink) const override {
    sink.Boolean("dirty-flag", image_.header.has_log());
    return {};
  }

 private:
  const Image image_;
  const ParentLocator parent_locator_;
  Reference parent_;
};

Result<std::unique_ptr<ImageReader>> Open(const BlockDevice& device) {
  INSTAR_ASSIGN_OR_RETURN(Image image, Image::Open(device));
  ParentLocator parent;
  if (image.metadata.has_parent) {
    INSTAR_ASSIGN_OR_RETURN(parent, ParentLocator::DecodeFrom(image.metadata.parent_locator));
  }
  return std::make_unique<Reader>(std::move(image), std::move(parent));
}

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device) {
  auto reader = Open(device);
  if (!reader) return std::unexpected(reader.error().On(device.id()));
  return reader;
}

}  // namespace instar::vhdx
