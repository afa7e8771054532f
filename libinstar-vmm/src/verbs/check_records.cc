#include "verbs/check_records.h"

#include <utility>

#include "instar/abi/call_table.h"
#include "instar/result_records.h"
#include "operation/error_text.h"
#include "report/record_reader.h"

namespace instar::vmm {

CheckRecords::CheckRecords() {
  builder_.set_object_sink([this](const ReportTree& object) { return Take(object); });
}

bool CheckRecords::Take(const ReportTree& object) {
  if (object.Find(ReadingRecord::kFirstKey)) {
    ReadingRecord reading;
    return ReadRecord(object, reading);
  }
  if (object.Find(FindingRecord::kFirstKey)) return TakeFinding(object);
  CheckRecord& counts = result_;
  return counts.format == FormatId::kUnknown && ReadRecord(object, counts);
}

bool CheckRecords::TakeFinding(const ReportTree& object) {
  FindingRecord finding;
  if (!ReadRecord(object, finding) || result_.findings.size() >= kMaxFindings ||
      finding.text.message.size() > INSTAR_MAX_MESSAGE) {
    return false;
  }
  std::string text = RenderGuestMessage(finding.text.message, finding.text.numbers);
  if (text.size() > kMaxFindingBytes || finding.reason.size() > kMaxFindingBytes ||
      finding.name.size() > kMaxFindingBytes) {
    return false;
  }
  result_.findings.push_back({.kind = finding.kind,
                              .text = std::move(text),
                              .fix = finding.fix,
                              .where = finding.where,
                              .from = finding.from,
                              .to = finding.to,
                              .reason = std::string(finding.reason),
                              .name = std::string(finding.name)});
  return true;
}

}  // namespace instar::vmm
