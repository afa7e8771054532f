// JSON as qemu-img lays it out: four spaces a level, one item a line, all but ASCII escaped.
#ifndef CLI_JSON_TEXT_H_
#define CLI_JSON_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/text_output.h"
#include "formats/base/report_sink.h"
#include "instar/vmm/report.h"

namespace instar::cli {

// Writes values as they come. Bytes of strings that are not UTF-8 become U+FFFD, so the text is
// valid JSON whatever the strings hold.
class JsonWriter final : public ReportSink {
 public:
  explicit JsonWriter(TextOutput& out) : out_(out) {}

  void BeginObject(std::string_view key) override { Begin(key, '{'); }
  void EndObject() override { End('}'); }
  void BeginArray(std::string_view key) override { Begin(key, '['); }
  void EndArray() override { End(']'); }
  void Unsigned(std::string_view key, std::uint64_t value) override;
  void Signed(std::string_view key, std::int64_t value) override;
  void Boolean(std::string_view key, bool value) override;
  void String(std::string_view key, std::string_view value) override;

  // A value of a report with all that is inside of it.
  void Value(std::string_view key, const vmm::ReportTree& value);

 private:
  void Begin(std::string_view key, char bracket);
  void End(char bracket);
  // What stands before a value: comma and line break where it is an item, and its key.
  void Next(std::string_view key);
  void NewLine();
  void Quoted(std::string_view text);

  TextOutput& out_;
  std::size_t depth_ = 0;
  bool first_ = true;  // of what it stands in
};

// `text` as a string of JSON.
[[nodiscard]] std::string JsonString(std::string_view text);

}  // namespace instar::cli

#endif  // CLI_JSON_TEXT_H_
