// Reports: how a planner tells the host what it found, as a tree of typed values.
//
// The guest side (RecordWriter) batches events as wire records; the host side (libinstar-vmm's
// ReportBuilder) validates them and builds the tree. Tags below are the wire tags. A key precedes
// each value as its own field (kKey), except inside arrays. One operation may emit several
// top-level objects (one per image).
#ifndef INSTAR_RECORDS_H_
#define INSTAR_RECORDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/base/endian.h"
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

// Keeps the records of what is told to it.
class RecordEncoder : public ReportSink {
 public:
  void BeginObject(std::string_view key) final { Add(key, ReportTag::kBeginObject, {}); }
  void EndObject() final { Add({}, ReportTag::kEndObject, {}); }
  void BeginArray(std::string_view key) final { Add(key, ReportTag::kBeginArray, {}); }
  void EndArray() final { Add({}, ReportTag::kEndArray, {}); }
  void Unsigned(std::string_view key, std::uint64_t value) final {
    AddNumber(key, ReportTag::kUnsigned, value);
  }
  void Signed(std::string_view key, std::int64_t value) final {
    AddNumber(key, ReportTag::kSigned, static_cast<std::uint64_t>(value));
  }
  void Boolean(std::string_view key, bool value) final {
    AddNumber(key, ReportTag::kBoolean, value ? 1 : 0);
  }
  void String(std::string_view key, std::string_view value) final {
    Add(key, ReportTag::kString, std::as_bytes(std::span(value)));
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return writer_.bytes(); }
  void Clear() { writer_.Clear(); }

 protected:
  // Called after each value, and after each begin and end.
  virtual void Added() {}

 private:
  void Add(std::string_view key, ReportTag tag, std::span<const std::byte> payload) {
    if (!key.empty()) writer_.Text(static_cast<std::uint32_t>(ReportTag::kKey), key);
    writer_.Bytes(static_cast<std::uint32_t>(tag), payload);
    Added();
  }
  void AddNumber(std::string_view key, ReportTag tag, std::uint64_t value) {
    std::array<std::byte, 8> bytes{};
    StoreLe64(bytes, 0, value);
    Add(key, tag, bytes);
  }

  WireWriter writer_;
};

// Sends the records to the host, in batches.
class RecordWriter final : public RecordEncoder {
 public:
  explicit RecordWriter(Host& host) : host_(host) {}

  // Sends what is left; the first failure to deliver, if there was one.
  Status Finish() {
    Flush();
    return status_;
  }

 private:
  void Added() override {
    if (bytes().size() >= 48 * 1024) Flush();
  }
  void Flush() {
    if (status_ && !bytes().empty()) status_ = host_.Emit(bytes());
    Clear();
  }

  Host& host_;
  Status status_;
};

}  // namespace instar

#endif  // INSTAR_RECORDS_H_
