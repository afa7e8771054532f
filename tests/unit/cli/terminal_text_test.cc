#include "cli/terminal_text.h"

#include <gtest/gtest.h>

namespace instar::cli {
namespace {

TEST(TerminalText, PrintableTextOfAnyLanguageStays) {
  for (const char* text :
       {"", "disk.qcow2", "a b\\c \"d\"", "caf\u00e9", "\u65e5\u672c", "\U0001F600"}) {
    EXPECT_EQ(TerminalText(text), text);
  }
}

TEST(TerminalText, ControlCharactersAreWrittenOut) {
  EXPECT_EQ(TerminalText("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(TerminalText("a\tb\nc\rd"), "a\\x09b\\x0ac\\x0dd");
  EXPECT_EQ(TerminalText(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(TerminalText("\x7f"), "\\x7f");
  EXPECT_EQ(TerminalText("\xc2\x9b"
                         "31m"),
            "\\xc2\\x9b31m");  // U+009B, a one-character escape
}

TEST(TerminalText, WhatTurnsTheDirectionOfWritingIsWrittenOut) {
  EXPECT_EQ(TerminalText("a\u202eb"), "a\\xe2\\x80\\xaeb");
  EXPECT_EQ(TerminalText("\u2066"), "\\xe2\\x81\\xa6");
  EXPECT_EQ(TerminalText("\u200f"), "\\xe2\\x80\\x8f");
  EXPECT_EQ(TerminalText("\u061c"), "\\xd8\\x9c");
}

TEST(TerminalText, InvisibleCharactersAreWrittenOut) {
  EXPECT_EQ(TerminalText("\u200b"), "\\xe2\\x80\\x8b");
  EXPECT_EQ(TerminalText("\u2028"), "\\xe2\\x80\\xa8");
  EXPECT_EQ(TerminalText("\ufeff"), "\\xef\\xbb\\xbf");
  EXPECT_EQ(TerminalText("\U000E0041"), "\\xf3\\xa0\\x81\\x81");
}

TEST(TerminalText, WhatIsNotUtf8IsWrittenOut) {
  EXPECT_EQ(TerminalText("a\xff"
                         "b"),
            "a\\xffb");
  EXPECT_EQ(TerminalText("\xc0\xaf"), "\\xc0\\xaf");                    // overlong "/"
  EXPECT_EQ(TerminalText("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(TerminalText("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(TerminalText("\xe2\x80"), "\\xe2\\x80");                    // cut short
  EXPECT_EQ(TerminalText("\xe2x"), "\\xe2x");
}

TEST(TerminalText, AMessageKeepsOnlyTheLineBreakBeforeTheQuestionAboutLocks) {
  EXPECT_EQ(
      TerminalMessage("Failed to get \"write\" lock\nIs another process using the image [a\nb]?"),
      "Failed to get \"write\" lock\nIs another process using the image [a\\x0ab]?");
  EXPECT_EQ(TerminalMessage("a\nb"), "a\\x0ab");
}

}  // namespace
}  // namespace instar::cli
