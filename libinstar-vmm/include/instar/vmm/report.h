// A report as a sandboxed verb returns it: an ordered tree of plain values, the shape of qemu-img's
// JSON. Strings come from the image: any bytes; escape them before showing them.
#ifndef INSTAR_VMM_REPORT_H_
#define INSTAR_VMM_REPORT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace instar::vmm {

class ReportValue {
 public:
  using Array = std::vector<ReportValue>;
  using Object = std::vector<std::pair<std::string, ReportValue>>;  // in the order reported
  using Storage = std::variant<std::uint64_t, std::int64_t, bool, std::string, Array, Object>;

  ReportValue() : storage_(Object{}) {}
  template <typename T>
  explicit ReportValue(T value) : storage_(std::move(value)) {}

  [[nodiscard]] const Storage& storage() const { return storage_; }
  [[nodiscard]] Storage& storage() { return storage_; }

  // The member called `key` of an object, or null.
  [[nodiscard]] const ReportValue* Find(std::string_view key) const;
  // Typed access; the fallback if this is not of that type or the key is absent.
  [[nodiscard]] std::uint64_t UnsignedAt(std::string_view key, std::uint64_t fallback = 0) const;
  [[nodiscard]] std::string_view StringAt(std::string_view key) const;
  [[nodiscard]] bool BooleanAt(std::string_view key) const;

 private:
  Storage storage_;
};

}  // namespace instar::vmm

#endif  // INSTAR_VMM_REPORT_H_
