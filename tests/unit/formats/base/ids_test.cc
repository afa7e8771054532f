#include "formats/base/ids.h"

#include <gtest/gtest.h>

namespace instar {
namespace {

TEST(FormatId, EveryNameLeadsBackToItsFormat) {
  for (const FormatName& entry : kFormatNames) {
    EXPECT_EQ(FormatFromName(entry.name), entry.id);
    EXPECT_EQ(NameOf(entry.id), entry.name);
  }
}

TEST(FormatId, UnknownNamesAndNumbersAreUnknown) {
  EXPECT_EQ(FormatFromName("QCOW2"), FormatId::kUnknown);
  EXPECT_EQ(FormatFromName(""), FormatId::kUnknown);
  EXPECT_EQ(NameOf(static_cast<FormatId>(99)), "unknown");
}

}  // namespace
}  // namespace instar
