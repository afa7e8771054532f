#include "formats/qcow2/read/description.h"

#include <gtest/gtest.h>

#include "formats/qcow2/read/reader.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/snapshot_table.h"
#include "support/qcow2_image.h"
#include "support/text_sink.h"

// The expected texts are what qemu-img 7.2 prints as JSON for images with these properties.
namespace instar::qcow2 {
namespace {

using test::Qcow2Image;

std::string Description(Qcow2Image& image) {
  image.Store();
  test::TextSink sink;
  const auto reader = OpenReader(image.file);
  EXPECT_TRUE(reader);
  EXPECT_TRUE((*reader)->Describe(sink));
  return sink.text;
}

TEST(Qcow2Description, Version3) {
  Qcow2Image image;
  EXPECT_EQ(Description(image),
            "format-specific: {type: 'qcow2', data: {compat: '1.1', compression-type: 'zlib', "
            "lazy-refcounts: false, refcount-bits: 16, corrupt: false, extended-l2: false}}, "
            "dirty-flag: false");
}

TEST(Qcow2Description, Version2) {
  Qcow2Image image;
  image.SetVersion2();
  EXPECT_EQ(Description(image),
            "format-specific: {type: 'qcow2', data: {compat: '0.10', compression-type: 'zlib', "
            "refcount-bits: 16}}, dirty-flag: false");
}

TEST(Qcow2Description, FeatureBits) {
  Qcow2Image image;
  image.header.incompatible_features =
      kIncompatDirty | kIncompatCorrupt | kIncompatCompressionType | kIncompatExtendedL2;
  image.header.compression_type = kCompressionZstd;
  image.header.compatible_features = kCompatLazyRefcounts;
  image.header.refcount_order = 6;
  EXPECT_EQ(Description(image),
            "format-specific: {type: 'qcow2', data: {compat: '1.1', compression-type: 'zstd', "
            "lazy-refcounts: true, refcount-bits: 64, corrupt: true, extended-l2: true}}, "
            "dirty-flag: true");
}

TEST(Qcow2Description, DataFile) {
  Qcow2Image image;
  image.UseDataFile("disk.data");
  image.header.autoclear_features = kAutoclearDataFileRaw;
  EXPECT_EQ(Description(image),
            "format-specific: {type: 'qcow2', data: {compat: '1.1', compression-type: 'zlib', "
            "lazy-refcounts: false, refcount-bits: 16, data-file: 'disk.data', "
            "data-file-raw: true, corrupt: false, extended-l2: false}}, dirty-flag: false");
}

TEST(Qcow2Description, Snapshots) {
  Qcow2Image image;
  image.header.snapshots_offset = image.At(8);
  image.header.snapshot_count = 2;
  const SnapshotEntry old{.id_bytes = 1,
                          .name_bytes = 3,
                          .date_seconds = 1600000000,
                          .date_nanoseconds = 5,
                          .vm_clock_nanoseconds = 3'000'000'007,
                          .vm_state_bytes = 4096};
  old.EncodeTo(std::span(image.file.bytes).subspan(image.At(8)));
  image.file.PutText(image.At(8) + 40, "1old");
  SnapshotEntry counted = old;
  counted.extra_bytes = 24;
  counted.icount = 99;
  counted.EncodeTo(std::span(image.file.bytes).subspan(image.At(8) + 48));
  image.file.PutText(image.At(8) + 48 + 64, "2new");
  EXPECT_TRUE(Description(image).starts_with(
      "snapshots: [{vm-clock-nsec: 7, name: 'old', date-sec: 1600000000, date-nsec: 5, "
      "vm-clock-sec: 3, id: '1', vm-state-size: 4096}, {icount: 99, vm-clock-nsec: 7, name: "
      "'new', date-sec: 1600000000, date-nsec: 5, vm-clock-sec: 3, id: '2', vm-state-size: "
      "4096}], format-specific: "))
      << Description(image);
}

TEST(Qcow2Description, Bitmaps) {
  Qcow2Image image;
  image.header.autoclear_features = kAutoclearBitmaps;
  std::array<std::byte, BitmapsExtension::kEncodedBytes> extension{};
  kBitmapsExtensionFields.Encode(
      BitmapsExtension{.bitmap_count = 2, .directory_bytes = 64, .directory_offset = image.At(8)},
      extension);
  AppendExtension(image.extensions, kExtensionBitmaps, extension);
  BitmapEntry entry{.table_offset = image.At(9),
                    .table_entries = 1,
                    .flags = kBitmapInUse | kBitmapAuto,
                    .name_bytes = 1};
  kBitmapFields.Encode(entry, std::span(image.file.bytes).subspan(image.At(8)));
  image.file.PutText(image.At(8) + 24, "z");
  entry.flags = 0;
  entry.granularity_bits = 9;
  kBitmapFields.Encode(entry, std::span(image.file.bytes).subspan(image.At(8) + 32));
  image.file.PutText(image.At(8) + 56, "a");
  EXPECT_NE(Description(image).find(
                "lazy-refcounts: false, bitmaps: [{flags: ['in-use', 'auto'], name: 'z', "
                "granularity: 65536}, {flags: [], name: 'a', granularity: 512}], refcount-bits: "
                "16"),
            std::string::npos)
      << Description(image);
}

TEST(Qcow2Description, AesEncryption) {
  Qcow2Image image;
  image.header.crypt_method = kCryptAes;
  EXPECT_EQ(Description(image),
            "format-specific: {type: 'qcow2', data: {compat: '1.1', compression-type: 'zlib', "
            "lazy-refcounts: false, refcount-bits: 16, encrypt: {format: 'aes'}, corrupt: false, "
            "extended-l2: false}}, encrypted: true, dirty-flag: false");
}

TEST(Qcow2Description, LuksWithoutItsHeaderIsCorrupt) {
  Qcow2Image image;
  image.header.crypt_method = kCryptLuks;
  image.Store();
  test::TextSink sink;
  const auto reader = OpenReader(image.file);
  const Status status = (*reader)->Describe(sink);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(status.error().device, image.file.id());
}

}  // namespace
}  // namespace instar::qcow2
