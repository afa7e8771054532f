#include "cli/messages.h"

#include <gtest/gtest.h>

namespace instar::cli {
namespace {

TEST(Messages, AVersionPrintsTheLastTextThatIsNotNewerThanIt) {
  const auto text = [](QemuVersion version) {
    return TextOf(Message::kUnknownLetter, version, {"-Z", "Z"});
  };
  EXPECT_EQ(text({6, 0}), "unrecognized option '-Z'");
  EXPECT_EQ(text({10, 0}), "unrecognized option '-Z'");
  EXPECT_EQ(text({10, 1}), "invalid option -- 'Z'");
  EXPECT_EQ(text({11, 1}), "invalid option -- 'Z'");
}

TEST(Messages, ATextMayHaveNoArguments) {
  EXPECT_EQ(TextOf(Message::kResizeTooFew, {7, 2}), "Not enough arguments");
  EXPECT_EQ(TextOf(Message::kResizeTooFew, {10, 1}), "Expecting image file name and size");
}

TEST(Messages, ArgumentsAreNotReadForPlaces) {
  EXPECT_EQ(TextOf(Message::kUnknownOption, {7, 2}, {"--$1", "x"}), "unrecognized option '--$1'");
}

}  // namespace
}  // namespace instar::cli
