#include "cli/formatting_line.h"

#include <gtest/gtest.h>

namespace instar::cli {
namespace {

TEST(FormattingLine, DefaultsOfTheFormatAreShown) {
  EXPECT_EQ(FormattingLine({.path = "x", .format = FormatId::kRaw, .virtual_size_bytes = 1000}),
            "Formatting 'x', fmt=raw size=1000\n");
  EXPECT_EQ(FormattingLine({.path = "x", .format = FormatId::kQcow2, .virtual_size_bytes = 512}),
            "Formatting 'x', fmt=qcow2 cluster_size=65536 extended_l2=off compression_type=zlib "
            "size=512 lazy_refcounts=off refcount_bits=16\n");
  EXPECT_EQ(FormattingLine({.path = "x", .format = FormatId::kVpc, .virtual_size_bytes = 512}),
            "Formatting 'x', fmt=vpc size=512\n");
}

TEST(FormattingLine, OptionsStandInTheOrderOfTheFormatNotOfTheUser) {
  EXPECT_EQ(FormattingLine({.path = "x",
                            .format = FormatId::kQcow2,
                            .options = "nocow=off,refcount_bits=0x8,lazy_refcounts=yes,compat=v3,"
                                       "compression_level=07,"
                                       "preallocation=off,cluster_size=4k,encryption=off",
                            .virtual_size_bytes = 1,
                            .backing_file = "a,b",
                            .backing_format = "raw"}),
            "Formatting 'x', fmt=qcow2 encryption=off cluster_size=4096 extended_l2=off "
            "preallocation=off compression_type=zlib size=1 compat=v3 backing_file=a,,b "
            "backing_fmt=raw lazy_refcounts=yes refcount_bits=8 nocow=off compression_level=7\n");
}

TEST(FormattingLine, TheLastOfEqualOptionsCounts) {
  EXPECT_EQ(FormattingLine({.path = "x",
                            .format = FormatId::kRaw,
                            .options = "preallocation=full,preallocation=off,size=7",
                            .virtual_size_bytes = 9}),
            "Formatting 'x', fmt=raw size=9 preallocation=off\n");
}

TEST(FormattingLine, ControlCharactersOfANameDoNotReachTheTerminal) {
  EXPECT_EQ(FormattingLine({.path = "a\x1b[2J", .format = FormatId::kRaw}).find('\x1b'),
            std::string::npos);
}

}  // namespace
}  // namespace instar::cli
