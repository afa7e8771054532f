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

// The records of what is told to it.
class RecordWriter final : public ReportSink {
 public:
  void BeginObject(std::string_view key) override { Mark(key, ReportTag::kBeginObject); }
  void EndObject() override { Mark({}, ReportTag::kEndObject); }
  void BeginArray(std::string_view key) override { Mark(key, ReportTag::kBeginArray); }
  void EndArray() override { Mark({}, ReportTag::kEndArray); }
  void Unsigned(std::string_view key, std::uint64_t value) override {
    Number(key, ReportTag::kUnsigned, value);
  }
  void Signed(std::string_view key, std::int64_t value) override {
    Number(key, ReportTag::kSigned, static_cast<std::uint64_t>(value));
  }
  void Boolean(std::string_view key, bool value) override {
    Number(key, ReportTag::kBoolean, value ? 1 : 0);
  }
  void String(std::string_view key, std::string_view value) override {
    Key(key);
    writer_.Text(static_cast<std::uint32_t>(ReportTag::kString), value);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return writer_.bytes(); }
  void Clear() { writer_.Clear(); }

 private:
  void Key(std::string_view key) {
    if (!key.empty()) writer_.Text(static_cast<std::uint32_t>(ReportTag::kKey), key);
  }
  void Mark(std::string_view key, ReportTag tag) {
    Key(key);
    writer_.Bytes(static_cast<std::uint32_t>(tag), {});
  }
  void Number(std::string_view key, ReportTag tag, std::uint64_t value) {
    Key(key);
    writer_.Unsigned(static_cast<std::uint32_t>(tag), value);
  }

  WireWriter writer_;
};

// The top-level objects that `tell(sink)` tells.
template <typename Tell>
std::vector<ReportTree> ReportsOf(const Tell& tell) {
  RecordWriter sink;
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
