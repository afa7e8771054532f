// What the check of an image of one file finds.
#ifndef TESTS_UNIT_SUPPORT_CHECKED_IMAGE_H_
#define TESTS_UNIT_SUPPORT_CHECKED_IMAGE_H_

#include <gtest/gtest.h>

#include "formats/check.h"
#include "formats/open.h"
#include "support/findings.h"
#include "support/memory_device.h"

namespace instar::test {

struct Checked {
  CheckCounts counts;
  Findings findings;
};

// Checks the image, which must open; what is counted is what was told.
inline Checked CheckedImage(const MemoryDevice& device, FormatId format) {
  Checked checked;
  const auto reader = OpenImage(device, format);
  EXPECT_TRUE(reader) << (reader ? "" : reader.error().message);
  if (!reader) return checked;
  const auto counts =
      CheckImage({.device = &device, .reader = reader->get(), .findings = &checked.findings});
  EXPECT_TRUE(counts) << (counts ? "" : counts.error().message);
  if (counts) checked.counts = *counts;
  EXPECT_EQ(checked.findings.Count(FindingKind::kCorruption), checked.counts.corruptions);
  return checked;
}

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_CHECKED_IMAGE_H_
