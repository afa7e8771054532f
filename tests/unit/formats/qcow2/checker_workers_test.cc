// What a check finds, and the order in which it tells that, does not depend on the workers.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <map>
#include <ranges>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/create.h"
#include "formats/open.h"
#include "formats/qcow2/check/check.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/refcount_entry.h"
#include "support/findings.h"
#include "support/memory_device.h"
#include "support/option_settings.h"
#include "support/thread_workers.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kCluster = 512;
constexpr std::uint64_t kClusters = 6000;  // of the disk: 94 tables
constexpr std::uint64_t kEntries = kCluster / 8;
constexpr CheckPortions kSmallPieces = {.piece_bytes = 1024};

enum class Kind {
  kPlain,
  kZeros,       // some clusters read as zeros, allocated or not
  kCompressed,  // some 3 to a cluster of the file, with others in between
  kExtended,    // some subclusters read as zeros, without a cluster, too
  kSnapshot,    // with tables of its own, and clusters that are shared or not
};
constexpr Kind kKinds[] = {Kind::kPlain, Kind::kZeros, Kind::kCompressed, Kind::kExtended,
                           Kind::kSnapshot};

// An image with data everywhere, to be damaged. Clusters of 512 bytes, but for extended entries.
struct Image {
  explicit Image(unsigned refcount_bits = 16, Kind kind = Kind::kPlain)
      : order(static_cast<unsigned>(std::countr_zero(refcount_bits))),
        extended(kind == Kind::kExtended),
        cluster_bytes(extended ? 16384 : kCluster),
        clusters(extended ? 2500 : kClusters),
        entry_bytes(extended ? 16 : 8) {
    const std::string options = "cluster_size=" + std::to_string(cluster_bytes) +
                                (extended ? ",extended_l2=on" : "") +
                                ",refcount_bits=" + std::to_string(refcount_bits);
    auto writer = CreateImage({.format = FormatId::kQcow2,
                               .virtual_size_bytes = cluster_bytes * clusters,
                               .options = test::Settings(FormatId::kQcow2, options),
                               .target = &device});
    EXPECT_TRUE(writer.has_value());
    EXPECT_TRUE((*writer)->Begin().has_value());
    for (std::uint64_t at = 0; at < cluster_bytes * clusters;) {
      const auto place = (*writer)->PlaceData(at, cluster_bytes * clusters - at);
      EXPECT_TRUE(place.has_value());
      device.Fill(place->file_offset, place->length_bytes, 7);
      at += place->length_bytes;
    }
    EXPECT_TRUE((*writer)->Finish().has_value());
    l1 = LoadBe64(device.bytes, 40);
    refcount_table = LoadBe64(device.bytes, 48);
    for (std::uint64_t n = 0; n < clusters; ++n) data.push_back(HostOffset(Entry(n)));
    if (kind == Kind::kZeros) {
      for (std::uint64_t n = 5; n < clusters; n += 3) PutEntry(n, Entry(n) | kReadsZero);
      for (std::uint64_t n = 9; n < clusters; n += 4) PutEntry(n, kReadsZero);
    }
    if (kind == Kind::kExtended) {
      for (std::uint64_t n = 5; n < clusters; n += 3)
        device.PutBe64(EntryAt(n) + 8, 0xFF'0000'FF00);
      for (std::uint64_t n = 9; n < clusters; n += 4) {
        PutEntry(n, 0);
        device.PutBe64(EntryAt(n) + 8, n % 3 == 0 ? 0 : 0xFFFF'0000'0000);
      }
    }
    if (kind == Kind::kCompressed) Compress();
    if (kind == Kind::kSnapshot) AddOwnSnapshot();
    if (kind != Kind::kPlain) Recount();
  }
  [[nodiscard]] std::uint64_t Table(std::uint64_t number) const {
    return L2TableOffset(LoadBe64(device.bytes, l1 + 8 * number));
  }
  [[nodiscard]] std::uint64_t tables() const {
    return (clusters * entry_bytes + cluster_bytes - 1) / cluster_bytes;
  }
  [[nodiscard]] std::uint64_t EntryAt(std::uint64_t cluster) const {
    const std::uint64_t entries = cluster_bytes / entry_bytes;
    return Table(cluster / entries) + entry_bytes * (cluster % entries);
  }
  [[nodiscard]] std::uint64_t Entry(std::uint64_t cluster) const {
    return LoadBe64(device.bytes, EntryAt(cluster));
  }
  void PutEntry(std::uint64_t cluster, std::uint64_t entry) {
    device.PutBe64(EntryAt(cluster), entry);
  }
  // Of 16 bits.
  [[nodiscard]] std::uint64_t RefcountAt(std::uint64_t cluster_of_file) const {
    const std::uint64_t per_block = cluster_bytes / 2;
    return LoadBe64(device.bytes, refcount_table + 8 * (cluster_of_file / per_block)) +
           2 * (cluster_of_file % per_block);
  }
  // A snapshot whose L1 table is a copy of the active one.
  void AddSnapshot() {
    const std::uint64_t at = (device.bytes.size() + kCluster - 1) / kCluster * kCluster;
    CopyL1(at);
    const std::uint64_t table = (device.bytes.size() + kCluster - 1) / kCluster * kCluster;
    PutSnapshot(table, at);
  }
  void CopyL1(std::uint64_t to) {
    const std::uint64_t entries = LoadBe32(device.bytes, 36);
    for (std::uint64_t i = 0; i < entries; ++i) {
      device.PutBe64(to + 8 * i, LoadBe64(device.bytes, l1 + 8 * i));
    }
  }
  void PutSnapshot(std::uint64_t table, std::uint64_t l1_table) {
    device.Fill(table, kCluster, 0);
    device.PutBe64(table, l1_table);
    device.PutBe32(table + 8, LoadBe32(device.bytes, 36));
    device.PutBe32(table + 36, 16);  // extra data
    device.PutBe32(60, 1);
    device.PutBe64(64, table);
  }

