// The options of an image specification, in either of its spellings, as a flat list of names and
// values: "driver", "file.filename", "backing.file.filename".
#ifndef CLI_IMAGE_OPTIONS_H_
#define CLI_IMAGE_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace instar::cli {

// A value as it was written.
struct ImageOptionValue {
  enum class Kind { kText, kNumber, kBoolean, kNull, kEmpty };  // kEmpty: {} or []
  Kind kind = Kind::kText;
  std::string text;  // kNumber: in decimal; kBoolean: "on" or "off"; kNull, kEmpty: nothing
};

// The options of one node of the specification. Whoever understands one takes it out: what is left
// at the end is unknown.
class ImageOptions {
 public:
  // What follows --image-opts: "driver=qcow2,file.filename=a". Of equal names the last one counts;
  // ",," is a comma in a value; a name alone is on, or with "no" before it off. A first item
  // without a name is "file".
  static ImageOptions FromList(std::string_view list);

  // What follows "json:", an object. Strings may be in single quotes. The error is one line.
  static std::expected<ImageOptions, std::string> FromJson(std::string_view text);

  void Set(std::string name, ImageOptionValue value) {
    values_.insert_or_assign(std::move(name), std::move(value));
  }
  [[nodiscard]] bool empty() const { return values_.empty(); }

  // The value of `name`; nothing without it, and where it is null.
  std::optional<ImageOptionValue> Take(std::string_view name);
  // As Take, but null is a value.
  std::optional<ImageOptionValue> TakeEvenNull(std::string_view name);
  // All options "PREFIX.NAME", as "NAME".
  ImageOptions TakeBelow(std::string_view prefix);
  // The first name left.
  [[nodiscard]] const std::string& FirstName() const { return values_.begin()->first; }

 private:
  std::map<std::string, ImageOptionValue, std::less<>> values_;
};

}  // namespace instar::cli

#endif  // CLI_IMAGE_OPTIONS_H_
