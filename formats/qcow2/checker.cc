#include "formats/qcow2/checker.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <optional>
#include <span>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/read_ahead.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/bitmap_data.h"
#include "formats/qcow2/bitmap_directory.h"
#include "formats/qcow2/disk_refcounts.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/header_extensions.h"
#include "formats/qcow2/l2_entry.h"
#include "formats/qcow2/ordinary_tables.h"
#include "formats/qcow2/refcount.h"
#include "formats/qcow2/refcount_ranges.h"
#include "formats/qcow2/reference_counts.h"
#include "formats/qcow2/snapshot_table.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kL1Reserved = 0x7F000000000001FF;
constexpr std::uint64_t kL2Reserved = 0x3F000000000001FE;  // of standard entries
constexpr std::uint64_t kSectorBytes = 512;
constexpr std::size_t kMaxTables = 1024;      // read at a time
constexpr std::uint64_t kCompared = 1 << 16;  // clusters whose refcounts are compared at a time
constexpr std::uint64_t kAllPieces = 8;       // pieces of tables held by all workers together

// Bytes of tables that each worker reads at a time.
std::uint64_t AheadBytes(const Workers* workers, std::uint64_t piece_bytes) {
  if (workers == nullptr) return piece_bytes;
  const std::uint64_t share = piece_bytes * kAllPieces / std::bit_ceil(workers->count());
  return std::clamp<std::uint64_t>(share, 512, piece_bytes);
}

class Checker {
 public:
  Checker(const CheckOptions& options, const Header& header, HeaderExtensions extensions,
          const CheckPortions& portions)
      : device_(*options.device),
        sink_(*options.findings),
        header_(header),
        extensions_(std::move(extensions)),
        window_clusters_(portions.window_clusters),
        piece_bytes_(portions.piece_bytes),
        workers_{.workers = options.workers,
                 .ahead_bytes = AheadBytes(options.workers, piece_bytes_)},
        cluster_bytes_(header.cluster_bytes()),
        most_references_(MaxRefcount(header.refcount_order)),
        clusters_(DivideRoundUp(device_.size_bytes(), header.cluster_bytes())),
        windows_end_(clusters_ + 1),
        disk_(device_, header, piece_bytes_),
        elsewhere_(device_, header, 0),
        l1_(device_, piece_bytes_),
        l2_(device_),
        table_(device_, piece_bytes_),
        tables_(device_, header_, counts_, options.workers,
                AheadBytes(options.workers, piece_bytes_)) {}

  Result<CheckCounts> Run() {
    for (std::uint64_t first = 0; first < windows_end_;) {
      first_pass_ = first == 0;
      INSTAR_TRY(OpenWindow(first, std::min(first + window_clusters_, windows_end_)));
      next_wanted_ = UINT64_MAX;
      INSTAR_TRY(CountReferences());
      INSTAR_TRY(CompareRefcounts());
      sink_.Proceed(counts_.end(), windows_end_);
      // What lies in between nothing refers to, and nothing says so: a hole of any size.
      first = std::max(AlignDown(next_wanted_, 64), counts_.end());
    }
    result_.image_end_offset = (highest_ + 1) * cluster_bytes_;
    result_.total_clusters =
        DivideRoundUp(AlignDown(header_.virtual_size_bytes, kSectorBytes), cluster_bytes_);
    result_.allocated_clusters = allocated_;
    result_.fragmented_clusters = fragmented_;
    result_.compressed_clusters = compressed_;
    return result_;
  }

 private:
  template <typename... Numbers>
  void Found(FindingKind kind, const char* message, Numbers... numbers) {
    if (out_of_order_) return;
    switch (kind) {
      case FindingKind::kCorruption:
        ++result_.corruptions;
        break;
      case FindingKind::kLeak:
        ++result_.leaks;
        break;
      case FindingKind::kError:
        ++result_.check_errors;
        break;
      case FindingKind::kWarning:
        break;
    }
    if (++found_ <= told_) return;
    told_ = found_;
    sink_.Add({.kind = kind, .message = message, .numbers = {std::uint64_t{numbers}...}});
  }
  // A corruption that shows in an entry itself: told once, whatever the number of passes.
  template <typename... Numbers>
  void Corrupted(const char* message, Numbers... numbers) {
    if (first_pass_) Found(FindingKind::kCorruption, message, numbers...);
  }