  // A snapshot in places that were data. Every seventh entry of the active disk went elsewhere.
  void AddOwnSnapshot() {
    std::uint64_t last = clusters;
    const auto take = [&] {
      PutEntry(--last, 0);
      return data[last];
    };
    snapshot_l1 = take();
    for (const std::uint64_t above = snapshot_l1; snapshot_l1 + kCluster != above;) {
      snapshot_l1 = take();  // it takes two clusters
    }
    PutSnapshot(take(), snapshot_l1);
    std::vector<std::uint64_t> tables_of_it;
    for (std::uint64_t n = 0; n < tables(); ++n) tables_of_it.push_back(take());
    for (std::uint64_t n = 0; n < last; n += 7) {
      if (last - n > 7) PutEntry(n, kCopied | take());
    }
    for (std::uint64_t n = 0; n < tables(); ++n) {
      std::memcpy(&device.bytes[tables_of_it[n]], &device.bytes[Table(n)], kCluster);
      device.PutBe64(snapshot_l1 + 8 * n, tables_of_it[n]);
    }
    for (std::uint64_t n = 0; n < last; n += 7) PutEntry(n, n % 2 == 0 ? 0 : data[n] | kCopied);
    held = {snapshot_l1, snapshot_l1 + kCluster, LoadBe64(device.bytes, 64)};
    held.insert(held.end(), tables_of_it.begin(), tables_of_it.end());
  }
  void Compress() {
    std::uint64_t place = 0;  // in data
    std::uint64_t used = 0;   // bytes there
    for (std::uint64_t n = 0; n < clusters; ++n) {
      if (n % 50 > 40) {
        PutEntry(n, kCopied | data[++place]);
        ++place;
        used = 0;
        continue;
      }
      const std::uint64_t bytes = 90 + n % 160;
      PutEntry(n, CompressedCluster::Covering(data[place] + used, bytes).Encode(9));
      used += bytes;
      if (used + 250 > kCluster) {
        const bool crosses = data[place + 1] == data[place] + kCluster && n % 50 < 39;
        if (crosses) {
          PutEntry(++n, CompressedCluster::Covering(data[place] + used, 250).Encode(9));
        }
        used = crosses ? used + 250 - kCluster : 0;
        ++place;
      }
    }
  }
  // Gives every cluster that was data the refcount that it should have now, and makes the COPIED
  // flags of the active disk agree. The most references that any has.
  std::uint64_t Recount() {
    std::map<std::uint64_t, std::uint64_t> counts;
    for (const std::uint64_t offset : data) counts[offset] = 0;
    for (const std::uint64_t offset : held) counts[offset] = 1;
    const auto for_each_entry = [&](std::uint64_t l1_table, const auto& visit) {
      for (std::uint64_t n = 0; n < tables(); ++n) {
        const std::uint64_t table = L2TableOffset(LoadBe64(device.bytes, l1_table + 8 * n));
        for (std::uint64_t at = 0; at < cluster_bytes; at += entry_bytes) visit(table + at);
      }
    };
    const auto count = [&](std::uint64_t at) {
      const std::uint64_t entry = LoadBe64(device.bytes, at);
      if (!IsCompressed(entry)) {
        if (HostOffset(entry) != 0) ++counts[HostOffset(entry)];
        return;
      }
      const auto part = CompressedCluster::DecodeFrom(entry, 9);
      const std::uint64_t end = part.offset + part.bytes();
      for (std::uint64_t c = part.offset / kCluster * kCluster; c < end; c += kCluster) ++counts[c];
    };
    for_each_entry(l1, count);
    if (snapshot_l1 != 0) for_each_entry(snapshot_l1, count);
    const std::uint64_t per_block = cluster_bytes * 8 >> order;
    for (const auto& [offset, references] : counts) {
      const std::uint64_t index = offset / cluster_bytes;
      const std::uint64_t block = LoadBe64(device.bytes, refcount_table + 8 * (index / per_block));
      StoreRefcount(std::span(device.bytes).subspan(block, cluster_bytes), index % per_block, order,
                    std::min(references, MaxRefcount(order)));
    }
    for_each_entry(l1, [&](std::uint64_t at) {
      const std::uint64_t entry = LoadBe64(device.bytes, at);
      if (IsCompressed(entry) || HostOffset(entry) == 0) return;
      device.PutBe64(at, (entry & ~kCopied) | (counts[HostOffset(entry)] == 1 ? kCopied : 0));
    });
    return std::ranges::max(std::views::values(counts));
  }

