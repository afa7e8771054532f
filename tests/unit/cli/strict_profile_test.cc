#include "cli/strict_profile.h"

#include <gtest/gtest.h>

#include "cli/arguments_test.h"
#include "cli/commands.h"
#include "cli/printed.h"

namespace instar::cli {
namespace {

vmm::StrictVerdict Refused() {
  return {.passed = false,
          .format = "qcow2",
          .reasons = {{.code = "backing-file", .message = "names \x1b[1m a file", .offset = 8},
                      {.code = "dirty", .message = "not closed", .offset = 72}},
          .isolation = vmm::Isolation::kProcess};
}

std::string Json(const vmm::StrictVerdict& verdict) {
  return Printed([&verdict](TextOutput& out) { WriteVerdictJson(verdict, out); });
}

TEST(StrictVerdict, TextHasALineForEachReasonAndTheVerdict) {
  EXPECT_EQ(VerdictText(Refused()),
            "backing-file: names \\x1b[1m a file (offset 8)\n"
            "dirty: not closed (offset 72)\n"
            "verdict: refused\n");
  EXPECT_EQ(VerdictText({.passed = true, .format = "raw"}), "verdict: passed\n");
}

TEST(StrictVerdict, JsonHasVerdictFormatAndReasons) {
  EXPECT_EQ(Json({.passed = true, .format = "raw"}),
            "{\n"
            "    \"verdict\": \"passed\",\n"
            "    \"format\": \"raw\",\n"
            "    \"reasons\": [\n"
            "    ]\n"
            "}\n");
  const std::string refused = Json(Refused());
  EXPECT_NE(refused.find("\"verdict\": \"refused\""), std::string::npos);
  EXPECT_NE(refused.find("\"code\": \"backing-file\""), std::string::npos);
  EXPECT_NE(refused.find("\"offset\": 72"), std::string::npos);
  EXPECT_EQ(refused.find('\x1b'), std::string::npos);
}

TEST(StrictArguments, GoWithNothingThatDescribesMoreThanOneImage) {
  for (const char* line : {"--strict --backing-chain disk", "--strict --partitions disk"}) {
    const auto command = ReadLine<InfoCommand>("info", line);
    ASSERT_FALSE(command) << line;
    EXPECT_NE(command.error().text.find("--strict"), std::string::npos) << line;
  }
  const auto command = ReadLine<InfoCommand>("info", "--strict -f raw disk");
  ASSERT_TRUE(command);
  EXPECT_TRUE(command->settings.strict);
}

TEST(StrictProfile, IsNoConditionUnlessAskedFor) {
  SandboxSettings settings;
  const vmm::ImageSpec absent{.path = "/nonexistent/image"};
  EXPECT_EQ(JudgeSources(settings, {&absent, 1}, false), Judgement::kPassed);
  EXPECT_EQ(settings.sandbox.references.allowed, vmm::AllowedReferences::kDirectory);
}

TEST(StrictProfile, ClosesTheGateForTheRunThatFollows) {
  SandboxSettings settings;
  settings.strict_by_configuration = true;
  EXPECT_EQ(JudgeSources(settings, {}, false), Judgement::kPassed);
  EXPECT_EQ(settings.sandbox.references.allowed, vmm::AllowedReferences::kNone);
}

}  // namespace
}  // namespace instar::cli
