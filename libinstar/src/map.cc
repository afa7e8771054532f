// Telling what holds each stretch of a virtual disk.
//
// The chain cursor gives the stretches; here they get the words qemu-img has for them, and
// neighbours that it would show as one are joined. What is told leaves in batches, so memory does
// not depend on how many stretches there are.
#include <algorithm>
#include <optional>
#include <vector>

#include "formats/base/checked.h"
#include "formats/qcow2/preallocation.h"
#include "instar/chain.h"
#include "instar/map_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

// Sends stretches, joined where they continue each other.
class StretchWriter {
 public:
  explicit StretchWriter(Host& host) : host_(host) {}

  Status Begin(std::uint64_t disk_bytes) {
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

  static constexpr std::size_t kBatchBytes = 48 * 1024;
  Host& host_;
  WireWriter writer_;
  std::optional<MapStretch> last_;
};

// The holes of the files that clusters stand in, asked for run by run.
class FileHoles {
 public:
  explicit FileHoles(const Layer& layer) : layer_(layer) {}

  // The run of `device` at `offset`, at most `max_length` bytes of it. What the layer does not know
  // is data.
  Result<FileRun> At(DeviceId device, std::uint64_t offset, std::uint64_t max_length) {
    if (device != device_ || offset < start_ || offset - start_ >= run_.length_bytes) {
      const HostDevice* const file = Find(device);
      if (file == nullptr) return FileRun{.length_bytes = max_length, .hole = false};
      device_ = device;
      start_ = offset;
      run_.length_bytes = 0;
      if (offset >= file->size_bytes()) {
        run_ = {.length_bytes = ~std::uint64_t{0} - offset, .hole = true};
      } else {
        INSTAR_ASSIGN_OR_RETURN(run_, file->NextRun(offset, file->size_bytes() - offset));
      }
    }
    return FileRun{.length_bytes = std::min(run_.length_bytes - (offset - start_), max_length),
                   .hole = run_.hole};
  }

 private:
  [[nodiscard]] const HostDevice* Find(DeviceId device) const {
    if (layer_.device->id() == device) return layer_.device.get();
    for (const auto& attached : layer_.attached) {
      if (attached->id() == device) return attached.get();
    }
    return nullptr;
  }

  const Layer& layer_;
  DeviceId device_ = kNoDevice;
  std::uint64_t start_ = 0;
  FileRun run_;
};

// Whether clusters of the layer that have their place may be holes of its file.
Result<bool> MayHaveHoles(const Layer& layer) {
  if (layer.reader->format() != FormatId::kQcow2) return false;
  const auto found = qcow2::LooksPreallocated(*layer.device, layer.device->info().allocated_bytes);
  if (!found) return std::unexpected(found.error().On(layer.device->id()));
  return *found;
}

class Mapper {
 public:
  Mapper(Host& host, const Chain& chain) : chain_(chain), out_(host) {}

  Status Run(const MapRequest& request) {
    for (const Layer& layer : chain_.layers()) {
      INSTAR_ASSIGN_OR_RETURN(const bool look, MayHaveHoles(layer));
      holes_.push_back(look ? std::optional<FileHoles>(FileHoles(layer)) : std::nullopt);
    }
    const std::uint64_t disk_bytes = chain_.virtual_size_bytes();
    INSTAR_TRY(out_.Begin(disk_bytes));
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
      INSTAR_ASSIGN_OR_RETURN(const std::uint64_t told, Tell(offset, *found));
      offset += told;
    }
    return out_.Finish();
  }

 private:
  // Tells of the extent at virtual `offset`, or of its start; how many bytes of it.
  Result<std::uint64_t> Tell(std::uint64_t offset, const ChainExtent& found) {
    const Extent& extent = found.extent;
    MapStretch stretch{.start = offset,
                       .length_bytes = extent.length_bytes,
                       .depth = found.searched,
                       .flags = found.allocated ? MapStretch::kPresent : 0};
    const Layer& layer = chain_.layers()[found.searched];
    switch (extent.kind) {
      case ExtentKind::kData:
        stretch.flags |= MapStretch::kData | MapStretch::kHasOffset;
        stretch.device = extent.device;
        stretch.file_offset = extent.file_offset;
        if (auto& holes = holes_[found.searched]; holes) {
          INSTAR_ASSIGN_OR_RETURN(
              const FileRun run, holes->At(extent.device, extent.file_offset, extent.length_bytes));
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
        } else if (found.allocated && layer.reader->format() == FormatId::kRaw) {
          // A hole of a raw file has its place.
          stretch.flags |= MapStretch::kHasOffset;
          stretch.device = layer.device->id();
          stretch.file_offset = offset;
        }
        break;
    }
    INSTAR_TRY(out_.Add(stretch));
    return stretch.length_bytes;
  }

  const Chain& chain_;
  StretchWriter out_;
  std::vector<std::optional<FileHoles>> holes_;  // one a layer; nothing: no need to look
};

}  // namespace

Status RunMap(Host& host, const MapRequest& request) {
  const ChainOptions options{.image = request.image,
                             .format = request.format,
                             .max_depth = request.max_chain_depth,
                             .references = References::kAll};
  INSTAR_ASSIGN_OR_RETURN(const auto chain, Chain::Open(host, options));
  return Mapper(host, *chain).Run(request);
}

}  // namespace instar
