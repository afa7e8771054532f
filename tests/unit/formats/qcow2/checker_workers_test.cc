// What a check finds, and the order in which it tells that, does not depend on the workers.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "formats/create.h"
#include "formats/qcow2/checker.h"
#include "formats/qcow2/l2_entry.h"
#include "formats/registry.h"
#include "support/findings.h"
#include "support/memory_device.h"
#include "support/thread_workers.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kCluster = 512;
constexpr std::uint64_t kClusters = 6000;  // of the disk: 94 tables
constexpr std::uint64_t kEntries = kCluster / 8;
constexpr CheckPortions kSmallPieces = {.piece_bytes = 1024};

// An image with data everywhere, to be damaged.
struct Image {
  explicit Image(unsigned refcount_bits = 16) {
    const std::string options = "cluster_size=512,refcount_bits=" + std::to_string(refcount_bits);
    auto writer = CreateImage({.format = FormatId::kQcow2,
                               .virtual_size_bytes = kCluster * kClusters,
                               .options = options,
                               .target = &device});
    EXPECT_TRUE(writer.has_value());
    EXPECT_TRUE((*writer)->Begin().has_value());
    for (std::uint64_t at = 0; at < kCluster * kClusters;) {
      const auto place = (*writer)->PlaceData(at, kCluster * kClusters - at);
      EXPECT_TRUE(place.has_value());
      device.Fill(place->file_offset, place->length_bytes, 7);
      at += place->length_bytes;
    }
    EXPECT_TRUE((*writer)->Finish().has_value());
    l1 = LoadBe64(device.bytes, 40);
    refcount_table = LoadBe64(device.bytes, 48);
  }
  [[nodiscard]] std::uint64_t Table(std::uint64_t number) const {
    return L2TableOffset(LoadBe64(device.bytes, l1 + 8 * number));
  }
  [[nodiscard]] std::uint64_t EntryAt(std::uint64_t cluster) const {
    return Table(cluster / kEntries) + 8 * (cluster % kEntries);
  }
  [[nodiscard]] std::uint64_t Entry(std::uint64_t cluster) const {
    return LoadBe64(device.bytes, EntryAt(cluster));
  }
  void PutEntry(std::uint64_t cluster, std::uint64_t entry) {
    device.PutBe64(EntryAt(cluster), entry);
  }
  // Of 16 bits.
  [[nodiscard]] std::uint64_t RefcountAt(std::uint64_t cluster_of_file) const {
    const std::uint64_t per_block = kCluster / 2;
    return LoadBe64(device.bytes, refcount_table + 8 * (cluster_of_file / per_block)) +
           2 * (cluster_of_file % per_block);
  }
  // A snapshot whose L1 table is a copy of the active one.
  void AddSnapshot() {
    const std::uint64_t at = (device.bytes.size() + kCluster - 1) / kCluster * kCluster;
    const std::uint64_t entries = LoadBe32(device.bytes, 36);
    for (std::uint64_t i = 0; i < entries; ++i) {
      device.PutBe64(at + 8 * i, LoadBe64(device.bytes, l1 + 8 * i));
    }
    const std::uint64_t table = (device.bytes.size() + kCluster - 1) / kCluster * kCluster;
    device.Fill(table, kCluster, 0);
    device.PutBe64(table, at);
    device.PutBe32(table + 8, static_cast<std::uint32_t>(entries));
    device.PutBe32(table + 36, 16);  // extra data
    device.PutBe32(60, 1);
    device.PutBe64(64, table);
  }

  test::MemoryDevice device;
  std::uint64_t l1 = 0;
  std::uint64_t refcount_table = 0;
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

TEST(Qcow2CheckWorkers, TablesOfASoundImageAreReadOnce) {
  const Image image;
  test::ThreadWorkers workers(2);
  Said(image.device, nullptr, kSmallPieces);
  const std::uint64_t alone = std::exchange(image.device.bytes_read, 0);
  Said(image.device, &workers, kSmallPieces);
  EXPECT_LT(image.device.bytes_read, alone + alone / 4);
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

TEST(Qcow2CheckWorkers, RandomDamageIsToldTheSame) {
  const Image sound;
  std::uint64_t state = 12345;
  const auto random = [&](std::uint64_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % below;
  };
  for (int round = 0; round < 25 && !HasFailure(); ++round) {
    Image image = sound;
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