  Status OpenWindow(std::uint64_t first, std::uint64_t end) {
    counts_.Open(first, end);
    return workers_.ForEachRange(
        device_, header_, first, end,
        [&](std::uint64_t from, std::uint64_t to, DiskRefcounts& disk, unsigned) {
          return counts_.Prepare(from, to, disk).has_value();
        },
        [&](std::uint64_t from, std::uint64_t to) { return counts_.Prepare(from, to, disk_); });
  }

  Status CountReferences() {
    INSTAR_TRY(WalkActiveDisk());
    INSTAR_TRY(WalkSnapshots());
    if (header_.crypt_method == kCryptLuks && extensions_.encryption) {
      Refer(extensions_.encryption->offset, extensions_.encryption->length_bytes);
    }
    INSTAR_TRY(WalkBitmaps());
    Refer(header_.refcount_table_offset,
          std::uint64_t{header_.refcount_table_clusters} << header_.cluster_bits);
    return WalkRefcountBlocks();
  }

  // Clusters [first, last] have references or refcounts: those behind this window want another.
  void Want(std::uint64_t first, std::uint64_t last) {
    if (last < counts_.end()) return;
    next_wanted_ = std::min(next_wanted_, std::max(first, counts_.end()));
  }

  // The header's cluster and all that the active L1 table leads to. Where tables were counted ahead
  // of their turn, a cluster may reach the most references too early. That is the one thing found
  // that depends on the order; then the walk is made again, in order, and what was told already, by
  // then the same, is not told again.
  Status WalkActiveDisk() {
    const CheckCounts result = result_;
    const std::uint64_t found = found_;
    const std::uint64_t clusters = clusters_;
    const auto walk = [&] {
      tables_.Begin();
      Refer(0, cluster_bytes_);
      return WalkL1(header_.l1_table_offset, header_.l1_entries, /*active=*/true);
    };
    ahead_ = true;
    const Status walked = walk();
    ahead_ = false;
    if (!out_of_order_) {
      INSTAR_TRY(walked);
    } else {
      out_of_order_ = false;
      result_ = result;
      found_ = found;
      clusters_ = clusters;
      if (first_pass_) allocated_ = fragmented_ = compressed_ = 0;
      counts_.Clear();
      INSTAR_TRY(walk());
    }
    next_wanted_ = std::min(next_wanted_, tables_.next_wanted());
    if (first_pass_) {
      allocated_ += tables_.allocated();
      fragmented_ += tables_.fragmented();
    }
    return {};
  }

  // Counts a reference to every cluster that [offset, offset + bytes) touches. The last cluster of
  // the file may be cut short; what reaches further is not in the file.
  void Refer(std::uint64_t offset, std::uint64_t bytes) {
    if (bytes == 0) return;
    const std::uint64_t file_bytes = device_.size_bytes();
    const auto end = CheckedAdd(offset, bytes);
    if (!end || (*end > file_bytes && *end - file_bytes >= cluster_bytes_)) {
      Corrupted("{1} bytes at {0x} are referred to, but the file ends at {2x}", offset, bytes,
                file_bytes);
      return;
    }
    const std::uint64_t first = offset >> header_.cluster_bits;
    const std::uint64_t last = (*end - 1) >> header_.cluster_bits;
    clusters_ = std::max(clusters_, last + 1);
    Want(first, last);
    for (std::uint64_t cluster = std::max(first, counts_.first());
         cluster <= last && cluster < counts_.end(); ++cluster) {
      if (!counts_.Add(cluster, most_references_)) {
        if (ahead_ && tables_.any_ahead()) {
          out_of_order_ = true;
          return;
        }
        Found(FindingKind::kCorruption,
              "the cluster at {0x} has more references than a refcount can hold ({1})",
              cluster << header_.cluster_bits, most_references_);
      }
    }
  }

  // COPIED must tell whether the refcount is exactly one.
  Status CheckCopied(std::uint64_t offset, bool copied, const char* message, std::uint64_t entry) {
    const std::uint64_t cluster = offset >> header_.cluster_bits;
    if (counts_.Holds(cluster)) {
      const auto on_disk = counts_.on_disk(cluster);
      if (on_disk != ReferenceCounts::OnDisk::kUnknown &&
          (on_disk == ReferenceCounts::OnDisk::kOne) != copied) {
        Found(FindingKind::kCorruption, message, entry, offset);
      }
    } else if (cluster < windows_end_) {
      Want(cluster, cluster);
    } else if (first_pass_) {  // no window has it
      INSTAR_ASSIGN_OR_RETURN(const auto count, elsewhere_.At(cluster));
      if (count && (*count == 1) != copied) {
        Found(FindingKind::kCorruption, message, entry, offset);
      }
    }
    return {};
  }

