#include "formats/qcow2/edit/resizer.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/zero_bytes.h"
#include "formats/qcow2/edit/bitmap_change.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/edit/mapping_change.h"
#include "formats/qcow2/edit/move_down.h"
#include "formats/qcow2/read/decompressor.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kNoEnd = ~std::uint64_t{0};

// The bits of subclusters [first, 32).
std::uint32_t SubclustersFrom(unsigned first) {
  return first >= kSubclustersPerCluster ? 0 : ~std::uint32_t{0} << first;
}

class Resizer {
 public:
  Resizer(ImageChange& change, const ResizeOptions& options)
      : change_(change),
        options_(options),
        header_(change.old_header()),
        mapping_(change),
        cluster_bytes_(header_.cluster_bytes()),
        old_bytes_(header_.virtual_size_bytes),
        new_bytes_(options.size_bytes) {}

  Status Run() {
    INSTAR_TRY(Check());
    change_.header().header.virtual_size_bytes = new_bytes_;
    if (new_bytes_ > old_bytes_) {
      INSTAR_TRY(Grow());
    } else if (new_bytes_ < old_bytes_) {
      INSTAR_TRY(Shrink());
    }
    INSTAR_TRY(mapping_.Finish());
    if (new_bytes_ != old_bytes_) INSTAR_TRY(ResizeBitmaps(change_, old_bytes_, new_bytes_));
    return options_.data_file == nullptr ? Status() : options_.data_file->Flush();
  }

 private:
  [[nodiscard]] std::uint64_t clusters(std::uint64_t bytes) const {
    return DivideRoundUp(bytes, cluster_bytes_);
  }
  [[nodiscard]] std::uint64_t backing_bytes() const { return options_.backing_bytes.value_or(0); }
  [[nodiscard]] std::uint32_t new_version() const { return change_.header().header.version; }

  Status Check() const;
  Status Grow();
  Status Shrink();
  // Sets the length of the L1 table to what a disk of `bytes` needs.
  Status SetL1Length();
  // Sees to it that the rest of the cluster in which the old end lies reads as zeros.
  Status ClearRestOfCluster();
  Status ClearRestInDataFile();
  Result<bool> RestIsClear(ClusterEntry& entry, unsigned first_behind, bool split);
  Result<bool> CompressedRestIsClear(std::uint64_t entry) const;
  // Sees to it that the cluster in which the old end lies has a place, as what is added to the disk
  // is to have one.
  Status PlaceRestOfCluster();
  // Gives a cluster a place of its own that holds what the disk reads up to its old end.
  Status CopyCluster(std::uint64_t cluster, unsigned first_behind);
  // Describes clusters [first, end) as zeros, or as new places that hold zeros.
  Status AddZeros(std::uint64_t first, std::uint64_t end);
  Status AddPlaces(std::uint64_t first, std::uint64_t end, Growth growth);
  Status GrowDataFile();

  ImageChange& change_;
  const ResizeOptions& options_;
  const Header& header_;
  MappingChange mapping_;
  const std::uint64_t cluster_bytes_;
  const std::uint64_t old_bytes_;
  const std::uint64_t new_bytes_;
};

Status Resizer::Check() const {
  if (new_bytes_ % 512 != 0) return InvalidArgument("The new size must be a multiple of 512");
  if (header_.snapshot_count != 0 && header_.version < 3 && new_version() < 3) {
    return Unsupported("Can't resize a v2 image which has snapshots");
  }
  INSTAR_TRY(CheckBitmapsCanChange(change_));
  if (DivideRoundUp(new_bytes_, header_.l1_entry_covers_bytes()) > kMaxL1Bytes / kTableEntryBytes) {
    return OverLimit("Failed to grow the L1 table: File too large");
  }
  if (header_.has_data_file() && options_.data_file == nullptr) {
    return InvalidArgument("the image has an external data file, which is not there");
  }
  return {};
}

Status Resizer::SetL1Length() {
  INSTAR_ASSIGN_OR_RETURN(auto* const l1, change_.L1());
  // An image without an L1 table is none.
  l1->resize(
      std::max<std::uint64_t>(DivideRoundUp(new_bytes_, header_.l1_entry_covers_bytes()), 1));
  return {};
}

Status Resizer::Shrink() {
  INSTAR_TRY(mapping_.Clear(clusters(new_bytes_), kNoEnd));
  return SetL1Length();
}

Status Resizer::Grow() {
  const std::uint64_t first = clusters(old_bytes_);
  const std::uint64_t end = clusters(new_bytes_);
  INSTAR_TRY(mapping_.Clear(first, kNoEnd));
  INSTAR_TRY(SetL1Length());
  if (old_bytes_ % cluster_bytes_ != 0) INSTAR_TRY(ClearRestOfCluster());
  Growth growth = options_.growth;
  if (header_.has_data_file()) {
    INSTAR_TRY(GrowDataFile());
    // The guest of a raw data file finds there what the tables say.
    if (header_.data_file_is_raw() && growth == Growth::kOff) growth = Growth::kMetadata;
  }
  if (growth != Growth::kOff) {
    if (old_bytes_ % cluster_bytes_ != 0) INSTAR_TRY(PlaceRestOfCluster());
    return AddPlaces(first, end, growth);
  }
  if (backing_bytes() <= old_bytes_) return {};
  if (new_version() >= 3) return AddZeros(first, end);
  return AddPlaces(first, std::min(end, clusters(backing_bytes())), Growth::kMetadata);
}

