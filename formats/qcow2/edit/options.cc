#include "formats/qcow2/edit/options.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/qcow2/edit/bitmap_change.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/edit/resizer.h"
#include "formats/qcow2/edit/snapshot_entries.h"
#include "formats/qcow2/edit/zero_clusters.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint32_t kVersion2RefcountOrder = 4;

class Amender {
 public:
  Amender(ImageChange& change, const AmendOptions& options)
      : change_(change),
        options_(options),
        old_(change.old_header()),
        new_(change.header().header),
        snapshots_(change) {}

  // Makes all of it part of the change but the size, which `size` does in between.
  Status Run(DiskResize* size) {
    INSTAR_TRY(CheckValues());
    INSTAR_TRY(snapshots_.Load());
    if (options_.version) new_.version = *options_.version;
    if (new_.version > old_.version) Upgrade();
    INSTAR_TRY(SetRefcountWidth());
    SetDataFile();
    INSTAR_TRY(CheckBackingFile());
    INSTAR_TRY(SetLazyRefcounts());
    if (size != nullptr) INSTAR_TRY(size->Apply());
    if (new_.version < old_.version) INSTAR_TRY(Downgrade());
    return snapshots_.Finish();
  }

 private:
  Status CheckValues() const;
  void Upgrade();
  Status SetRefcountWidth();
  void SetDataFile();
  Status CheckBackingFile() const;
  Status SetLazyRefcounts();
  Status CheckDowngrade();
  Status Downgrade();

  ImageChange& change_;
  const AmendOptions& options_;
  const Header& old_;
  Header& new_;
  SnapshotEntries snapshots_;
};

Status Amender::CheckValues() const {
  if (options_.version && *options_.version != 2 && *options_.version != 3) {
    return InvalidArgument("there is no version {0} of qcow2", *options_.version);
  }
  if (options_.data_file_name && !old_.has_data_file()) {
    return InvalidArgument("data-file can only be set for images that use an external data file");
  }
  if (options_.data_file_raw.value_or(false) && !old_.data_file_is_raw()) {
    return InvalidArgument("data-file-raw cannot be set on existing images");
  }
  if (options_.encryption) {
    return InvalidArgument("Can't amend encryption options - encryption not present");
  }
  const std::uint32_t bits = options_.refcount_bits.value_or(1);
  if (bits == 0 || (bits & (bits - 1)) != 0 || bits > 64) {
    return InvalidArgument("Refcount width must be a power of two and may not exceed 64 bits");
  }
  return {};
}

// A snapshot of version 3 says how large its disk is.
void Amender::Upgrade() {
  new_.header_bytes = Header::kFullBytes;
  for (SnapshotEntry& snapshot : snapshots_.all()) {
    if (snapshot.extra_bytes >= SnapshotEntry::kExtraBytesDiskSize) continue;
    snapshot.extra_bytes = SnapshotEntry::kExtraBytesIcount;
    snapshot.disk_size_bytes = old_.virtual_size_bytes;
  }
}

Status Amender::SetRefcountWidth() {
  if (!options_.refcount_bits) return {};
  const auto order = static_cast<std::uint32_t>(std::countr_zero(*options_.refcount_bits));
  if (order == old_.refcount_order) return {};
  if (new_.version < 3 && order != kVersion2RefcountOrder) {
    return InvalidArgument(
        "Refcount widths other than 16 bits require compatibility level 1.1 or above (use "
        "compat=1.1 or greater)");
  }
  new_.refcount_order = order;
  return {};
}

void Amender::SetDataFile() {
  if (options_.data_file_raw && !*options_.data_file_raw) {
    new_.autoclear_features &= ~kAutoclearDataFileRaw;
  }
  const auto& old_name = change_.extensions().data_file_name;
  if (!options_.data_file_name) return;
  if (std::ranges::equal(*options_.data_file_name, old_name.value_or(std::vector<char>()))) return;
  change_.header().data_file = options_.data_file_name;
}

Status Amender::CheckBackingFile() const {
  if (!options_.backing_file && !options_.backing_format) return {};
  std::vector<char> name(old_.backing_file_bytes);
  INSTAR_TRY(
      change_.device().Read(old_.backing_file_offset, std::as_writable_bytes(std::span(name))));
  if (std::ranges::equal(options_.backing_file.value_or(""), name) &&
      std::ranges::equal(options_.backing_format.value_or(""),
                         change_.extensions().backing_format)) {
    return {};
  }
  return Unsupported("Cannot amend the backing file");
}

Status Amender::SetLazyRefcounts() {
  const bool is_lazy = (old_.compatible_features & kCompatLazyRefcounts) != 0;
  if (options_.lazy_refcounts.value_or(is_lazy) == is_lazy) return {};
  if (!*options_.lazy_refcounts) {
    new_.compatible_features &= ~kCompatLazyRefcounts;
  } else if (new_.version < 3) {
    return InvalidArgument(
        "Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or "
        "greater)");
  } else {
    new_.compatible_features |= kCompatLazyRefcounts;
  }
  return {};
}

Status Amender::CheckDowngrade() {
  if (new_.refcount_order != kVersion2RefcountOrder) {
    return Unsupported("compat=0.10 requires refcount_bits=16");
  }
  if (old_.has_data_file()) return Unsupported("Cannot downgrade an image with a data file");
  for (const SnapshotEntry& snapshot : snapshots_.all()) {
    if (snapshot.vm_state_bytes > std::numeric_limits<std::uint32_t>::max() ||
        snapshot.disk_size_bytes.value_or(old_.virtual_size_bytes) != new_.virtual_size_bytes) {
      return Unsupported("Internal snapshots prevent downgrade of image");
    }
  }
  const std::uint64_t features = new_.incompatible_features & ~kIncompatCompressionType;
  if (features != 0) {
    return Unsupported("Cannot downgrade an image with incompatible features {0x} set", features);
  }
  return CheckNoBitmaps(change_);
}

Status Amender::Downgrade() {
  INSTAR_TRY(CheckDowngrade());
  INSTAR_TRY(ExpandZeroClusters(change_, snapshots_));
  new_.header_bytes = Header::kVersion2Bytes;
  new_.incompatible_features = 0;
  new_.compatible_features = 0;
  new_.autoclear_features = 0;
  new_.compression_type = kCompressionZlib;
  change_.header().bitmaps.reset();
  return {};
}

ResizeOptions SizeOf(const AmendOptions& options) {
  return {.format = options.format,
          .device = options.device,
          .data_file = options.data_file,
          .content = options.content,
          .backing_bytes = options.backing_bytes,
          .size_bytes = options.size_bytes.value_or(0),
          .workers = options.workers};
}

}  // namespace

Status Amend(const AmendOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const auto change, ImageChange::Open(*options.device, options.workers));
  const ResizeOptions size_options = SizeOf(options);
  std::optional<DiskResize> size;
  if (options.size_bytes) size.emplace(*change, size_options);
  Status amended = Amender(*change, options).Run(size ? &*size : nullptr);
  if (amended) amended = change->Commit();
  if (!amended) change->Undo();
  if (!size) return amended;
  if (amended) {
    size->GiveBack();
  } else {
    size->Undo();
  }
  return amended;
}

}  // namespace instar::qcow2
