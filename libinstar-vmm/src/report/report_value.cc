#include "instar/vmm/report.h"

namespace instar::vmm {

const ReportValue* ReportValue::Find(std::string_view key) const {
  const auto* object = std::get_if<Object>(&storage_);
  if (object == nullptr) return nullptr;
  for (const auto& [name, value] : *object) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::uint64_t ReportValue::UnsignedAt(std::string_view key, std::uint64_t fallback) const {
  const ReportValue* value = Find(key);
  if (value == nullptr) return fallback;
  const auto* number = std::get_if<std::uint64_t>(&value->storage_);
  return number == nullptr ? fallback : *number;
}

std::string_view ReportValue::StringAt(std::string_view key) const {
  const ReportValue* value = Find(key);
  if (value == nullptr) return {};
  const auto* text = std::get_if<std::string>(&value->storage_);
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

bool ReportValue::BooleanAt(std::string_view key) const {
  const ReportValue* value = Find(key);
  if (value == nullptr) return false;
  const auto* flag = std::get_if<bool>(&value->storage_);
  return flag != nullptr && *flag;
}

}  // namespace instar::vmm
