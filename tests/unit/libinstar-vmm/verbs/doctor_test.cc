#include "instar/vmm/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/executor.h"
#include "jail/jail.h"

namespace instar::vmm {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;

const DoctorFinding* Find(const std::vector<DoctorFinding>& findings, std::string_view name) {
  for (const DoctorFinding& finding : findings) {
    if (finding.name == name) return &finding;
  }
  return nullptr;
}

TEST(Doctor, EachPartOfTheProtectionHasOneLine) {
  const auto findings = Doctor();
  EXPECT_THAT(
      findings,
      ElementsAre(Field(&DoctorFinding::name, "kernel"), Field(&DoctorFinding::name, "kvm"),
                  Field(&DoctorFinding::name, "process"), Field(&DoctorFinding::name, "seccomp"),
                  Field(&DoctorFinding::name, "landlock"), Field(&DoctorFinding::name, "openat2")));
  for (const DoctorFinding& finding : findings) {
    EXPECT_THAT(finding.detail, Not(IsEmpty())) << finding.name;
    EXPECT_EQ(finding.detail.find('\n'), std::string::npos) << finding.name;
  }
}

TEST(Doctor, FindingsAreWhatTheExecutorsAndTheJailFind) {
  const auto findings = Doctor();
  EXPECT_EQ(Find(findings, "kvm")->available, CheckKvm().ok());
  EXPECT_EQ(Find(findings, "landlock")->available, LandlockVersion() > 0);
  EXPECT_EQ(Find(findings, "seccomp")->available, SeccompAvailable());
}

TEST(Doctor, AChildProcessIsNoIsolationWithoutSeccomp) {
  const auto findings = Doctor();
  EXPECT_EQ(Find(findings, "process")->available, Find(findings, "seccomp")->available);
}

}  // namespace
}  // namespace instar::vmm
