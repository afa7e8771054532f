// Reports: how a planner tells the host what it found, as a tree of typed values.
//
// The guest side (RecordWriter) batches events as wire records; the host side (libinstar-vmm's
// ReportBuilder) validates them and builds the tree. Tags below are the wire tags. A key precedes
// each value as its own field (kKey), except inside arrays. One operation may emit several
// top-level objects (one per image).
#ifndef INSTAR_RECORDS_H_
#define INSTAR_RECORDS_H_

#include <cstdint>
#include <string_view>

#include "formats/base/report_sink.h"
#include "instar/host.h"
#include "instar/wire.h"

namespace instar {

enum class ReportTag : std::uint32_t {
  kKey = 1,          // text; applies to the value that follows
  kBeginObject = 2,  // empty
  kEndObject = 3,
  kBeginArray = 4,
  kEndArray = 5,
  kUnsigned = 6,  // 8 bytes
  kSigned = 7,    // 8 bytes, two's complement
  kBoolean = 8,   // 8 bytes, 0 or 1
  kString = 9,    // any bytes
};

// Bounds the host enforces on what one operation may report: bytes of records emitted, bytes that
// the host keeps of them (libinstar-vmm's report_store.h: a snapshot takes 132 and its names, a
// bitmap 40 and its name), values, top-level objects that are kept.
inline constexpr std::uint64_t kMaxReportBytes = 64ull << 20;
inline constexpr std::uint64_t kMaxKeptReportBytes = 32ull << 20;
inline constexpr std::uint64_t kMaxReportValues = 2'000'000;
inline constexpr std::uint64_t kMaxReportObjects = 1024;
inline constexpr unsigned kMaxReportDepth = 16;
inline constexpr std::uint64_t kMaxReportKeyBytes = 64;

class RecordWriter final : public ReportSink {
 public:
  explicit RecordWriter(Host& host) : host_(host) {}
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
    Number(key, ReportTag::kBoolean, value);
  }
  void String(std::string_view key, std::string_view value) override {
    Key(key);
    writer_.Text(static_cast<std::uint32_t>(ReportTag::kString), value);
    FlushIfLarge();
  }

  // Sends what is left; the first failure to deliver, if there was one.
  Status Finish() {
    Send();
    return status_;
  }

 private:
  void Key(std::string_view key) {
    if (!key.empty()) writer_.Text(static_cast<std::uint32_t>(ReportTag::kKey), key);
  }
  void Mark(std::string_view key, ReportTag tag) {
    Key(key);
    writer_.Bytes(static_cast<std::uint32_t>(tag), {});
    FlushIfLarge();
  }
  void Number(std::string_view key, ReportTag tag, std::uint64_t value) {
    Key(key);
    writer_.Unsigned(static_cast<std::uint32_t>(tag), value);
    FlushIfLarge();
  }
  void FlushIfLarge() {
    if (writer_.bytes().size() >= 48 * 1024) Send();
  }
  void Send() {
    if (status_ && !writer_.bytes().empty()) status_ = host_.Emit(writer_.bytes());
    writer_.Clear();
  }

  Host& host_;
  WireWriter writer_;
  Status status_;
};

}  // namespace instar

#endif  // INSTAR_RECORDS_H_
