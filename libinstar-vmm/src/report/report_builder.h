// Rebuilds a report from the records a guest emitted, trusting none of them.
//
// The guest may be owned by the image: the records are checked against the grammar of
// instar/report.h (keys exactly where an object wants them, containers closed in order, payloads of
// the right size) and against its bounds, so that whatever comes out is a well-formed tree that
// renders as valid JSON. What the values say is the guest's word and stays so.
#ifndef LIBINSTAR_VMM_SRC_REPORT_REPORT_BUILDER_H_
#define LIBINSTAR_VMM_SRC_REPORT_REPORT_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "instar/report.h"
#include "instar/vmm/report.h"
#include "report/record_sink.h"

namespace instar::vmm {

class ReportBuilder {
 public:
  // Members of one object; more than any report has.
  static constexpr std::size_t kMaxMembers = 256;

  enum class Verdict { kAccepted, kMalformed, kOverLimit };

  // From now on batches go to `sink` and are no part of a report; where it wants no more, the
  // verdict is kOverLimit.
  void set_sink(RecordSink sink) { sink_ = std::move(sink); }

  // Takes one batch of records. Anything but kAccepted is final: later batches get the same
  // verdict.
  Verdict Accept(std::span<const std::byte> batch);

  // The top-level objects, if what was accepted is complete; nothing otherwise.
  std::optional<std::vector<ReportValue>> Take();

 private:
  struct Open {
    ReportValue value;
    bool is_object = false;
    std::string key;  // under which the container goes into its parent
  };

  [[nodiscard]] Verdict Pass(std::span<const std::byte> batch) const;
  Verdict AcceptField(const WireField& field);
  Verdict AcceptKey(std::string_view key);
  Verdict Add(ReportValue value);
  Verdict Begin(bool is_object, std::size_t payload_bytes);
  Verdict End(bool is_object, std::size_t payload_bytes);
  Verdict Attach(std::string key, ReportValue value);
  // Whether the value that comes next has a key exactly if its place wants one.
  [[nodiscard]] bool KeyFits() const;

  std::vector<Open> open_;
  std::vector<ReportValue> finished_;
  std::optional<std::string> key_;
  std::uint64_t bytes_ = 0;
  std::uint64_t values_ = 0;
  Verdict verdict_ = Verdict::kAccepted;
  RecordSink sink_;  // empty: none
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_REPORT_BUILDER_H_
