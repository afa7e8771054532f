#include "cli/qemu_version.h"

#include <gtest/gtest.h>

namespace instar::cli {
namespace {

TEST(QemuVersion, TwoOrThreeNumbersMakeAVersion) {
  EXPECT_EQ(ParseQemuVersion("7.2"), (QemuVersion{7, 2}));
  EXPECT_EQ(ParseQemuVersion("7.2.22"), (QemuVersion{7, 2}));
  EXPECT_EQ(ParseQemuVersion("10.1.0"), (QemuVersion{10, 1}));
}

TEST(QemuVersion, AnythingElseIsRefused) {
  for (const char* text : {"", "7", "7.", "7.2.", ".2", "a.b", "7.2.3.4", "7.2-rc0", "-7.2", "7. 2",
                           "99999999999.1"}) {
    EXPECT_FALSE(ParseQemuVersion(text)) << text;
  }
}

TEST(QemuVersion, VersionsCompareByNumber) {
  EXPECT_LT((QemuVersion{7, 2}), kChildNodes);
  EXPECT_GE((QemuVersion{10, 0}), kWideSnapshotTable);
  EXPECT_GE(kNewestQemuVersion, kWideSnapshotTable);
}

}  // namespace
}  // namespace instar::cli