  unsigned order;
  bool extended;
  std::uint64_t cluster_bytes;
  std::uint64_t clusters;
  std::uint64_t entry_bytes;
  test::MemoryDevice device;
  std::uint64_t l1 = 0;
  std::uint64_t snapshot_l1 = 0;
  std::uint64_t refcount_table = 0;
  std::vector<std::uint64_t> data;  // where it was first
  std::vector<std::uint64_t> held;  // of these: what the snapshot itself takes
};

// All that a check says, in order.
std::vector<std::string> Said(const test::MemoryDevice& device, Workers* workers,
                              CheckPortions portions) {
  const auto reader = OpenImage(device, FormatId::kQcow2);
  EXPECT_TRUE(reader.has_value());
  if (!reader) return {};
  test::Findings findings;
  const auto counts =
      Check({.device = &device, .reader = reader->get(), .findings = &findings, .workers = workers},
            portions);
  std::vector<std::string> said;
  for (const Finding& finding : findings.all) {
    said.push_back(std::to_string(static_cast<unsigned>(finding.kind)) + " " + finding.message);
    for (const std::uint64_t number : finding.numbers) said.back() += " " + std::to_string(number);
  }
  if (!counts) {
    said.emplace_back(counts.error().message);
    return said;
  }
  for (const auto& count :
       {std::optional(counts->corruptions), std::optional(counts->leaks),
        std::optional(counts->check_errors), counts->image_end_offset, counts->total_clusters,
        counts->allocated_clusters, counts->fragmented_clusters, counts->compressed_clusters}) {
    said.push_back("count " + std::to_string(count.value_or(~std::uint64_t{0})));
  }
  return said;
}

// Checks with several numbers of workers and windows; how much was found.
std::size_t ExpectSame(const test::MemoryDevice& device) {
  std::size_t found = 0;
  for (const std::uint64_t window : {CheckPortions().window_clusters, std::uint64_t{2500}}) {
    const CheckPortions portions = {.window_clusters = window, .piece_bytes = 1024};
    const auto alone = Said(device, nullptr, portions);
    found = alone.size();
    for (const unsigned count : {1u, 2u, 5u}) {
      test::ThreadWorkers workers(count);
      EXPECT_EQ(Said(device, &workers, portions), alone) << count << " workers, window " << window;
      if (count > 1) {
        EXPECT_GT(workers.runs, 0u) << "they had something to do";
      }
    }
    if (testing::Test::HasFailure()) break;
  }
  return found;
}

