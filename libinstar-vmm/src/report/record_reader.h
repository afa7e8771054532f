// Reads an object of a report into a struct that lists its fields in Visit, as those of
// instar/result_records.h. Whoever told the object is not trusted.
#ifndef LIBINSTAR_VMM_SRC_REPORT_RECORD_READER_H_
#define LIBINSTAR_VMM_SRC_REPORT_RECORD_READER_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "instar/result_records.h"
#include "instar/vmm/report.h"

namespace instar::vmm {

template <typename Record>
[[nodiscard]] bool ReadRecord(const ReportTree& object, Record& record);

namespace internal {

class FieldReader {
 public:
  explicit FieldReader(const ReportTree& object) : object_(object) {}

  template <typename T>
  void operator()(std::string_view key, T& value) {
    constexpr bool kMayBeAbsent = std::is_same_v<T, bool> || instar::internal::kIsOptional<T>;
    if constexpr (kMayBeAbsent) value = T();
    const auto found = object_.Find(key);
    if (found) ++read_;
    ok_ = ok_ && (found ? Take(*found, value) : kMayBeAbsent);
  }

  // Whether every field was there that has to be, of its kind, and nothing else.
  [[nodiscard]] bool complete() const {
    std::size_t members = 0;
    for (const ReportMember& member : object_.members()) members += member.key.empty() ? 0 : 1;
    return ok_ && read_ == members;
  }

 private:
  template <typename T>
  static bool Take(const ReportTree& told, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      return Assign(told.AsBoolean(), value);
    } else if constexpr (std::is_same_v<T, FormatId>) {
      value = FormatFromName(told.AsString().value_or(std::string_view()));
      return value != FormatId::kUnknown;
    } else if constexpr (std::is_enum_v<T>) {
      return Assign(told.AsUnsigned(), value) && IsKnown(value) &&
             static_cast<std::uint64_t>(value) == told.AsUnsigned();
    } else if constexpr (std::is_integral_v<T> || requires { value.count(); }) {
      return Assign(told.AsUnsigned(), value);
    } else if constexpr (instar::internal::kIsOptional<T>) {
      return Take(told, value.emplace());
    } else if constexpr (std::is_convertible_v<T&, std::string_view>) {
      return Assign(told.AsString(), value);
    } else if constexpr (requires { value.begin(); }) {
      return TakeItems(told, value);
    } else {
      return ReadRecord(told, value);
    }
  }

  template <typename From, typename T>
  static bool Assign(const std::optional<From>& from, T& value) {
    if (from) value = static_cast<T>(*from);
    return from.has_value();
  }

  template <typename Items>
  static bool TakeItems(const ReportTree& told, Items& items) {
    if (told.kind() != ReportTree::Kind::kArray) return false;
    constexpr bool kGrows = requires { items.emplace_back(); };
    std::size_t count = 0;
    for (const auto& [none, item] : told.members()) {
      if constexpr (kGrows) items.emplace_back();
      if (count == items.size() || !Take(item, items[count])) return false;
      ++count;
    }
    return count == items.size();
  }

  const ReportTree& object_;
  std::size_t read_ = 0;
  bool ok_ = true;
};

}  // namespace internal

// Fills `record` from `object`; false if that lacks a field, has one of the wrong kind or out of
// range, or one that the struct does not list. Views in `record` live as long as the report.
template <typename Record>
bool ReadRecord(const ReportTree& object, Record& record) {
  if (object.kind() != ReportTree::Kind::kObject) return false;
  internal::FieldReader reader(object);
  record.Visit(reader);
  return reader.complete();
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_RECORD_READER_H_
