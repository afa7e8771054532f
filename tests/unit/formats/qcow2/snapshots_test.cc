// What taking, applying and deleting snapshots makes of an image; what a crash makes of it is
// tests/crash's.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "formats/base/endian.h"
#include "formats/qcow2/edit/snapshot_list.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/l2_entry.h"
#include "formats/qcow2/structures/snapshot_table.h"
#include "formats/resize.h"
#include "formats/snapshot.h"
#include "support/changed_image.h"
#include "support/checked_image.h"
#include "support/fresh_image.h"
#include "support/memory_device.h"
#include "support/shown_disk.h"
#include "support/thread_workers.h"

namespace instar::qcow2 {
namespace {

using test::MemoryDevice;
using test::ShownDisk;

constexpr std::uint64_t kKi = 1 << 10;
constexpr std::uint64_t kMi = 1 << 20;

struct Listed final : SnapshotVisitor {
  bool Visit(const SnapshotEntry& entry, std::string_view id, std::string_view name) override {
    entries.push_back(entry);
    ids.emplace_back(id);
    names.emplace_back(name);
    return true;
  }
  std::vector<SnapshotEntry> entries;
  std::vector<std::string> ids;
  std::vector<std::string> names;
};

class SnapshotsTest : public test::ChangedImage {
 protected:
  using Names = std::vector<std::string>;

  using Action = Status (*)(const SnapshotOptions&);
  Status Run(Action action, std::string_view name) {
    return action({.format = FormatId::kQcow2,
                   .device = &image,
                   .workers = workers,
                   .name = name,
                   .date_seconds = 11,
                   .date_nanoseconds = 12});
  }
  void Works(Action action, std::string_view name) {
    const Status done = Run(action, name);
    ExpectSound(done);
  }
  // Refuses, with the image as it was.
  void Refuses(Action action, std::string_view name, ErrorCode code, std::string_view words) {
    const std::vector<std::byte> before = image.bytes;
    const Status done = Run(action, name);
    ExpectRefused(done, before, code, words);
  }
  // Overwrites [0, bytes) of the disk with `value`, as a virtual machine does.
  void Overwrite(std::uint64_t bytes, std::uint8_t value) {
    auto writer = OpenForWriting({.format = FormatId::kQcow2,
                                  .virtual_size_bytes = header().virtual_size_bytes,
                                  .target = &image});
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE((*writer)->Begin());
    test::Put(**writer, image, 0, bytes, value);
    ASSERT_TRUE((*writer)->Finish());
  }
  [[nodiscard]] int FirstByte() {
    return std::to_integer<int>(ShownDisk(image, FormatId::kQcow2).Bytes().at(0));
  }
  [[nodiscard]] Listed List() const {
    Listed listed;
    EXPECT_TRUE(VisitSnapshots(image, header(), listed));
    return listed;
  }
  [[nodiscard]] std::uint64_t L1Entry() const {
    return LoadBe64(image.bytes, header().l1_table_offset);
  }
  [[nodiscard]] std::uint64_t L2Entry(std::uint64_t index) const {
    return LoadBe64(image.bytes, L2TableOffset(L1Entry()) + index * kTableEntryBytes);
  }