  Status WalkL1(std::uint64_t offset, std::uint64_t entries, bool active) {
    Refer(offset, entries * kTableEntryBytes);
    const std::uint64_t most = piece_bytes_ / kTableEntryBytes;
    for (std::uint64_t first = 0; first < entries; first += most) {
      const std::uint64_t count = std::min(most, entries - first);
      const std::uint64_t at = offset + first * kTableEntryBytes;
      if (at >= device_.size_bytes()) break;  // reads as zeros
      INSTAR_ASSIGN_OR_RETURN(const auto piece,
                              l1_.View(at, count * kTableEntryBytes, count * kTableEntryBytes));
      if (ahead_) INSTAR_TRY(tables_.CountAhead(piece));
      for (std::uint64_t i = 0; i < count && !out_of_order_; ++i) {
        const std::uint64_t entry = LoadBe64(piece, i * kTableEntryBytes);
        if (entry == 0) continue;
        INSTAR_TRY(VisitL1Entry(entry, piece, i, active));
      }
    }
    return {};
  }

  Status VisitL1Entry(std::uint64_t entry, std::span<const std::byte> piece, std::uint64_t index,
                      bool active) {
    if ((entry & kL1Reserved) != 0) Corrupted("L1 entry {0x} has reserved bits set", entry);
    const std::uint64_t table = L2TableOffset(entry);
    Refer(table, cluster_bytes_);
    if (table % cluster_bytes_ != 0) {
      Corrupted("the L2 table at {0x} is not aligned to a cluster", table);
    }
    if (active && table != 0) {
      INSTAR_TRY(CheckCopied(table, (entry & kCopied) != 0,
                             "the COPIED flag of L1 entry {0x} contradicts the refcount of the L2 "
                             "table at {1x}",
                             entry));
    }
    if (table >= device_.size_bytes()) return {};  // reads as zeros
    if (ahead_ && tables_.Counted(index)) return {};
    const ByteRange range{.offset = table, .length_bytes = cluster_bytes_};
    auto held = l2_.Find(range);
    if (!held) {
      ListTables(piece, index);
      INSTAR_ASSIGN_OR_RETURN(held, l2_.Fetch(wanted_));
    }
    return active && tables_.Count(*held) ? Status() : VisitTable(*held, active);
  }

  // Lists in wanted_ the L2 table of L1 entry `index` of `piece` and those that come next.
  void ListTables(std::span<const std::byte> piece, std::uint64_t index) {
    wanted_.clear();
    std::uint64_t bytes = 0;
    for (; index * kTableEntryBytes < piece.size() && wanted_.size() < kMaxTables; ++index) {
      const std::uint64_t entry = LoadBe64(piece, index * kTableEntryBytes);
      const std::uint64_t table = L2TableOffset(entry);
      if (entry == 0 || table >= device_.size_bytes()) continue;
      if (ahead_ && tables_.Counted(index)) continue;
      if (bytes != 0 && bytes + cluster_bytes_ > piece_bytes_) break;
      wanted_.push_back({.offset = table, .length_bytes = cluster_bytes_});
      bytes += cluster_bytes_;
    }
  }

  Status VisitTable(std::span<const std::byte> entries, bool active) {
    const bool extended = header_.extended_l2();
    const std::uint64_t step = header_.l2_entry_bytes();
    next_contiguous_ = 0;
    for (std::uint64_t at = 0; at < entries.size(); at += step) {
      const std::uint64_t entry = LoadBe64(entries, at);
      const std::uint64_t bitmap = extended ? LoadBe64(entries, at + kTableEntryBytes) : 0;
      if (entry == 0 && bitmap == 0) continue;
      INSTAR_TRY(IsCompressed(entry) ? VisitCompressed(entry, bitmap, active)
                                     : VisitStandard(entry, bitmap, active));
    }
    return {};
  }

  void CountAllocated(std::uint64_t offset) {
    ++allocated_;
    if (next_contiguous_ != 0 && offset != next_contiguous_) ++fragmented_;
    next_contiguous_ = offset + cluster_bytes_;
  }