constexpr std::size_t kCounts = 8;

TEST(Qcow2CheckWorkers, ASoundImageIsSoundWithEveryWidthOfRefcounts) {
  for (const unsigned bits : {1, 2, 4, 8, 16, 32, 64}) {
    const Image image(bits);
    EXPECT_EQ(ExpectSame(image.device), kCounts) << bits;
  }
}

TEST(Qcow2CheckWorkers, EveryKindOfTableOfASoundImageIsSound) {
  for (const Kind kind : kKinds) {
    const Image image(16, kind);
    EXPECT_EQ(ExpectSame(image.device), kCounts) << static_cast<int>(kind);
    const auto said = Said(image.device, nullptr, kSmallPieces);
    EXPECT_EQ(said[0], "count 0");
    EXPECT_EQ(said[1], "count 0");
  }
}

TEST(Qcow2CheckWorkers, TablesOfASoundImageAreReadOnce) {
  for (const Kind kind : kKinds) {
    const Image image(16, kind);
    test::ThreadWorkers workers(2);
    image.device.bytes_read = 0;
    Said(image.device, nullptr, kSmallPieces);
    const std::uint64_t alone = std::exchange(image.device.bytes_read, 0);
    Said(image.device, &workers, kSmallPieces);
    EXPECT_LT(image.device.bytes_read, alone + alone / 4) << static_cast<int>(kind);
  }
}

// However often tables refer to each other, to share them out costs no more than to read the file
// once more.
TEST(Qcow2CheckWorkers, OneTableForAllIsNotReadMuchMoreOften) {
  Image image;
  for (std::uint64_t n = 0; n < kClusters / kEntries; ++n) {
    image.device.PutBe64(image.l1 + 8 * n, LoadBe64(image.device.bytes, image.l1 + 8 * 50));
  }
  Said(image.device, nullptr, kSmallPieces);
  const std::uint64_t alone = std::exchange(image.device.bytes_read, 0);
  test::ThreadWorkers workers(5);
  Said(image.device, &workers, kSmallPieces);
  EXPECT_LT(image.device.bytes_read, alone + image.device.bytes.size());
}