Status Resizer::ClearRestOfCluster() {
  const std::uint64_t cluster = old_bytes_ / cluster_bytes_;
  const std::uint64_t kept = old_bytes_ % cluster_bytes_;
  const unsigned first_behind =
      static_cast<unsigned>(DivideRoundUp(kept, header_.subcluster_bytes()));
  const bool split = kept % header_.subcluster_bytes() != 0;
  INSTAR_ASSIGN_OR_RETURN(const ClusterEntry entry, mapping_.Get(cluster));
  ClusterEntry changed = entry;
  INSTAR_ASSIGN_OR_RETURN(const bool clear, RestIsClear(changed, first_behind, split));
  return clear ? mapping_.Set(cluster, changed) : CopyCluster(cluster, first_behind);
}

// Whether the cluster that `entry` describes reads as zeros behind the old end, in subclusters from
// `first_behind` on and, if `split`, in the rest of the one before; or does so with the entry that
// `entry` becomes.
Result<bool> Resizer::RestIsClear(ClusterEntry& entry, unsigned first_behind, bool split) {
  const bool backed = backing_bytes() > old_bytes_;
  if (IsCompressed(entry.entry)) return CompressedRestIsClear(entry.entry);
  const std::uint64_t host = HostOffset(entry.entry);
  std::uint32_t allocated = 0;
  std::uint32_t zero = 0;
  if (header_.extended_l2()) {
    allocated = entry.bitmap.allocated;
    zero = entry.bitmap.reads_zero;
  } else if ((entry.entry & kReadsZero) != 0) {
    zero = ~std::uint32_t{0};
  } else if (host != 0 || (header_.has_data_file() && (entry.entry & kCopied) != 0)) {
    allocated = ~std::uint32_t{0};
  }
  const unsigned last_kept = first_behind - 1;  // the subcluster in which the old end lies
  const std::uint32_t end_bit = header_.extended_l2() ? std::uint32_t{1} << last_kept : 1;
  if (split && backed && ((allocated | zero) & end_bit) == 0) return false;
  if (!header_.has_data_file() && allocated != 0) {  // GrowDataFile clears a data file
    const std::uint64_t kept = old_bytes_ % cluster_bytes_;
    std::vector<std::byte> rest(cluster_bytes_ - kept);
    INSTAR_TRY(change_.device().Read(host + kept, rest));
    if (!header_.extended_l2()) return IsZero(rest);
    for (unsigned i = split ? last_kept : first_behind; i < kSubclustersPerCluster; ++i) {
      if ((allocated >> i & 1) == 0) continue;
      const std::uint64_t from = std::max(i * header_.subcluster_bytes(), kept);
      const std::uint64_t to = (i + 1) * header_.subcluster_bytes();
      if (!IsZero(std::span(rest).subspan(from - kept, to - from))) return false;
    }
  }
  if (header_.extended_l2() && backed) {
    entry.bitmap.reads_zero |= SubclustersFrom(first_behind) & ~allocated;
  }
  return true;
}

Result<bool> Resizer::CompressedRestIsClear(std::uint64_t entry) const {
  const auto data = CompressedCluster::DecodeFrom(entry & ~kCopied, header_.cluster_bits);
  std::vector<std::byte> compressed(data.bytes());
  std::vector<std::byte> content(cluster_bytes_);
  INSTAR_TRY(change_.device().Read(data.offset, compressed));
  INSTAR_TRY(Decompressor(header_.compression_type).Inflate(compressed, content));
  return IsZero(std::span(content).subspan(old_bytes_ % cluster_bytes_));
}

Status Resizer::PlaceRestOfCluster() {
  const std::uint64_t cluster = old_bytes_ / cluster_bytes_;
  INSTAR_ASSIGN_OR_RETURN(ClusterEntry entry, mapping_.Get(cluster));
  const bool compressed = IsCompressed(entry.entry);
  const bool refers =
      HostOffset(entry.entry) != 0 || (header_.has_data_file() && (entry.entry & kCopied) != 0);
  const bool reads_zero = !header_.extended_l2() && (entry.entry & kReadsZero) != 0;
  if (!compressed && refers && !reads_zero) return {};
  if (compressed || !header_.extended_l2()) {
    const std::uint64_t kept = old_bytes_ % cluster_bytes_;
    return CopyCluster(cluster,
                       static_cast<unsigned>(DivideRoundUp(kept, header_.subcluster_bytes())));
  }
  // Which of the subclusters show the backing file, or zeros, stays.
  if (header_.has_data_file()) {
    entry.entry = EncodeStandardEntry(cluster * cluster_bytes_, /*copied=*/true);
  } else {
    INSTAR_ASSIGN_OR_RETURN(const ClusterRun place, change_.TakeSome(1));
    INSTAR_TRY(change_.Provide(place, PreallocationOf(options_.growth)));
    entry.entry = EncodeStandardEntry(place.first << header_.cluster_bits, /*copied=*/true);
  }
  return mapping_.Set(cluster, entry);
}