  Status VisitCompressed(std::uint64_t entry, std::uint64_t bitmap, bool active) {
    if ((entry & kCopied) != 0) {
      Corrupted("L2 entry {0x} of a compressed cluster has the COPIED flag", entry);
    }
    if (header_.has_data_file()) {
      Corrupted("L2 entry {0x} is of a compressed cluster, in an image with a data file", entry);
      return {};
    }
    if (bitmap != 0) {
      Corrupted("L2 entry {0x} of a compressed cluster has a subcluster bitmap, {1x}", entry,
                bitmap);
      return {};
    }
    const auto cluster = CompressedCluster::DecodeFrom(entry & ~kCopied, header_.cluster_bits);
    Refer(cluster.offset, cluster.bytes());
    if (active && first_pass_) {
      ++allocated_;
      ++compressed_;
      ++fragmented_;  // by nature
    }
    return {};
  }

  Status VisitStandard(std::uint64_t entry, std::uint64_t bitmap, bool active) {
    if ((entry & kL2Reserved) != 0) Corrupted("L2 entry {0x} has reserved bits set", entry);
    const std::uint64_t offset = HostOffset(entry);
    const bool zero = !header_.extended_l2() && (entry & kReadsZero) != 0;
    const bool copied = (entry & kCopied) != 0;
    const auto subclusters = SubclusterBitmap::DecodeFrom(bitmap);
    // Offset 0 of a data file is a place like any other.
    if (offset == 0 && (zero || !(header_.has_data_file() && copied))) {
      if (subclusters.allocated != 0) {
        Corrupted("L2 entry {0x} has no cluster, but allocated subclusters ({1x})", entry, bitmap);
      }
      return {};
    }
    if ((subclusters.allocated & subclusters.reads_zero) != 0) {
      Corrupted("the subcluster bitmap {1x} of L2 entry {0x} contradicts itself", entry, bitmap);
    }
    if (offset % cluster_bytes_ != 0) {
      Corrupted("the cluster at {0x} of L2 entry {1x} is not aligned", offset, entry);
    }
    if (active && first_pass_) CountAllocated(offset);
    constexpr const char* kContradiction =
        "the COPIED flag of L2 entry {0x} contradicts the refcount of the cluster at {1x}";
    if (header_.has_data_file()) {  // where every cluster belongs to one disk
      if (active && !copied) Corrupted(kContradiction, entry, offset);
      return {};
    }
    Refer(offset, cluster_bytes_);
    return active ? CheckCopied(offset, copied, kContradiction, entry) : Status();
  }

  Status WalkSnapshots() {
    if (header_.has_data_file() && header_.snapshot_count != 0) {
      Corrupted("the image has {0} snapshots and a data file", header_.snapshot_count);
    }
    std::uint64_t at = header_.snapshots_offset;
    for (std::uint32_t i = 0; i < header_.snapshot_count; ++i) {
      at += (8 - at % 8) % 8;
      constexpr std::size_t kHeadBytes =
          SnapshotEntry::kFixedBytes + SnapshotEntry::kExtraBytesIcount;
      INSTAR_ASSIGN_OR_RETURN(const auto head, table_.View(at, kHeadBytes, 4096));
      const SnapshotEntry entry = SnapshotEntry::DecodeFrom(head);
      if (entry.extra_bytes > kMaxSnapshotExtraBytes) {
        return OverLimit("snapshot {0} has {1} bytes of extra data, more than the limit of {2}", i,
                         entry.extra_bytes, kMaxSnapshotExtraBytes);
      }
      at += SnapshotEntry::kFixedBytes + std::uint64_t{entry.extra_bytes} + entry.id_bytes +
            entry.name_bytes;
      if (at - header_.snapshots_offset > kMaxSnapshotTableBytes) {
        return OverLimit("the snapshot table exceeds the limit of {0} bytes",
                         kMaxSnapshotTableBytes);
      }
      if (header_.version >= 3 && entry.extra_bytes < SnapshotEntry::kExtraBytesDiskSize) {
        Corrupted("the entry of snapshot {0} is incomplete", i);
      }
      INSTAR_TRY(VisitSnapshot(entry, i));
    }
    Refer(header_.snapshots_offset, at - header_.snapshots_offset);
    return {};
  }