  Workers* workers = nullptr;
};

TEST_F(SnapshotsTest, KeepsTheDiskAsItWasAndGivesItBack) {
  for (const char* options : {"", "compat=0.10", "extended_l2=on", "cluster_size=512",
                              "cluster_size=2M", "refcount_bits=2", "refcount_bits=64"}) {
    SCOPED_TRACE(options);
    Make(8 * kMi, options, 4 * kMi);
    const auto old = ShownDisk(image, FormatId::kQcow2).Bytes();
    Works(CreateSnapshot, "s");
    Overwrite(2 * kMi, 9);
    EXPECT_EQ(FirstByte(), 9);
    Works(ApplySnapshot, "s");
    EXPECT_EQ(ShownDisk(image, FormatId::kQcow2).Bytes(), old);
    Works(DeleteSnapshot, "s");
    EXPECT_EQ(ShownDisk(image, FormatId::kQcow2).Bytes(), old);
    EXPECT_EQ(header().snapshot_count, 0u);
    EXPECT_EQ(header().snapshots_offset, 0u);
  }
}

TEST_F(SnapshotsTest, CopiedSaysWhatIsShared) {
  Make(kMi, "", kMi);
  EXPECT_NE(L1Entry() & kCopied, 0u);
  Works(CreateSnapshot, "s");
  EXPECT_EQ(L1Entry() & kCopied, 0u);
  EXPECT_EQ(L2Entry(3) & kCopied, 0u);
  // Both share one table.
  const Listed listed = List();
  EXPECT_EQ(LoadBe64(image.bytes, listed.entries.at(0).l1_table_offset), L1Entry());
  Works(DeleteSnapshot, "s");
  EXPECT_NE(L1Entry() & kCopied, 0u);
  EXPECT_NE(L2Entry(3) & kCopied, 0u);
}

TEST_F(SnapshotsTest, CopiedIsSetWhereverRunsOfClustersBegin) {
  for (const std::uint64_t overwritten : {1, 63, 64, 65, 100, 1000}) {
    SCOPED_TRACE(overwritten);
    Make(kMi, "cluster_size=512", kMi);
    Works(CreateSnapshot, "s");
    Overwrite(overwritten * 512, 9);
    Works(DeleteSnapshot, "s");  // a wrong flag is a corruption
    EXPECT_EQ(FirstByte(), 9);
    EXPECT_NE(L2Entry(63) & kCopied, 0u);
  }
}

TEST_F(SnapshotsTest, TableOfASnapshotWithCopiedIsNotShared) {
  Make(kMi, "", kMi);
  Works(CreateSnapshot, "s");
  Overwrite(kMi, 9);
  // As another program leaves it behind, where COPIED means nothing.
  const std::uint64_t table =
      L2TableOffset(LoadBe64(image.bytes, List().entries.at(0).l1_table_offset));
  for (std::uint64_t i = 0; i < 16; ++i) {
    const std::uint64_t at = table + i * kTableEntryBytes;
    StoreBe64(image.bytes, at, LoadBe64(image.bytes, at) | kCopied);
  }
  Works(ApplySnapshot, "s");
  EXPECT_NE(L2TableOffset(L1Entry()), table);
  EXPECT_EQ(L2Entry(3) & kCopied, 0u);
  Overwrite(kMi, 8);
  Works(ApplySnapshot, "s");
  EXPECT_EQ(FirstByte(), 5);
}

TEST_F(SnapshotsTest, IdIsOneMoreThanTheGreatestNumber) {
  Make(kMi);
  for (const char* name : {"a", "b", "c", "d"}) Works(CreateSnapshot, name);
  Works(DeleteSnapshot, "b");
  Works(CreateSnapshot, "e");
  EXPECT_EQ(List().ids, (Names{"1", "3", "4", "5"}));
  Works(DeleteSnapshot, "e");
  Works(DeleteSnapshot, "d");
  Works(CreateSnapshot, "f");
  EXPECT_EQ(List().ids, (Names{"1", "3", "4"}));
  EXPECT_EQ(List().names, (Names{"a", "c", "f"}));
}

TEST(SnapshotNumberTest, ReadsWhatIsAtTheFront) {
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"1", 1},   {"z", 0},      {"", 0},     {" 12", 12},
      {"+3x", 3}, {"-1", kMost}, {"9abc", 9}, {"99999999999999999999", kMost},
  };
  for (const auto& [id, number] : cases) EXPECT_EQ(SnapshotNumber(id), number) << id;
}

TEST_F(SnapshotsTest, ApplyPrefersTheIdAndDeleteKnowsNamesOnly) {
  Make(kMi, "", 64 * kKi);
  Works(CreateSnapshot, "2");
  Overwrite(64 * kKi, 7);
  Works(CreateSnapshot, "x");
  Overwrite(64 * kKi, 9);
  Works(ApplySnapshot, "2");
  EXPECT_EQ(FirstByte(), 7);
  Refuses(DeleteSnapshot, "1", ErrorCode::kNotFound, "not found");
  Works(DeleteSnapshot, "2");
  EXPECT_EQ(List().names, (Names{"x"}));
  Refuses(ApplySnapshot, "1", ErrorCode::kNotFound, "No such file");
}

