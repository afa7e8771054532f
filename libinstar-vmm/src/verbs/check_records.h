// Takes what a guest tells that checks an image, as it comes. Nothing is kept but the counts and
// the findings, each as the line that is shown.
#ifndef LIBINSTAR_VMM_SRC_VERBS_CHECK_RECORDS_H_
#define LIBINSTAR_VMM_SRC_VERBS_CHECK_RECORDS_H_

#include <cstddef>
#include <span>

#include "instar/vmm/check.h"
#include "instar/vmm/report.h"
#include "report/record_sink.h"
#include "report/report_builder.h"

namespace instar::vmm {

class CheckRecords final : public RecordReceiver {
 public:
  // Findings that are shown, as CheckRequest asks for (instar/requests.h), and bytes of the text of
  // one: a message of the planner's own with three numbers in it.
  static constexpr std::size_t kMaxFindings = 10'000;
  static constexpr std::size_t kMaxFindingBytes = 1024;

  CheckRecords();
  CheckRecords(const CheckRecords&) = delete;
  CheckRecords& operator=(const CheckRecords&) = delete;

  RecordVerdict Accept(std::span<const std::byte> batch) override { return builder_.Accept(batch); }
  // Whether the counts have come.
  bool Complete() override { return builder_.Take() && result_.format != FormatId::kUnknown; }

  // Findings and counts, once that is complete.
  CheckResult TakeResult() { return std::move(result_); }

 private:
  bool Take(const ReportTree& object);
  bool TakeFinding(const ReportTree& object);

  ReportBuilder builder_;
  CheckResult result_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CHECK_RECORDS_H_