Status Resizer::CopyCluster(std::uint64_t cluster, unsigned first_behind) {
  const std::uint64_t begin = cluster * cluster_bytes_;
  std::vector<std::byte> bytes(cluster_bytes_);
  INSTAR_TRY(options_.content->Read(begin, std::span(bytes).first(old_bytes_ - begin)));
  ClusterEntry entry;
  if (header_.has_data_file()) {  // where the old image reads nothing
    INSTAR_TRY(options_.data_file->Write(begin, bytes));
    entry.entry = EncodeStandardEntry(begin, /*copied=*/true);
  } else {
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t place, change_.Take(1));
    INSTAR_TRY(change_.Write(place, bytes));
    entry.entry = EncodeStandardEntry(place, /*copied=*/true);
  }
  if (header_.extended_l2()) {
    entry.bitmap.reads_zero = SubclustersFrom(first_behind);
    entry.bitmap.allocated = ~entry.bitmap.reads_zero;
  }
  return mapping_.Set(cluster, entry);
}

Status Resizer::AddZeros(std::uint64_t first, std::uint64_t end) {
  const ClusterEntry zeros = header_.extended_l2() ? ClusterEntry{.bitmap = kAllZeroSubclusters}
                                                   : ClusterEntry{.entry = kReadsZero};
  for (; first < end; ++first) INSTAR_TRY(mapping_.Set(first, zeros));
  return {};
}

Status Resizer::AddPlaces(std::uint64_t first, std::uint64_t end, Growth growth) {
  // What is not allocated would show the backing file.
  const bool empty = backing_bytes() <= old_bytes_;
  const std::uint32_t allocated = empty ? 0 : ~std::uint32_t{0};
  if (!header_.has_data_file()) INSTAR_TRY(change_.RequireRoom(end - first));
  while (first < end) {
    std::uint64_t count = end - first;
    std::uint64_t host = first * cluster_bytes_;
    if (!header_.has_data_file()) {
      INSTAR_ASSIGN_OR_RETURN(const ClusterRun run, change_.TakeSome(count));
      count = run.count;
      host = run.first << header_.cluster_bits;
      INSTAR_TRY(change_.Provide(run, PreallocationOf(growth)));
    }
    for (const std::uint64_t stop = first + count; first < stop; ++first, host += cluster_bytes_) {
      ClusterEntry entry{.entry = EncodeStandardEntry(host, /*copied=*/true)};
      if (header_.extended_l2()) entry.bitmap.allocated = allocated;
      INSTAR_TRY(mapping_.Set(first, entry));
    }
  }
  return {};
}

Status Resizer::GrowDataFile() {
  TargetDevice& file = *options_.data_file;
  const std::uint64_t length = file.size_bytes();
  const std::uint64_t stale_end = std::min(length, new_bytes_);
  if (stale_end > old_bytes_) INSTAR_TRY(file.Zero(old_bytes_, stale_end - old_bytes_));
  if (length >= new_bytes_) return {};
  const Preallocation how = PreallocationOf(options_.growth);
  return file.Resize(new_bytes_, how);
}

}  // namespace

DiskResize::DiskResize(ImageChange& change, const ResizeOptions& options)
    : change_(change),
      options_(options),
      data_file_bytes_(options.data_file == nullptr ? 0 : options.data_file->size_bytes()) {}

Status DiskResize::Apply() { return Resizer(change_, options_).Run(); }

void DiskResize::Undo() {
  TargetDevice* const data_file = options_.data_file;
  if (data_file == nullptr || change_.flipped() || data_file->size_bytes() <= data_file_bytes_) {
    return;
  }
  IgnoreFailure(data_file->Resize(data_file_bytes_, Preallocation::kOff));
}

void DiskResize::GiveBack() {
  if (options_.size_bytes >= change_.old_header().virtual_size_bytes) return;
  // The image is the new one already: if the following fails, a file is longer than it could be, or
  // ends where the rest of the disk reads as zeros.
  if (options_.data_file != nullptr && data_file_bytes_ != options_.size_bytes) {
    IgnoreFailure(options_.data_file->Resize(options_.size_bytes, Preallocation::kOff));
  }
  if (const auto tail = change_.movable_tail()) {
    IgnoreFailure(MoveDown(*options_.device, options_.workers, *tail));
  }
}

Status Resize(const ResizeOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const auto change, ImageChange::Open(*options.device, options.workers));
  DiskResize size(*change, options);
  Status resized = size.Apply();
  if (resized) resized = change->Commit();
  if (resized) {
    size.GiveBack();
  } else {
    change->Undo();
    size.Undo();
  }
  return resized;
}

}  // namespace instar::qcow2