TEST_F(SnapshotsTest, OfSeveralWithOneNameTheFirstGoes) {
  Make(kMi);
  Works(CreateSnapshot, "n");
  Works(CreateSnapshot, "n");
  Works(CreateSnapshot, "");
  Works(DeleteSnapshot, "n");
  EXPECT_EQ(List().ids, (Names{"2", "3"}));
  Works(DeleteSnapshot, "");
  EXPECT_EQ(List().ids, (Names{"2"}));
}

TEST_F(SnapshotsTest, EntrySaysWhenAndHowLarge) {
  Make(3 * kMi);
  Works(CreateSnapshot, std::string(65535, 'n'));
  const SnapshotEntry entry = List().entries.at(0);
  EXPECT_EQ(entry.date_seconds, 11u);
  EXPECT_EQ(entry.date_nanoseconds, 12u);
  EXPECT_EQ(entry.disk_size_bytes, 3 * kMi);
  EXPECT_EQ(entry.vm_state_bytes, 0u);
  EXPECT_EQ(entry.icount, 0u);
  EXPECT_EQ(entry.name_bytes, 65535u);
  Refuses(CreateSnapshot, std::string(65536, 'n'), ErrorCode::kInvalidArgument, "at most");
}

TEST_F(SnapshotsTest, OverflowOfARefcountNamesTheWidthAndChangesNothing) {
  Make(kMi, "refcount_bits=1", 64 * kKi);
  Refuses(CreateSnapshot, "s", ErrorCode::kLimit, "refcounts of {1} bits");
  Make(kMi, "refcount_bits=2", 64 * kKi);
  Works(CreateSnapshot, "s");
  Works(CreateSnapshot, "t");
  Refuses(CreateSnapshot, "u", ErrorCode::kLimit, "refcounts of {1} bits");
  // What both disks refer to is counted down before it is counted up.
  Works(ApplySnapshot, "s");
  Make(kMi, "refcount_bits=1");
  Works(CreateSnapshot, "s");
  Works(CreateSnapshot, "t");
}

TEST_F(SnapshotsTest, AppliedSnapshotHasItsOwnSize) {
  Make(kMi, "cluster_size=4k", kMi);
  Works(CreateSnapshot, "small");
  ShownDisk content(image, FormatId::kQcow2);
  ASSERT_TRUE(ResizeImage(
      {.format = FormatId::kQcow2, .device = &image, .content = &content, .size_bytes = 40 * kMi}));
  Works(CreateSnapshot, "large");
  Works(ApplySnapshot, "small");
  EXPECT_EQ(header().virtual_size_bytes, kMi);
  Works(ApplySnapshot, "large");
  EXPECT_EQ(header().virtual_size_bytes, 40 * kMi);
  EXPECT_EQ(FirstByte(), 5);
}

TEST_F(SnapshotsTest, UnknownExtraDataStays) {
  Make(kMi, "", 64 * kKi);
  Works(CreateSnapshot, "s");
  Works(CreateSnapshot, "t");
  // The first entry gets 8 bytes of extra data that nobody knows.
  const std::uint64_t at = header().snapshots_offset;
  std::vector<std::byte> table(image.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                               image.bytes.begin() + static_cast<std::ptrdiff_t>(at) + 144);
  StoreBe32(table, 36, 32);
  table.insert(table.begin() + 64, 8, std::byte{0xAB});
  std::ranges::copy(table, image.bytes.begin() + static_cast<std::ptrdiff_t>(at));
  ASSERT_EQ(List().names, (Names{"s", "t"}));
  Works(CreateSnapshot, "u");
  Works(DeleteSnapshot, "t");
  EXPECT_EQ(List().names, (Names{"s", "u"}));
  const std::uint64_t now = header().snapshots_offset;
  EXPECT_EQ(LoadBe32(image.bytes, now + 36), 32u);
  EXPECT_EQ(LoadBe64(image.bytes, now + 64), 0xABABABABABABABABu);
}

