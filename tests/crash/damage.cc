#include "crash/damage.h"

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "crash/crash_device.h"
#include "crash/image_facts.h"
#include "crash/image_patches.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/refcount_entry.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::crash {
namespace {

class Damager {
 public:
  Damager(SparseFile& image, std::mt19937_64& random)
      : image_(image), random_(random), header_(HeaderOf(image)) {
    FindTables();
  }

  std::string Damage() {
    switch (Below(12)) {
      case 0:
      case 1:
        return BreakRefcount();
      case 2:
      case 3:
      case 4:
        return BreakL2();
      case 5:
        return BreakEntry("L1", TableEntry(l1_tables_));
      case 6:
        return BreakEntry("refcount table",
                          header_.refcount_table_offset + 8 * Below(header_.cluster_bytes() / 8));
      case 7:
        return BreakHeader();
      case 8:
        return header_.snapshot_count != 0
                   ? FlipBit("snapshot table", header_.snapshots_offset, 120)
                   : BreakRefcount();
      case 9:
        return bitmaps_at_ != 0 ? BreakBitmaps() : BreakL2();
      case 10:
        return Below(3) == 0 ? Cut() : BreakL2();
      default:
        return BreakCluster();
    }
  }

 private:
  struct Table {
    std::uint64_t offset = 0;
    std::uint64_t entries = 0;
  };

  std::uint64_t Below(std::uint64_t end) { return random_() % end; }
  [[nodiscard]] std::uint64_t Load(std::uint64_t at) const {
    std::byte bytes[8];
    image_.Read(at, bytes);
    return LoadBe64(bytes, 0);
  }
  void Store(std::uint64_t at, std::uint64_t value) {
    std::byte bytes[8];
    StoreBe64(bytes, 0, value);
    image_.Write(at, bytes);
  }

  void FindTables() {
    l1_tables_.push_back({header_.l1_table_offset, header_.l1_entries});
    const ReadOnlyDevice device(image_, kImageId);
    class Visitor final : public qcow2::SnapshotVisitor {
     public:
      explicit Visitor(std::vector<Table>& tables) : tables_(tables) {}
      bool Visit(const qcow2::SnapshotEntry& entry, std::string_view, std::string_view) override {
        tables_.push_back({entry.l1_table_offset, entry.l1_entries});
        return true;
      }

     private:
      std::vector<Table>& tables_;
    };
    Visitor visitor(l1_tables_);
    (void)qcow2::VisitSnapshots(device, header_, visitor);
    std::erase_if(l1_tables_, [](const Table& table) { return table.entries == 0; });
    for (const Table& l1 : l1_tables_) {
      for (std::uint64_t i = 0; i < l1.entries; ++i) {
        const std::uint64_t table = qcow2::L2TableOffset(Load(l1.offset + 8 * i));
        if (table != 0) l2_tables_.push_back({table, header_.cluster_bytes() / 8});
      }
    }
    ReadWindow file(device, 4096);
    const auto extensions = qcow2::HeaderExtensions::ReadFrom(file, header_);
    if (extensions && extensions->bitmaps) bitmaps_at_ = extensions->bitmaps->directory_offset;
  }

  // Where an entry of one of `tables` stands; of those in front more often.
  std::uint64_t TableEntry(const std::vector<Table>& tables) {
    if (tables.empty()) return header_.refcount_table_offset;
    const Table& table = tables[Below(tables.size())];
    return table.offset +
           8 * Below(Below(2) == 0 ? std::min<std::uint64_t>(table.entries, 12) : table.entries);
  }

  std::string BreakL2() {
    if (l2_tables_.empty()) return BreakRefcount();
    const std::uint64_t at = TableEntry(l2_tables_);
    return BreakEntry("L2", at);
  }

  std::string BreakEntry(const char* what, std::uint64_t at) {
    const std::uint64_t old = Load(at);
    const std::uint64_t place = Below(ClustersOf(image_)) << header_.cluster_bits;
    std::uint64_t value = old;
    switch (Below(10)) {
      case 0:
        value ^= qcow2::kCopied;
        break;
      case 1:
        value ^= std::uint64_t{1} << Below(9);
        break;
      case 2:
        value ^= std::uint64_t{1} << (56 + Below(6));
        break;
      case 3:
        value += 512;
        break;
      case 4:
        value = qcow2::kCopied | (ClustersOf(image_) + Below(40)) << header_.cluster_bits;
        break;
      case 5:
      case 6:
        value = qcow2::kCopied | place;
        break;
      case 7:
        value = 0;
        break;
      case 8:
        value ^= std::uint64_t{1} << Below(64);
        break;
      default:
        value = random_();
    }
    Store(at, value);
    return absl::StrFormat("the %s entry at %#x from %#x to %#x", what, at, old, value);
  }

