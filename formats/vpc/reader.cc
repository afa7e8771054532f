#include <utility>
#include <vector>

#include "formats/vpc/format.h"
#include "formats/vpc/image.h"
#include "formats/vpc/map_cursor.h"
#include "formats/vpc/parent_name.h"

namespace instar::vpc {
namespace {

class Reader final : public ImageReader {
 public:
  Reader(const BlockDevice& device, const Layout& layout, std::vector<char> parent_name)
      : device_(device), layout_(layout), parent_name_(std::move(parent_name)) {
    parent_.name = {parent_name_.data(), parent_name_.size()};
    parent_.format_name = "vpc";
  }

  [[nodiscard]] FormatId format() const override { return FormatId::kVpc; }
  [[nodiscard]] std::uint64_t virtual_size_bytes() const override { return layout_.virtual_bytes; }
  [[nodiscard]] std::uint64_t cluster_size_bytes() const override {
    return layout_.is_fixed() ? 0 : layout_.dynamic.block_bytes;
  }
  [[nodiscard]] std::uint64_t compressed_unit_bytes() const override { return 0; }
  [[nodiscard]] std::span<const Reference> references() const override {
    return {&parent_, layout_.footer.type == DiskType::kDifferencing ? 1U : 0U};
  }

  Status Attach(std::size_t, const BlockDevice&) override {
    return InvalidArgument("a VHD names no other file than its parent");
  }
  Status SelectSnapshot(std::string_view) override {
    return Unsupported("VHD images have no internal snapshots");
  }
  Status CheckBacking(const ImageReader& backing) const override {
    if (backing.format() != FormatId::kVpc) return Corrupt("the parent of a VHD is not a VHD");
    const Layout& parent = static_cast<const Reader&>(backing).layout_;
    if (parent.footer.unique_id == layout_.dynamic.parent_id) return {};
    return Corrupt(
        "the parent is another disk than the one that this disk was made upon: the "
        "identifiers differ");
  }
  Result<std::unique_ptr<MapCursor>> OpenCursor() const override {
    if (layout_.is_fixed()) return std::make_unique<FixedCursor>(device_, layout_);
    return std::make_unique<BlockCursor>(device_, layout_);
  }
  Status Decompress(const Extent&, std::span<const std::byte>,
                    std::span<std::byte>) const override {
    return InvalidArgument("VHD images have no compressed data");
  }
  Status Describe(ReportSink& sink) const override {
    sink.Boolean("dirty-flag", false);
    return {};
  }

 private:
  const BlockDevice& device_;
  const Layout layout_;
  const std::vector<char> parent_name_;
  Reference parent_;
};

Result<std::unique_ptr<ImageReader>> Open(const BlockDevice& device) {
  INSTAR_ASSIGN_OR_RETURN(const Layout layout, Layout::ReadFrom(device));
  std::vector<char> parent_name;
  if (layout.footer.type == DiskType::kDifferencing) {
    INSTAR_ASSIGN_OR_RETURN(parent_name, ReadParentName(device, layout.dynamic));
  }
  return std::make_unique<Reader>(device, layout, std::move(parent_name));
}

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device) {
  auto reader = Open(device);
  if (!reader) return std::unexpected(reader.error().On(device.id()));
  return reader;
}

}  // namespace instar::vpc