TEST_F(SnapshotsTest, VmStateStaysWithItsSnapshot) {
  Make(kMi, "cluster_size=512", 64 * kKi);
  // A disk of 2 MiB of which the second half is the VM state of the snapshot, once the disk and
  // the snapshot's are said to be smaller.
  ShownDisk content(image, FormatId::kQcow2);
  ASSERT_TRUE(ResizeImage({.format = FormatId::kQcow2,
                           .device = &image,
                           .content = &content,
                           .size_bytes = 2 * kMi,
                           .growth = Growth::kMetadata}));
  Works(CreateSnapshot, "s");
  const std::uint64_t length = image.bytes.size();
  const std::uint64_t at = header().snapshots_offset + SnapshotEntry::kFixedBytes;
  StoreBe64(image.bytes, at, kMi);
  StoreBe64(image.bytes, at + 8, kMi);
  Works(ApplySnapshot, "s");
  EXPECT_EQ(header().virtual_size_bytes, kMi);
  EXPECT_EQ(header().l1_entries, 32u);
  EXPECT_EQ(List().entries.at(0).l1_entries, 64u);
  EXPECT_EQ(List().entries.at(0).vm_state_bytes, kMi);
  Works(DeleteSnapshot, "s");
  EXPECT_LT(image.bytes.size(), length - kMi / 2);
}

TEST_F(SnapshotsTest, DataFilesCannotBeShared) {
  Make(kMi);
  Header changed = header();
  changed.incompatible_features |= kIncompatDataFile;
  SetHeader(changed);
  Refuses(CreateSnapshot, "s", ErrorCode::kUnsupported, "not supported");
  Refuses(ApplySnapshot, "s", ErrorCode::kUnsupported, "Failed to load snapshot");
  Refuses(DeleteSnapshot, "s", ErrorCode::kNotFound, "not found");
}

TEST_F(SnapshotsTest, TakenAndDeletedAgainAndAgainNeedsNoMoreRoom) {
  Make(8 * kMi, "cluster_size=4k", 8 * kMi);
  const std::uint64_t length = image.bytes.size();
  std::uint64_t longest = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Run(CreateSnapshot, "s"));
    longest = std::max<std::uint64_t>(longest, image.bytes.size());
    ASSERT_TRUE(Run(DeleteSnapshot, "s"));
    EXPECT_EQ(image.bytes.size(), length) << i;
  }
  EXPECT_LE(longest, length + 2 * 8 * 4 * kKi);  // twice the metadata
}

TEST_F(SnapshotsTest, FileShrinksBackWhenSeveralGo) {
  Make(kMi, "cluster_size=512", kMi);
  const std::uint64_t length = image.bytes.size();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Run(CreateSnapshot, "s"));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Run(DeleteSnapshot, "s"));
  EXPECT_LE(image.bytes.size(), length + 8 * 512);  // some tables stand elsewhere
}

TEST_F(SnapshotsTest, AllWorkersMakeTheSameImage) {
  Make(64 * kMi, "cluster_size=4k,preallocation=metadata", 3 * kMi);
  const std::vector<std::byte> start = image.bytes;
  const auto all = [&] {
    Works(CreateSnapshot, "s");
    Overwrite(5 * kMi, 9);
    Works(CreateSnapshot, "t");
    Works(ApplySnapshot, "s");
    Works(DeleteSnapshot, "t");
  };
  all();
  const std::vector<std::byte> alone = std::exchange(image.bytes, start);
  test::ThreadWorkers threads(3);
  workers = &threads;
  all();
  EXPECT_EQ(image.bytes, alone);
}

TEST_F(SnapshotsTest, WrongCopiedFlagsAreMended) {
  Make(kMi, "", kMi);
  Works(CreateSnapshot, "s");
  Works(CreateSnapshot, "t");
  const std::uint64_t at = L2TableOffset(L1Entry()) + 3 * kTableEntryBytes;
  StoreBe64(image.bytes, at, L2Entry(3) | kCopied);
  Works(DeleteSnapshot, "s");
  EXPECT_EQ(L2Entry(3) & kCopied, 0u);
}

}  // namespace
}  // namespace instar::qcow2
