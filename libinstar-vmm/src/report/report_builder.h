// Keeps the report that a guest emits, trusting none of its records.
//
// The guest may be owned by the image: the records are checked against the grammar of
// instar/records.h (keys exactly where an object wants them, none twice, containers closed in
// order, payloads of the right size) and against its bounds, so that whatever comes out is a
// well-formed tree that renders as valid JSON. What the values say is the guest's word and stays
// so.
//
// A record costs a constant number of steps, whatever came before it: that no member is repeated
// shows by a number for each key and level, that of the object which had the key last.
#ifndef LIBINSTAR_VMM_SRC_REPORT_REPORT_BUILDER_H_
#define LIBINSTAR_VMM_SRC_REPORT_REPORT_BUILDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "instar/records.h"
#include "instar/vmm/report.h"
#include "report/record_sink.h"
#include "report/report_store.h"

namespace instar::vmm {

class ReportBuilder {
 public:
  // Members of one object, and different keys of one operation; more than any report has.
  static constexpr std::uint32_t kMaxMembers = 256;
  static constexpr std::size_t kMaxKeys = 1024;

  using Verdict = RecordVerdict;
  // Takes a top-level object, which lives as long as the call; false if it is malformed.
  using ObjectSink = std::function<bool(const ReportTree&)>;

  // From now on each top-level object goes to `sink` when it is complete, and is not kept.
  void set_object_sink(ObjectSink sink) { object_sink_ = std::move(sink); }

  // Takes one batch of records. Anything but kAccepted is final: later batches get the same
  // verdict.
  Verdict Accept(std::span<const std::byte> batch);

  // The top-level objects, if what was accepted is complete; nothing otherwise.
  std::optional<std::vector<ReportTree>> Take();

 private:
  // A container that is not closed yet.
  struct Open {
    std::size_t at = 0;  // of its record
    bool is_object = false;
    std::uint32_t serial = 0;   // no two objects have the same
    std::uint32_t members = 0;  // so far
  };

  Verdict AcceptField(const WireField& field);
  Verdict AcceptKey(std::string_view key);
  Verdict Number(StoredKind kind, std::optional<std::uint64_t> number);
  Verdict Boolean(std::optional<std::uint64_t> number);
  Verdict Begin(bool is_object, std::size_t payload_bytes);
  Verdict End(bool is_object, std::size_t payload_bytes);
  Verdict Finish(std::size_t at);
  // Appends a record for the value that comes next, and `payload` behind it.
  Verdict Append(StoredKind kind, std::uint32_t length, std::span<const std::byte> payload);
  // Whether the value that comes next has a key exactly if its place wants one.
  [[nodiscard]] bool KeyFits() const {
    return (key_ != 0) == (!open_.empty() && open_.back().is_object);
  }

  std::shared_ptr<ReportStore> store_ = std::make_shared<ReportStore>();
  std::map<std::string, std::uint16_t, std::less<>> numbers_of_keys_;
  // For each level, for each key: the serial of the object that had it last.
  std::array<std::vector<std::uint32_t>, kMaxReportDepth> last_with_key_;
  std::vector<Open> open_;
  std::vector<std::size_t> finished_;
  std::uint16_t key_ = 0;  // of the value that comes next; 0: none was told
  std::uint32_t serial_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t values_ = 0;
  Verdict verdict_ = Verdict::kAccepted;
  ObjectSink object_sink_;  // empty: none
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_REPORT_BUILDER_H_
