// Reports made for tests, by the way that a guest's take: records, validated.
#ifndef TESTS_UNIT_SUPPORT_REPORT_OF_H_
#define TESTS_UNIT_SUPPORT_REPORT_OF_H_

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/base/report_sink.h"
#include "instar/records.h"
#include "instar/wire.h"
#include "report/report_builder.h"

namespace instar::vmm {

// The top-level objects that `tell(sink)` tells.
template <typename Tell>
std::vector<ReportTree> ReportsOf(const Tell& tell) {
  RecordEncoder sink;
  tell(sink);
  ReportBuilder builder;
  if (builder.Accept(sink.bytes()) != ReportBuilder::Verdict::kAccepted) std::abort();
  auto reports = builder.Take();
  if (!reports) std::abort();
  return *std::move(reports);
}

// The object whose members `tell(sink)` tells.
template <typename Tell>
ReportTree ReportOf(const Tell& tell) {
  return ReportsOf([&tell](ReportSink& sink) {
           sink.BeginObject({});
           tell(sink);
           sink.EndObject();
         })
      .front();
}

}  // namespace instar::vmm

#endif  // TESTS_UNIT_SUPPORT_REPORT_OF_H_
