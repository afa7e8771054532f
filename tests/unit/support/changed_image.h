// A qcow2 image in memory that a test changes in place.
#ifndef TESTS_UNIT_SUPPORT_CHANGED_IMAGE_H_
#define TESTS_UNIT_SUPPORT_CHANGED_IMAGE_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "formats/qcow2/structures/header.h"
#include "support/checked_image.h"
#include "support/fresh_image.h"
#include "support/memory_device.h"
#include "support/shown_disk.h"

namespace instar::test {

class ChangedImage : public testing::Test {
 protected:
  // An image with a disk of `bytes`, whose first `data` bytes are 5.
  void Make(std::uint64_t bytes, std::string_view options = "", std::uint64_t data = 0) {
    image.bytes.clear();
    auto writer = NewImage(FormatId::kQcow2, image, bytes, options);
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE((*writer)->Begin());
    if (data != 0) Put(**writer, image, 0, data, 5);
    ASSERT_TRUE((*writer)->Finish());
    image.writes = image.flushes = 0;
  }
  // The change succeeded, and the check finds no more than `leaks` leaks.
  void ExpectSound(const Status& changed, std::uint64_t leaks = 0) {
    ASSERT_TRUE(changed) << changed.error().message;
    const auto checked = CheckedImage(image, FormatId::kQcow2);
    EXPECT_EQ(checked.counts.corruptions, 0u);
    EXPECT_EQ(checked.counts.leaks, leaks);
  }
  // The change was refused so, and the image is as it was.
  void ExpectRefused(const Status& changed, const std::vector<std::byte>& before, ErrorCode code,
                     std::string_view words) {
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, code);
    EXPECT_NE(std::string_view(changed.error().message).find(words), std::string_view::npos)
        << changed.error().message;
    EXPECT_EQ(image.bytes, before);
  }
  [[nodiscard]] qcow2::Header header() const {
    return qcow2::Header::DecodeFrom(image.bytes).value();
  }
  void SetHeader(const qcow2::Header& header) { header.EncodeTo(image.bytes); }
  [[nodiscard]] std::vector<std::byte> Shown() {
    return ShownDisk(image, FormatId::kQcow2).Bytes();
  }

  MemoryDevice image;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_CHANGED_IMAGE_H_
