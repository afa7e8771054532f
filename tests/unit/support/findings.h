// A FindingSink that keeps what it is told.
#ifndef TESTS_UNIT_SUPPORT_FINDINGS_H_
#define TESTS_UNIT_SUPPORT_FINDINGS_H_

#include <algorithm>
#include <vector>

#include "formats/check.h"

namespace instar::test {

class Findings final : public FindingSink {
 public:
  void Add(const Finding& finding) override { all.push_back(finding); }
  [[nodiscard]] std::size_t Count(FindingKind kind) const {
    return static_cast<std::size_t>(std::ranges::count(all, kind, &Finding::kind));
  }

  std::vector<Finding> all;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_FINDINGS_H_