  Status VisitSnapshot(const SnapshotEntry& entry, std::uint32_t number) {
    if (entry.l1_table_offset % cluster_bytes_ != 0) {
      Corrupted("the L1 table of snapshot {0} at {1x} is not aligned to a cluster", number,
                entry.l1_table_offset);
      return {};
    }
    if (entry.l1_entries > kMaxL1Bytes / kTableEntryBytes) {
      Corrupted("the L1 table of snapshot {0} has {1} entries, more than {2}", number,
                entry.l1_entries, kMaxL1Bytes / kTableEntryBytes);
      return {};
    }
    return WalkL1(entry.l1_table_offset, entry.l1_entries, /*active=*/false);
  }

  Status WalkBitmaps() {
    if (!extensions_.bitmaps || extensions_.bitmaps->bitmap_count == 0) return {};
    Refer(extensions_.bitmaps->directory_offset, extensions_.bitmaps->directory_bytes);
    class Visitor final : public BitmapVisitor {
     public:
      explicit Visitor(Checker& checker) : checker_(checker) {}
      void Visit(const BitmapEntry& entry, std::string_view) override {
        if (status_) status_ = checker_.WalkBitmap(entry);
      }
      [[nodiscard]] const Status& status() const { return status_; }

     private:
      Checker& checker_;
      Status status_;
    };
    Visitor visitor(*this);
    INSTAR_TRY(VisitBitmaps(device_, *extensions_.bitmaps, visitor));
    return visitor.status();
  }

  Status WalkBitmap(const BitmapEntry& entry) {
    const std::uint64_t entries = entry.table_entries;
    Refer(entry.table_offset, entries * kTableEntryBytes);
    const std::uint64_t most = piece_bytes_ / kTableEntryBytes;
    for (std::uint64_t first = 0; first < entries; first += most) {
      const std::uint64_t at = entry.table_offset + first * kTableEntryBytes;
      if (at >= device_.size_bytes()) break;
      const std::uint64_t count = std::min(most, entries - first);
      INSTAR_ASSIGN_OR_RETURN(const auto piece,
                              table_.View(at, count * kTableEntryBytes, count * kTableEntryBytes));
      for (std::uint64_t i = 0; i < count; ++i) {
        VisitBitmapTableEntry(LoadBe64(piece, i * kTableEntryBytes));
      }
    }
    return {};
  }

  void VisitBitmapTableEntry(std::uint64_t entry) {
    const std::uint64_t place = HostOffset(entry);
    if (place % cluster_bytes_ != 0 || (entry & ~(kOffsetMask | kBitmapAllOnes)) != 0 ||
        (place != 0 && (entry & kBitmapAllOnes) != 0)) {
      Corrupted("entry {0x} of a bitmap table makes no sense", entry);
      return;
    }
    if (place != 0) Refer(place, cluster_bytes_);
  }

  Status WalkRefcountBlocks() {
    const std::uint64_t per_block = RefcountsPerBlock(header_.cluster_bits, header_.refcount_order);
    for (std::uint64_t i = 0; i < disk_.table_entries(); ++i) {
      INSTAR_ASSIGN_OR_RETURN(const std::uint64_t entry, disk_.TableEntry(i));
      if (entry == 0) continue;
      const std::uint64_t offset = entry & ~kRefcountBlockReserved;
      const std::uint64_t cluster = offset >> header_.cluster_bits;
      if (offset != 0) Want(i * per_block, (i + 1) * per_block - 1);
      if (offset != entry) {
        Corrupted("entry {0} of the refcount table, {1x}, has reserved bits set", i, entry);
      } else if (offset % cluster_bytes_ != 0) {
        Corrupted("refcount block {0} at {1x} is not aligned to a cluster", i, offset);
      } else if (cluster >= clusters_) {
        Corrupted("refcount block {0} at {1x} lies beyond the end of the file", i, offset);
      } else {
        Refer(offset, cluster_bytes_);
        if (counts_.Holds(cluster) && counts_.count(cluster) != 1) {
          Found(FindingKind::kCorruption, "refcount block {0} at {1x} has {2} references", i,
                offset, counts_.count(cluster));
        }
      }
    }
    return {};
  }

