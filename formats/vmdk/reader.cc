#include "formats/vmdk/reader.h"

#include <algorithm>
#include <array>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/vmdk/description.h"
#include "formats/vmdk/map_cursor.h"
#include "formats/vmdk/zlib_stream.h"

namespace instar::vmdk {
namespace {

constexpr std::uint32_t kEsxSparseMagic = 0x44574F43;  // "COWD"
constexpr std::uint32_t kSeSparseMagic = 0xCAFEBABE;

// Kinds of descriptor files whose extents can be read.
bool IsReadableType(std::string_view create_type) {
  return create_type == "monolithicFlat" || create_type == "twoGbMaxExtentFlat" ||
         create_type == "twoGbMaxExtentSparse" || create_type == "vmfs" || create_type == "custom";
}

// Whether the header of an extent says what the descriptor does. Some programs round the capacity
// in the header up to whole grains; any other difference means that one of the two is not the
// disk's.
Status CheckCapacity(const SparseHeader& header, std::uint64_t sectors) {
  const std::uint64_t capacity = header.capacity_sectors;
  if (capacity >= sectors && capacity - sectors < header.grain_sectors &&
      (capacity == sectors || capacity % header.grain_sectors == 0)) {
    return {};
  }
  return Corrupt(
      "the header of the extent says that it has {0} sectors, but the descriptor says {1}",
      capacity, sectors);
}

}  // namespace

Status Reader::ReadText(std::uint64_t offset, std::uint64_t length) {
  if (length > kMaxDescriptorBytes) {
    return OverLimit("the descriptor has {0} bytes, more than {1}", length, kMaxDescriptorBytes);
  }
  text_.resize(length);
  INSTAR_TRY(device_->Read(offset, std::as_writable_bytes(std::span(text_))));
  text_.erase(std::find(text_.begin(), text_.end(), '\0'), text_.end());
  INSTAR_ASSIGN_OR_RETURN(descriptor_, Descriptor::Parse({text_.data(), text_.size()}));
  return {};
}

Status Reader::OpenSparse() {
  INSTAR_ASSIGN_OR_RETURN(const SparseHeader header, SparseHeader::ReadFrom(*device_));
  if (header.descriptor_sector != 0) {
    const auto offset = CheckedMul(header.descriptor_sector, kSectorBytes);
    if (!offset || *offset >= device_->size_bytes()) {
      return Corrupt("the descriptor at sector {0x} lies beyond the end of the file ({1x})",
                     header.descriptor_sector, device_->size_bytes());
    }
    const auto length = CheckedMul(header.descriptor_sectors, kSectorBytes);
    INSTAR_TRY(ReadText(*offset, length.value_or(~std::uint64_t{0})));
  }
  if (header.capacity_sectors == 0) {
    // A descriptor in the shape of a sparse extent; or a disk of no size.
    if (IsReadableType(descriptor_.create_type)) return TakeExtents();
  } else {
    if (text_.empty()) {
      return Corrupt(
          "the file has no descriptor: it is part of a disk that another file describes");
    }
    if (const auto lines = ParseExtents({text_.data(), text_.size()});
        lines && lines->size() == 1 && lines->front().type == ExtentType::kSparse) {
      INSTAR_TRY(CheckCapacity(header, lines->front().sectors));
    }
    extents_.push_back({.line = {.type = ExtentType::kSparse, .sectors = header.capacity_sectors},
                        .length_bytes = header.capacity_bytes(),
                        .device = device_,
                        .header = header,
                        .embedded = true});
    cluster_bytes_ = header.grain_bytes();
  }
  // What the file is counts, not what its descriptor calls it.
  descriptor_.create_type = header.compressed() ? "streamOptimized" : "monolithicSparse";
  return {};
}

Status Reader::OpenDescriptor() {
  INSTAR_TRY(ReadText(0, device_->size_bytes()));
  if (descriptor_.create_type.empty()) {
    return Corrupt("the descriptor does not say of what type the image is");
  }
  if (!IsReadableType(descriptor_.create_type)) {
    return MakeTextError(ErrorCode::kUnsupported, "Unsupported image type '{t}'",
                         descriptor_.create_type);
  }
  return TakeExtents();
}

Status Reader::TakeExtents() {
  INSTAR_ASSIGN_OR_RETURN(const auto lines, ParseExtents({text_.data(), text_.size()}));
  extents_.reserve(lines.size());
  std::uint64_t start = 0;
  for (const ExtentLine& line : lines) {
    extents_.push_back(
        {.line = line, .start_bytes = start, .length_bytes = line.sectors * kSectorBytes});
    start = extents_.back().end_bytes();
  }
  return {};
}

void Reader::ListReferences() {
  references_.reserve(extents_.size() + 1);
  extent_of_.reserve(extents_.size() + 1);
  if (!descriptor_.parent_name.empty()) {
    references_.push_back(
        {.role = ReferenceRole::kBacking, .name = descriptor_.parent_name, .format_name = "vmdk"});
    extent_of_.push_back(SIZE_MAX);
  }
  for (std::size_t i = 0; i < extents_.size(); ++i) {
    const DiskExtent& extent = extents_[i];
    if (extent.embedded || !extent.has_file()) continue;
    references_.push_back(
        {.role = ReferenceRole::kExtent,
         .name = extent.line.name,
         .format_name = extent.line.type == ExtentType::kSparse ? "vmdk" : "raw"});
    extent_of_.push_back(i);
  }
}

Result<std::unique_ptr<Reader>> Reader::Open(const BlockDevice& device) {
  std::unique_ptr<Reader> reader(new Reader(device));
  std::array<std::byte, 8> head{};
  INSTAR_TRY(device.Read(0, head));
  if (LoadLe32(head, 0) == kEsxSparseMagic) {
    return Unsupported("reading vmdk images of the ESX kind vmfsSparse (COWD) is not supported");
  }
  if (LoadLe64(head, 0) == kSeSparseMagic) {
    return Unsupported("reading vmdk images of the ESX kind seSparse is not supported");
  }
  if (LoadLe32(head, 0) == kSparseMagic) {
    INSTAR_TRY(reader->OpenSparse());
  } else {
    INSTAR_TRY(reader->OpenDescriptor());
  }
  reader->ListReferences();
  return reader;
}

Status Reader::Attach(std::size_t index, const BlockDevice& device) {
  if (index >= references_.size() || extent_of_[index] == SIZE_MAX) {
    return InvalidArgument("reference {0} of the image is not an extent", index);
  }
  DiskExtent& extent = extents_[extent_of_[index]];
  if (extent.line.type == ExtentType::kSparse) {
    const auto header = SparseHeader::ReadFrom(device);
    if (!header) return std::unexpected(header.error().On(device.id()));
    if (const Status agrees = CheckCapacity(*header, extent.line.sectors); !agrees) {
      return std::unexpected(agrees.error().On(device.id()));
    }
    extent.header = *header;
    cluster_bytes_ = std::max(cluster_bytes_, header->grain_bytes());
  }
  extent.device = &device;
  return {};
}

Status Reader::SelectSnapshot(std::string_view) {
  return Unsupported("vmdk images have no internal snapshots");
}

Status Reader::CheckBacking(const ImageReader& backing) const {
  if (descriptor_.parent_name.empty()) return {};  // the user put it there
  if (backing.format() != FormatId::kVmdk) {
    return Corrupt("the parent of the image is not a vmdk image");
  }
  const std::uint64_t cid = static_cast<const Reader&>(backing).descriptor().cid.value_or(0);
  const std::uint64_t wanted = descriptor_.parent_cid.value_or(0);
  if (cid == wanted) return {};
  return Corrupt(
      "the parent has changed since the image was made: its content ID is {0x}, not {1x}", cid,
      wanted);
}

Result<std::unique_ptr<MapCursor>> Reader::OpenCursor() const {
  Error error;
  const bool orphan =
      descriptor_.parent_name.empty() && descriptor_.parent_cid.value_or(kNoParent) != kNoParent;
  if (orphan) {
    error = Corrupt("the image is a child of one with content ID {0x}, but does not name it",
                    *descriptor_.parent_cid)
                .error();
    return std::unexpected(error.On(device_->id()));
  }
  for (std::size_t i = 0; i < extents_.size(); ++i) {
    if (!extents_[i].has_file() || extents_[i].device != nullptr) continue;
    error = InvalidArgument("the file of extent {0} has not been opened", i).error();
    return std::unexpected(error.On(device_->id()));
  }
  return std::make_unique<Cursor>(*device_, extents_);
}

Status Reader::Decompress(const Extent& extent, std::span<const std::byte> compressed,
                          std::span<std::byte> out) const {
  const std::size_t index = ExtentAt(extents_, extent.unit_offset);
  if (extent.kind != ExtentKind::kCompressed || index == extents_.size() ||
      out.size() != extents_[index].header.grain_bytes() ||
      compressed.size() != extent.compressed_bytes) {
    return InvalidArgument("the extent at {0x} is not a compressed grain", extent.unit_offset);
  }
  const DiskExtent& holder = extents_[index];
  const auto damaged = [&](const char* message) {
    return std::unexpected(Corrupt(message, extent.file_offset).error().On(extent.device));
  };
  if (holder.header.has_markers()) {
    if (compressed.size() < kGrainMarkerBytes) return damaged("the grain at {0x} is cut short");
    const std::uint64_t length = LoadLe32(compressed, 8);
    compressed = compressed.subspan(kGrainMarkerBytes);
    if (length > compressed.size()) {
      return damaged("the compressed grain at {0x} does not end before the next one");
    }
    compressed = compressed.first(length);
  }
  if (!HasZlibHeader(compressed)) return damaged("the compressed grain at {0x} has no zlib header");
  const auto inflated = decompressor_.InflatePart(compressed.subspan(kZlibHeaderBytes), out);
  if (!inflated) return damaged("the compressed grain at {0x} is damaged");
  const auto rest = compressed.subspan(kZlibHeaderBytes + inflated->used);
  if (rest.size() < kAdlerBytes || LoadBe32(rest, 0) != Adler32(out.first(inflated->produced))) {
    return damaged("the checksum of the compressed grain at {0x} is wrong");
  }
  // The last grain may hold no more than the disk does.
  const std::uint64_t needed =
      std::min<std::uint64_t>(out.size(), holder.end_bytes() - extent.unit_offset);
  if (inflated->produced < needed) return damaged("the compressed grain at {0x} is too short");
  std::ranges::fill(out.subspan(inflated->produced), std::byte{0});
  return {};
}

Status Reader::Describe(ReportSink& sink) const {
  return vmdk::Describe(descriptor_, extents_, sink);
}

Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device) {
  auto reader = Reader::Open(device);
  if (!reader) return std::unexpected(reader.error().On(device.id()));
  return *std::move(reader);
}

}  // namespace instar::vmdk
