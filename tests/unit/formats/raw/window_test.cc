#include "formats/raw/window.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace instar::raw {
namespace {

struct Row {
  RawWindow window;
  std::uint64_t file_bytes;
  std::uint64_t held_bytes;  // that the file has of the disk
  std::uint64_t disk_bytes;
};

TEST(RawWindow, LiesInTheFile) {
  const Row kRows[] = {
      {{}, 0, 0, 0},
      {{}, 1000, 1000, 1024},
      {{.offset_bytes = 512}, 4096, 3584, 3584},
      {{.offset_bytes = 4096}, 4096, 0, 0},
      {{.offset_bytes = 0, .size_bytes = 0}, 4096, 0, 0},
      {{.offset_bytes = 512, .size_bytes = 1024}, 4096, 1024, 1024},
      {{.offset_bytes = 1, .size_bytes = 512}, 4096, 512, 512},
      {{.offset_bytes = 100}, 4096, 3996, 4096},
      // The file counts as two whole sectors.
      {{.offset_bytes = 512, .size_bytes = 512}, 1000, 488, 512},
      {{.offset_bytes = 1024}, 1000, 0, 0},
      {{.offset_bytes = 100}, 1000, 900, 1024},
  };
  for (const Row& row : kRows) {
    const auto placed = PlaceWindow(row.window, row.file_bytes);
    ASSERT_TRUE(placed) << row.window.offset_bytes << " of " << row.file_bytes;
    EXPECT_EQ(placed->start_bytes, row.window.offset_bytes);
    EXPECT_EQ(placed->file_bytes, row.held_bytes) << row.window.offset_bytes;
    EXPECT_EQ(placed->disk_bytes, row.disk_bytes) << row.window.offset_bytes;
  }
}

TEST(RawWindow, OutsideOfTheFileOrNotInSectorsIsRefused) {
  constexpr std::uint64_t kMax = UINT64_MAX - 1;
  for (const RawWindow window : {RawWindow{.offset_bytes = 4097}, RawWindow{.offset_bytes = kMax},
                                 RawWindow{.offset_bytes = 0, .size_bytes = 4608},
                                 RawWindow{.offset_bytes = 512, .size_bytes = 4096},
                                 RawWindow{.offset_bytes = 4096, .size_bytes = kMax / 512 * 512},
                                 RawWindow{.offset_bytes = 0, .size_bytes = 1000}}) {
    const auto placed = PlaceWindow(window, 4096);
    ASSERT_FALSE(placed) << window.offset_bytes << " " << window.size_bytes;
    EXPECT_EQ(placed.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(RawWindow, FilesOfNearlyAllThereCanBeAreRefused) {
  EXPECT_EQ(PlaceWindow({}, INT64_MAX).error().code, ErrorCode::kLimit);
}

}  // namespace
}  // namespace instar::raw