  Status CompareRefcounts() {
    const std::uint64_t end = std::min(counts_.end(), clusters_);
    std::atomic<std::uint64_t> highest = highest_;
    INSTAR_TRY(workers_.ForEachRange(
        device_, header_, counts_.first(), end,
        [&](std::uint64_t from, std::uint64_t to, DiskRefcounts& disk, unsigned) {
          std::uint64_t last = 0;
          for (std::uint64_t cluster = from; cluster < to;) {
            const auto run = disk.RunAt(cluster);
            if (!run) return false;
            const std::uint64_t stop = std::min(run->end, to);
            if (!counts_.Agree(*run, header_.refcount_order, cluster, stop, last)) return false;
            cluster = stop;
          }
          std::uint64_t known = highest.load(std::memory_order_relaxed);
          while (known < last &&
                 !highest.compare_exchange_weak(known, last, std::memory_order_relaxed)) {
          }
          return true;
        },
        [&](std::uint64_t from, std::uint64_t to) { return CompareRange(from, to); }));
    highest_ = std::max(highest_, highest.load());
    return {};
  }

  Status CompareRange(std::uint64_t cluster, std::uint64_t end) {
    while (cluster < end) {
      INSTAR_ASSIGN_OR_RETURN(const auto run, disk_.RunAt(cluster));
      // Not too much at once: a run may be as long as the window, and disagree about one cluster.
      const std::uint64_t stop = std::min({run.end, end, cluster + kCompared});
      if (counts_.Agree(run, header_.refcount_order, cluster, stop, highest_)) {
        cluster = stop;
      } else if (run.misplaced) {
        for (; cluster < stop; ++cluster) {
          Found(FindingKind::kError, "the refcount of the cluster at {0x} cannot be told",
                cluster << header_.cluster_bits);
        }
      } else if (run.counts.empty()) {
        for (; cluster < stop; ++cluster) CompareRefcount(cluster, 0);
      } else {
        ForEachRefcount(run.counts, header_.refcount_order, cluster - run.first, stop - run.first,
                        [&](std::uint64_t number, std::uint64_t on_disk) {
                          CompareRefcount(run.first + number, on_disk);
                        });
        cluster = stop;
      }
    }
    return {};
  }

  void CompareRefcount(std::uint64_t cluster, std::uint64_t on_disk) {
    const std::uint64_t counted = counts_.count(cluster);
    if (on_disk != 0 || counted != 0) highest_ = cluster;
    if (on_disk == counted) [[likely]]
      return;
    const bool leak = on_disk > counted;
    Found(leak ? FindingKind::kLeak : FindingKind::kCorruption,
          leak ? "the cluster at {0x} has the refcount {1}, but only {2} references"
               : "the cluster at {0x} has the refcount {1}, but {2} references",
          cluster << header_.cluster_bits, on_disk, counted);
  }

  const BlockDevice& device_;
  FindingSink& sink_;
  const Header header_;
  const HeaderExtensions extensions_;
  const std::uint64_t window_clusters_;
  const std::uint64_t piece_bytes_;
  const RefcountWorkers workers_;
  const std::uint64_t cluster_bytes_;
  const std::uint64_t most_references_;
  std::uint64_t clusters_;  // of the file, with one behind its end if something refers to it
  const std::uint64_t windows_end_;  // of the last: a reference may reach into the cluster behind
  DiskRefcounts disk_;
  DiskRefcounts elsewhere_;  // for single lookups far away
  ReadWindow l1_;
  ReadAhead l2_;
  std::vector<ByteRange> wanted_;
  ReadWindow table_;  // of snapshots, of a bitmap
  ReferenceCounts counts_;
  OrdinaryTables tables_;
  bool first_pass_ = true;
  bool ahead_ = false;             // walking the active disk, in which tables may be counted ahead
  bool out_of_order_ = false;      // that turned out to matter
  std::uint64_t found_ = 0;        // findings
  std::uint64_t told_ = 0;         // of these; more while a walk is made again
  std::uint64_t next_wanted_ = 0;  // the first cluster behind the window that has to be looked at
  std::uint64_t next_contiguous_ = 0;
  std::uint64_t highest_ = 0;
  std::uint64_t allocated_ = 0;
  std::uint64_t fragmented_ = 0;
  std::uint64_t compressed_ = 0;
  CheckCounts result_;
};

}  // namespace

Result<CheckCounts> Check(const CheckOptions& options, const CheckPortions& portions) {
  ReadWindow file(*options.device, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  INSTAR_TRY(header.Validate());
  INSTAR_ASSIGN_OR_RETURN(HeaderExtensions extensions, HeaderExtensions::ReadFrom(file, header));
  return Checker(options, header, std::move(extensions), portions).Run();
}

}  // namespace instar::qcow2
