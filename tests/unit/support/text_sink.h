// A ReportSink that writes what it is told as compact JSON text, for tests to compare.
#ifndef TESTS_UNIT_SUPPORT_TEXT_SINK_H_
#define TESTS_UNIT_SUPPORT_TEXT_SINK_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/base/report_sink.h"

namespace instar::test {

class TextSink final : public ReportSink {
 public:
  void BeginObject(std::string_view key) override { Open(key, '{'); }
  void EndObject() override { Close('}'); }
  void BeginArray(std::string_view key) override { Open(key, '['); }
  void EndArray() override { Close(']'); }
  void Unsigned(std::string_view key, std::uint64_t value) override {
    Put(key, std::to_string(value));
  }
  void Signed(std::string_view key, std::int64_t value) override {
    Put(key, std::to_string(value));
  }
  void Boolean(std::string_view key, bool value) override { Put(key, value ? "true" : "false"); }
  void String(std::string_view key, std::string_view value) override {
    Put(key, "'" + std::string(value) + "'");
  }

  std::string text;

 private:
  void Key(std::string_view key) {
    if (!text.empty() && text.back() != '{' && text.back() != '[') text += ", ";
    if (!key.empty()) (text += key) += ": ";
  }
  void Put(std::string_view key, std::string_view value) {
    Key(key);
    text += value;
  }
  void Open(std::string_view key, char bracket) {
    Key(key);
    text += bracket;
  }
  void Close(char bracket) { text += bracket; }
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_TEXT_SINK_H_
