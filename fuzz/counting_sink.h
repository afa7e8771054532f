// What a check finds, counted by kind.
#ifndef FUZZ_COUNTING_SINK_H_
#define FUZZ_COUNTING_SINK_H_

#include <array>
#include <string_view>

#include "budgeted_device.h"
#include "formats/check.h"

namespace instar::fuzz {

class CountingSink final : public FindingSink {
 public:
  void Add(const Finding& finding) override {
    const auto kind = static_cast<std::size_t>(finding.kind);
    Require(kind >= 1 && kind < counts_.size(), "a finding has a kind");
    Require(!std::string_view(finding.message).empty(), "a finding says what it is");
    ++counts_[kind];
  }
  [[nodiscard]] std::uint64_t of(FindingKind kind) const {
    return counts_[static_cast<std::size_t>(kind)];
  }

 private:
  std::array<std::uint64_t, 5> counts_{};
};

}  // namespace instar::fuzz

#endif  // FUZZ_COUNTING_SINK_H_