  std::string BreakRefcount() {
    const std::uint64_t per_block =
        qcow2::RefcountsPerBlock(header_.cluster_bits, header_.refcount_order);
    const std::uint64_t cluster = Below(ClustersOf(image_));
    const std::uint64_t block =
        Load(header_.refcount_table_offset + 8 * (cluster / per_block)) & ~std::uint64_t{511};
    if (block == 0 || block >= image_.size_bytes()) return "nothing";
    std::vector<std::byte> bytes(header_.cluster_bytes());
    image_.Read(block, bytes);
    constexpr std::uint64_t kCounts[] = {0, 0, 1, 2, 3, 17, 40000};
    const std::uint64_t count =
        std::min(kCounts[Below(7)], qcow2::MaxRefcount(header_.refcount_order));
    qcow2::StoreRefcount(bytes, cluster % per_block, header_.refcount_order, count);
    image_.Write(block, bytes);
    return absl::StrFormat("the refcount of cluster %d to %d", cluster, count);
  }

  std::string BreakHeader() {
    qcow2::Header header = HeaderOf(image_);
    switch (header.version < 3 ? 2 : Below(3)) {
      case 0:
        header.incompatible_features |= qcow2::kIncompatCorrupt;
        break;
      case 1:
        header.incompatible_features |= qcow2::kIncompatDirty;
        break;
      default:
        if (header.snapshot_count == 0) return BreakRefcount();
        header.snapshot_count += Below(2) == 0 ? 1U : ~0U;
        if (header.snapshot_count == 0) header.snapshots_offset = 0;
    }
    StoreHeader(image_, header);
    return absl::StrFormat("the header to %d snapshots and the bits %#x", header.snapshot_count,
                           header.incompatible_features);
  }

  std::string FlipBit(const char* what, std::uint64_t offset, std::uint64_t bytes) {
    const std::uint64_t at = offset + Below(bytes);
    std::byte byte[1];
    image_.Read(at, byte);
    byte[0] ^= std::byte{1} << static_cast<int>(Below(8));
    image_.Write(at, byte);
    return absl::StrFormat("a bit of the %s at %#x", what, at);
  }

  std::string BreakBitmaps() {
    const std::uint64_t table = Load(bitmaps_at_);
    if (Below(2) == 0 || table >= image_.size_bytes()) {
      return FlipBit("bitmap directory", bitmaps_at_, 40);
    }
    return BreakEntry("bitmap", table);
  }

  std::string Cut() {
    const std::uint64_t less = 1 + Below(3 * header_.cluster_bytes());
    if (less + header_.cluster_bytes() >= image_.size_bytes()) return "nothing";
    image_.Resize(image_.size_bytes() - less);
    return absl::StrCat("the length of the file by ", less, " bytes");
  }

  std::string BreakCluster() {
    const std::uint64_t cluster = 1 + Below(std::max<std::uint64_t>(ClustersOf(image_), 2) - 1);
    const std::uint64_t offset = cluster << header_.cluster_bits;
    if (Below(2) != 0) return FlipBit("file", offset, header_.cluster_bytes());
    const std::uint64_t bytes =
        std::min<std::uint64_t>(header_.cluster_bytes(), 512 << Below(header_.cluster_bits - 8));
    image_.Zero(offset, bytes);
    return absl::StrFormat("%d bytes at %#x to zeros", bytes, offset);
  }

  SparseFile& image_;
  std::mt19937_64& random_;
  const qcow2::Header header_;
  std::vector<Table> l1_tables_;
  std::vector<Table> l2_tables_;
  std::uint64_t bitmaps_at_ = 0;
};

}  // namespace

std::string DamageAtRandom(SparseFile& image, std::mt19937_64& random) {
  Damager damager(image, random);
  std::string done;
  for (std::uint64_t left = 1 + random() % 4; left != 0; --left) {
    absl::StrAppend(&done, done.empty() ? "" : "; ", damager.Damage());
  }
  return done;
}

}  // namespace instar::crash
