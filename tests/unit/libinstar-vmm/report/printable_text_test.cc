#include "report/printable_text.h"

#include <gtest/gtest.h>

#include <string>

namespace instar::vmm {
namespace {

TEST(PrintableText, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(PrintableText("disk-1.qcow2 (copy)"), "disk-1.qcow2 (copy)");
  EXPECT_EQ(PrintableText("Bücher/日本語/🙂"), "Bücher/日本語/🙂");
  EXPECT_EQ(PrintableText(""), "");
}

TEST(PrintableText, EscapesWhatSteersATerminal) {
  EXPECT_EQ(PrintableText("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(PrintableText("a\nb\tc\rd"), "a\\x0ab\\x09c\\x0dd");
  EXPECT_EQ(PrintableText(std::string("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(PrintableText("\xc2\x9b"
                          "31m"),
            "\\xc2\\x9b31m");
}

TEST(PrintableText, EscapesTheEscapeItself) { EXPECT_EQ(PrintableText("\\x1b"), "\\x5cx1b"); }

TEST(PrintableText, EscapesWhatMisleadsAReader) {
  EXPECT_EQ(PrintableText("a\xe2\x80\xae"
                          "b"),
            "a\\xe2\\x80\\xaeb");
  EXPECT_EQ(PrintableText("\xe2\x81\xa6"), "\\xe2\\x81\\xa6");
  EXPECT_EQ(PrintableText("\xef\xbb\xbf"), "\\xef\\xbb\\xbf");
}

TEST(PrintableText, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(PrintableText("\xff"
                          "a"),
            "\\xffa");
  EXPECT_EQ(PrintableText("\xc3"), "\\xc3");
  EXPECT_EQ(PrintableText("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(PrintableText("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(PrintableText("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

}  // namespace
}  // namespace instar::vmm
