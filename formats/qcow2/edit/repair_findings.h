// What a check that precedes a repair finds, on its way to who is told: with what becomes of it,
// and counted by that.
#ifndef FORMATS_QCOW2_EDIT_REPAIR_FINDINGS_H_
#define FORMATS_QCOW2_EDIT_REPAIR_FINDINGS_H_

#include <cstdint>

#include "formats/check.h"
#include "formats/qcow2/check/damage.h"

namespace instar::qcow2 {

class RepairFindings final : public FindingSink {
 public:
  // Both must outlive this. `damage` is filled while the findings come.
  RepairFindings(FindingSink& sink, const Damage& damage) : sink_(sink), damage_(damage) {}

  void Add(const Finding& finding) override {
    Finding told = finding;
    if (finding.kind == FindingKind::kWarning || !IsFixed(told)) {
      if (finding.kind != FindingKind::kWarning) told.fix.kind = FixKind::kNone;
    } else if (finding.kind == FindingKind::kLeak) {
      ++leaks_;
    } else {
      ++corruptions_;
    }
    sink_.Add(told);
  }
  void Proceed(std::uint64_t done, std::uint64_t total) override { sink_.Proceed(done, total); }

  // That are going to be fixed.
  [[nodiscard]] std::uint64_t leaks() const { return leaks_; }
  [[nodiscard]] std::uint64_t corruptions() const { return corruptions_; }

 private:
  [[nodiscard]] bool IsFixed(Finding& finding) const {
    if (finding.kind == FindingKind::kLeak && damage_.unseen) {
      finding.fix.reason = "something that cannot be read may use it";
      return false;
    }
    return finding.fix.kind != FixKind::kNone &&
           (damage_.mode == RepairMode::kAll || finding.kind == FindingKind::kLeak);
  }

  FindingSink& sink_;
  const Damage& damage_;
  std::uint64_t leaks_ = 0;
  std::uint64_t corruptions_ = 0;
};

// Of a check that follows a repair: nothing more becomes of what it finds.
class LeftFindings final : public FindingSink {
 public:
  explicit LeftFindings(FindingSink& sink) : sink_(sink) {}
  void Add(const Finding& finding) override {
    Finding told = finding;
    told.fix.kind = FixKind::kNone;
    sink_.Add(told);
  }
  void Proceed(std::uint64_t done, std::uint64_t total) override { sink_.Proceed(done, total); }

 private:
  FindingSink& sink_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_REPAIR_FINDINGS_H_