struct Damage {
  const char* name;
  std::function<void(Image&)> make;
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class Qcow2CheckWorkersDamage : public testing::TestWithParam<Damage> {};

TEST_P(Qcow2CheckWorkersDamage, IsToldTheSame) {
  Image image;
  GetParam().make(image);
  EXPECT_GT(ExpectSame(image.device), kCounts);
}

INSTANTIATE_TEST_SUITE_P(
    All, Qcow2CheckWorkersDamage,
    testing::Values(Damage{"Leaks",
                           [](Image& i) {
                             for (std::uint64_t n = 5; n < kClusters; n += 777) i.PutEntry(n, 0);
                           }},
                    Damage{"ClustersUsedTwice",
                           [](Image& i) {
                             for (std::uint64_t n = 5; n < kClusters; n += 777)
                               i.PutEntry(n, i.Entry(n + 100));
                             i.PutEntry(1, i.Entry(2));
                           }},
                    Damage{"ClusterUsedByManyTables",
                           [](Image& i) {
                             for (std::uint64_t n = 9; n < kClusters; n += kEntries)
                               i.PutEntry(n, i.Entry(9));
                           }},
                    Damage{"TableUsedTwice",
                           [](Image& i) {
                             i.device.PutBe64(i.l1 + 8 * 70,
                                              LoadBe64(i.device.bytes, i.l1 + 8 * 3));
                           }},
                    Damage{"OneTableForAll",
                           [](Image& i) {
                             for (std::uint64_t n = 0; n < kClusters / kEntries; ++n) {
                               i.device.PutBe64(i.l1 + 8 * n,
                                                LoadBe64(i.device.bytes, i.l1 + 8 * 50));
                             }
                           }},
                    Damage{"CopiedFlags",
                           [](Image& i) {
                             for (std::uint64_t n = 3; n < kClusters; n += 500) {
                               i.PutEntry(n, i.Entry(n) & ~kCopied);
                             }
                           }},
                    Damage{"RefcountsTooHighAndTooLow",
                           [](Image& i) {
                             for (std::uint64_t n = 3; n < kClusters; n += 333) {
                               i.device.PutBe16(i.RefcountAt(n), n % 2 == 0 ? 0 : 3);
                             }
                           }},
                    Damage{"EntriesBeyondTheEndAndNotAligned",
                           [](Image& i) {
                             i.PutEntry(100, kCopied | std::uint64_t{1} << 40);
                             i.PutEntry(900, i.Entry(900) | 1 << 20);
                             i.PutEntry(5000, i.Entry(5000) + 8);
                             i.device.PutBe64(i.l1 + 8 * 20, kCopied | std::uint64_t{1} << 41);
                             i.device.PutBe64(i.l1 + 8 * 40,
                                              LoadBe64(i.device.bytes, i.l1 + 8 * 40) + 512);
                           }},
                    Damage{"Snapshot", [](Image& i) { i.AddSnapshot(); }},
                    Damage{"CompressedClusters",
                           [](Image& i) {
                             for (std::uint64_t n = 7; n < kClusters; n += 200) {
                               const std::uint64_t copied = n % 400 == 7 ? kCopied : 0;
                               i.PutEntry(n, copied | kCompressed | HostOffset(i.Entry(n)) | 3);
                             }
                           }},
                    Damage{"MisplacedAndMissingRefcountBlocks",
                           [](Image& i) {
                             const std::uint64_t block = LoadBe64(i.device.bytes, i.refcount_table);
                             i.device.PutBe64(i.refcount_table + 8, block + 8);
                             i.device.PutBe64(i.refcount_table + 24, 0);
                           }}),
    [](const auto& test) { return test.param.name; });

TEST(Qcow2CheckWorkers, ATableThatCannotBeReadEndsTheCheckAtTheSamePlace) {
  Image image;
  for (std::uint64_t n = 20; n < kClusters; n += 7 * kEntries) {
    image.PutEntry(n, image.Entry(n) & ~kCopied);
  }
  const std::uint64_t end = (image.device.bytes.size() + kCluster - 1) / kCluster * kCluster;
  image.device.Fill(end, kCluster, 0);
  image.device.PutBe64(image.l1 + 8 * 60, kCopied | end);
  image.device.fail_reads_from = end;
  const auto said = Said(image.device, nullptr, kSmallPieces);
  EXPECT_EQ(said.back(), "read failed");
  EXPECT_GT(said.size(), 8u);
  for (const unsigned count : {2u, 5u}) {
    test::ThreadWorkers workers(count);
    EXPECT_EQ(Said(image.device, &workers, kSmallPieces), said) << count;
  }
}

// Of a table whose neighbours are counted ahead.
TEST(Qcow2CheckWorkers, ADamagedEntryOfAnyKindIsToldTheSame) {
  for (const Kind kind : kKinds) {
    Image image(16, kind);
    const std::uint64_t middle = kind == Kind::kExtended ? 1500 : 3001;
    for (const std::uint64_t cluster : {middle, middle + 5, middle + 10}) {
      for (unsigned bit = 0; bit < image.entry_bytes * 8; bit += cluster == middle ? 1 : 7) {
        std::byte& damaged = image.device.bytes[image.EntryAt(cluster) + bit / 8];
        damaged ^= std::byte{1} << (bit % 8);
        ExpectSame(image.device);
        damaged ^= std::byte{1} << (bit % 8);
        if (HasFailure()) {
          FAIL() << "kind " << static_cast<int>(kind) << ", cluster " << cluster << ", bit " << bit;
        }
      }
    }
  }
}

TEST(Qcow2CheckWorkers, WhatIsWrongInOneEntryOfATableIsTold) {
  struct Wrong {
    Kind kind;
    std::uint64_t cluster;
    std::uint64_t flipped;
    std::uint64_t flipped_bitmap;
    const char* told;
  };
  for (const Wrong& wrong : {
           Wrong{Kind::kPlain, 3001, kCopied, 0, "contradicts the refcount of the cluster"},
           Wrong{Kind::kPlain, 3001, 2, 0, "reserved bits"},
           Wrong{Kind::kPlain, 3001, std::uint64_t{1} << 40, 0, "but the file ends"},
           Wrong{Kind::kZeros, 3002, kCopied, 0, "contradicts the refcount of the cluster"},
           Wrong{Kind::kZeros, 3005, 4, 0, "reserved bits"},
           Wrong{Kind::kCompressed, 3001, kCopied, 0, "of a compressed cluster has the COPIED"},
           Wrong{Kind::kCompressed, 3001, std::uint64_t{1} << 40, 0, "but the file ends"},
           Wrong{Kind::kSnapshot, 3001, kCopied, 0, "contradicts the refcount of the cluster"},
           Wrong{Kind::kExtended, 1500, 512, 0, "is not aligned"},
           Wrong{Kind::kExtended, 1500, kCompressed | kCopied, 1, "has a subcluster bitmap"},
           Wrong{Kind::kExtended, 1502, 0, std::uint64_t{1} << 40, "contradicts itself"},
           Wrong{Kind::kExtended, 1505, 0, 1 << 20, "has no cluster, but allocated subclusters"},
       }) {
    Image image(16, wrong.kind);
    image.PutEntry(wrong.cluster, image.Entry(wrong.cluster) ^ wrong.flipped);
    if (image.extended) {
      const std::uint64_t at = image.EntryAt(wrong.cluster) + 8;
      image.device.PutBe64(at, LoadBe64(image.device.bytes, at) ^ wrong.flipped_bitmap);
    }
    const auto said = Said(image.device, nullptr, kSmallPieces);
    EXPECT_TRUE(std::ranges::any_of(
        said, [&](const std::string& line) { return line.contains(wrong.told); }))
        << wrong.told << ": " << said.front();
    ExpectSame(image.device);
  }
}

TEST(Qcow2CheckWorkers, CompressedClustersCutByTheEndOfTheFileAreToldTheSame) {
  for (const std::uint64_t cut : {1, 100, 400, 511, 512, 600, 5000}) {
    Image image(16, Kind::kCompressed);
    const std::uint64_t end = image.device.bytes.size();
    for (std::uint64_t n = 50; n < kClusters; n += 1000) {
      image.PutEntry(n, CompressedCluster{.offset = end - 700, .additional_sectors = 1}.Encode(9));
      image.PutEntry(n + 1, CompressedCluster{.offset = end - 100}.Encode(9));
    }
    image.device.bytes.resize(end - cut);
    EXPECT_GT(ExpectSame(image.device), kCounts) << cut;
  }
}

// The order of findings is the order of the tables even where a cluster has more references than a
// refcount holds, which of all faults depends on what was counted before.
TEST(Qcow2CheckWorkers, NarrowRefcountsOverflowAtTheSameEntry) {
  for (const unsigned bits : {1, 2, 4}) {
    Image image(bits);
    for (std::uint64_t n = 30 * kEntries; n < kClusters; n += kEntries) {
      image.PutEntry(n, image.Entry(50 * kEntries + 3));
    }
    for (std::uint64_t n = 1; n < kClusters; n += 10 * kEntries) image.PutEntry(n, kCopied | 8);
    for (std::uint64_t n = 20; n < kClusters; n += 7 * kEntries) {
      image.PutEntry(n, image.Entry(n + 1) & ~kCopied);
    }
    EXPECT_GT(ExpectSame(image.device), kCounts + 20) << bits;
  }
}

TEST(Qcow2CheckWorkers, NarrowRefcountsOfSharedClustersOverflowAtTheSameEntry) {
  for (const unsigned bits : {1, 2, 4}) {
    for (const Kind kind : {Kind::kCompressed, Kind::kSnapshot}) {
      for (const std::uint64_t more : {0, 1, 2, 3, 12, 13, 14, 15, 40}) {
        Image image(bits, kind);
        const std::uint64_t shared = image.Entry(50 * kEntries + 3);
        for (std::uint64_t i = 0; i < more; ++i) image.PutEntry((20 + i) * kEntries + 5, shared);
        image.PutEntry(30 * kEntries, kCopied | 8);
        const std::uint64_t references = image.Recount();
        ExpectSame(image.device);
        if (HasFailure()) FAIL() << bits << " bits, " << more << " more references";
        const bool told = std::ranges::any_of(
            Said(image.device, nullptr, kSmallPieces), [](const std::string& line) {
              return line.contains("more references than a refcount can hold");
            });
        EXPECT_EQ(told, references > MaxRefcount(image.order)) << bits << " bits, " << more;
      }
    }
  }
}

TEST(Qcow2CheckWorkers, ClustersWithMoreReferencesThanAnIntegerOf16BitsAreToldTheSame) {
  for (const unsigned bits : {16, 32}) {
    Image image(bits, Kind::kCompressed);
    const std::uint64_t shared = image.Entry(3);
    for (std::uint64_t n = 0; n < kClusters; ++n) image.PutEntry(n, shared);
    // Tables that are named twelve times: 72000 references.
    const std::uint64_t first = image.Table(0);
    for (std::uint64_t n = 0; n < image.tables(); ++n) {
      image.device.PutBe64(image.l1 + 8 * n, kCopied | first);
    }
    const std::uint64_t entries = 12 * image.tables();
    const std::uint64_t at = (image.device.bytes.size() + 511) / 512 * 512;
    for (std::uint64_t n = 0; n < entries; ++n) {
      image.device.PutBe64(at + 8 * n, kCopied | image.Table(n % image.tables()));
    }
    image.device.PutBe32(36, static_cast<std::uint32_t>(entries));
    image.device.PutBe64(40, at);
    EXPECT_GT(ExpectSame(image.device), kCounts) << bits;
  }
}

// A snapshot costs no more than to read its tables once more, and what is not sound is not read
// ahead again and again.
TEST(Qcow2CheckWorkers, SnapshotsOfUnsoundTablesAreNotReadMuchMoreOften) {
  Image image;
  for (std::uint64_t n = 3; n < kClusters; n += kEntries) image.PutEntry(n, image.Entry(n) | 2);
  image.AddSnapshot();
  constexpr std::uint64_t kSnapshots = 300;
  constexpr std::uint64_t kEntryBytes = 56;
  const std::uint64_t table = LoadBe64(image.device.bytes, 64);
  image.device.Fill(table + kEntryBytes, kEntryBytes * (kSnapshots - 1), 0);
  for (std::uint64_t i = 1; i < kSnapshots; ++i) {
    std::memcpy(&image.device.bytes[table + kEntryBytes * i], &image.device.bytes[table],
                kEntryBytes);
  }
  image.device.PutBe32(60, kSnapshots);
  ExpectSame(image.device);
  image.device.bytes_read = 0;
  Said(image.device, nullptr, kSmallPieces);
  const std::uint64_t alone = std::exchange(image.device.bytes_read, 0);
  test::ThreadWorkers workers(5);
  Said(image.device, &workers, kSmallPieces);
  EXPECT_LT(image.device.bytes_read, alone + 3 * image.device.bytes.size());
}

TEST(Qcow2CheckWorkers, RandomDamageIsToldTheSame) {
  std::uint64_t state = 12345;
  const auto random = [&](std::uint64_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % below;
  };
  std::vector<Image> sounds;
  for (const Kind kind : {Kind::kPlain, Kind::kZeros, Kind::kCompressed, Kind::kSnapshot}) {
    sounds.emplace_back(16, kind);
  }
  for (std::size_t round = 0; round < 100 && !HasFailure(); ++round) {
    Image image = sounds[round % sounds.size()];
    for (std::uint64_t left = 1 + random(30); left != 0; --left) {
      const std::uint64_t a = random(kClusters);
      const std::uint64_t b = random(kClusters);
      switch (random(6)) {
        case 0:
          image.PutEntry(a, image.Entry(b));
          break;
        case 1:
          image.PutEntry(a, image.Entry(a) ^ std::uint64_t{1} << random(64));
          break;
        case 2:
          image.PutEntry(a, random(2) * kReadsZero);
          break;
        case 3:
          image.device.PutBe64(image.l1 + 8 * random(94),
                               LoadBe64(image.device.bytes, image.l1 + 8 * random(94)));
          break;
        case 4:
          image.device.PutBe16(image.RefcountAt(a), static_cast<std::uint16_t>(random(3)));
          break;
        case 5:
          image.device.PutBe64(image.l1 + 8 * random(94), kCopied | random(1 << 12) * kCluster);
          break;
      }
    }
    ExpectSame(image.device);
  }
}

}  // namespace
}  // namespace instar::qcow2
