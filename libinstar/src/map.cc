// Telling what holds each stretch of a virtual disk.
//
// The chain cursor gives the stretches; here they get the words qemu-img has for them, and
// neighbours that it would show as one are joined. What is told leaves in batches, so memory does
// not depend on how many stretches there are.
#include <algorithm>
#include <optional>

#include "disk/chain_holes.h"
#include "formats/base/checked.h"
#include "formats/base/formats.h"
#include "instar/chain.h"
#include "instar/map_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

// Sends stretches, joined where they continue each other.
class StretchWriter {
 public:
  explicit StretchWriter(Host& host) : host_(host) {}

  Status Begin(std::uint64_t disk_bytes, bool unfit_footer) {
    if (unfit_footer) writer_.Unsigned(static_cast<std::uint32_t>(MapTag::kUnfitFooter), 1);
    writer_.Unsigned(static_cast<std::uint32_t>(MapTag::kDisk), disk_bytes);
    return {};
  }
  Status Add(const MapStretch& stretch) {
    if (last_ && Continues(*last_, stretch)) {
      last_->length_bytes += stretch.length_bytes;
      return {};
    }
    const Status put = Put();
    last_ = stretch;
    return put;
  }
  Status Finish() {
    INSTAR_TRY(Put());
    return Send();
  }

 private:
  static bool Continues(const MapStretch& a, const MapStretch& b) {
    if (a.depth != b.depth || a.flags != b.flags || a.device != b.device) return false;
    return !a.Has(MapStretch::kHasOffset) || a.file_offset + a.length_bytes == b.file_offset;
  }
  Status Put() {
    if (!last_) return {};
    last_->EncodeTo(writer_);
    last_.reset();
    return writer_.bytes().size() >= kBatchBytes ? Send() : Status();
  }
  Status Send() {
    const Status sent = host_.Emit(writer_.bytes());
    writer_.Clear();
    return sent;
  }

  static constexpr std::size_t kBatchBytes = 120 * 1024;
  Host& host_;
  WireWriter writer_;
  std::optional<MapStretch> last_;
};

class Mapper {
 public:
  Mapper(Host& host, const Chain& chain) : chain_(chain), out_(host) {}

  Status Run(const MapRequest& request) {
    INSTAR_ASSIGN_OR_RETURN(disk::ChainHoles holes, disk::ChainHoles::Of(chain_));
    const std::uint64_t disk_bytes = chain_.virtual_size_bytes();
    INSTAR_TRY(out_.Begin(disk_bytes, chain_.layers().front().unfit_footer));
    const std::uint64_t end =
        std::min(disk_bytes, CheckedAdd(request.start, request.max_length).value_or(disk_bytes));
    INSTAR_ASSIGN_OR_RETURN(const auto cursor, chain_.OpenCursor());
    for (std::uint64_t offset = request.start; offset < end;) {
      const auto found = cursor->Next(offset, end - offset);
      if (!found) {
        // What stands before the fault is told all the same.
        INSTAR_TRY(out_.Finish());
        return std::unexpected(found.error());
      }
      INSTAR_ASSIGN_OR_RETURN(const std::uint64_t told, Tell(offset, *found, holes));
      offset += told;
    }
    return out_.Finish();
  }

 private:
  // Tells of the extent at virtual `offset`, or of its start; how many bytes of it.
  Result<std::uint64_t> Tell(std::uint64_t offset, const ChainExtent& found,
                             disk::ChainHoles& holes) {
    const Extent& extent = found.extent;
    MapStretch stretch{.start = offset,
                       .length_bytes = extent.length_bytes,
                       .depth = found.searched,
                       .flags = found.allocated ? MapStretch::kPresent : 0};
    const Layer& layer = chain_.layers()[found.searched];
    const FormatId format = layer.reader->format();
    switch (extent.kind) {
      case ExtentKind::kData:
        stretch.flags |= MapStretch::kData | MapStretch::kHasOffset;
        stretch.device = extent.device;
        stretch.file_offset = extent.file_offset;
        {
          INSTAR_ASSIGN_OR_RETURN(const FileRun run, holes.At(found.searched, extent));
          stretch.length_bytes = run.length_bytes;
          if (run.hole) stretch.flags |= MapStretch::kZero;
        }
        break;
      case ExtentKind::kCompressed:
        stretch.flags |= MapStretch::kData | MapStretch::kCompressed;
        break;
      case ExtentKind::kZero:
      case ExtentKind::kUnallocated:
        stretch.flags |= MapStretch::kZero;
        if (extent.has_offset) {
          stretch.flags |= MapStretch::kHasOffset;
          stretch.device = extent.device;
          stretch.file_offset = extent.file_offset;
          // The hole of a file that holds the disk as it is, but with other bytes beside it.
          if (PropertyOf<&FormatProperties::maps_holes_as_data>(format))
            stretch.flags |= MapStretch::kData;
        } else if (found.allocated && IsBareDisk(format)) {
          // A hole of a raw file has its place.
          stretch.flags |= MapStretch::kHasOffset;
          stretch.device = layer.device->id();
          stretch.file_offset = layer.raw_start_bytes + offset;
        }
        break;
    }
    INSTAR_TRY(out_.Add(stretch));
    return stretch.length_bytes;
  }

  const Chain& chain_;
  StretchWriter out_;
};

}  // namespace

Status RunMap(Host& host, const MapRequest& request) {
  const ChainOptions options{
      .image = request.image, .max_depth = request.max_chain_depth, .references = References::kAll};
  INSTAR_ASSIGN_OR_RETURN(const auto chain, Chain::Open(host, options));
  return Mapper(host, *chain).Run(request);
}

}  // namespace instar
