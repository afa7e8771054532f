// Where a reader tells what it knows about an image: a stream of typed events that forms a tree,
// the same shape as qemu-img's JSON. The host renders it as JSON or as text; new formats need no
// host code.
#ifndef FORMATS_BASE_REPORT_SINK_H_
#define FORMATS_BASE_REPORT_SINK_H_

#include <cstdint>
#include <string_view>

namespace instar {

// Keys are static, lower-case, words joined by '-' ("refcount-bits"); inside an array the key is
// empty. Strings may be any bytes. A failure to deliver is kept by the sink's owner, so nothing
// returns one.
class ReportSink {
 public:
  virtual ~ReportSink() = default;
  virtual void BeginObject(std::string_view key) = 0;
  virtual void EndObject() = 0;
  virtual void BeginArray(std::string_view key) = 0;
  virtual void EndArray() = 0;
  virtual void Unsigned(std::string_view key, std::uint64_t value) = 0;
  virtual void Signed(std::string_view key, std::int64_t value) = 0;
  virtual void Boolean(std::string_view key, bool value) = 0;
  virtual void String(std::string_view key, std::string_view value) = 0;
};

}  // namespace instar

#endif  // FORMATS_BASE_REPORT_SINK_H_
