// The table of formats and their properties. What a format does in pure code is in another,
// formats/format_table.h.
#ifndef FORMATS_BASE_FORMATS_H_
#define FORMATS_BASE_FORMATS_H_

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "formats/base/format_properties.h"
#include "formats/qcow2/properties.h"
#include "formats/raw/properties.h"
#include "formats/vhdx/properties.h"
#include "formats/vmdk/properties.h"
#include "formats/vpc/properties.h"

namespace instar {

inline constexpr std::array kFormatProperties = {
    raw::kProperties, qcow2::kProperties, vmdk::kProperties, vpc::kProperties, vhdx::kProperties,
};

// Calls `call` with the id of each row of the constant table `kTable` and what stands in the row's
// column `kColumn` (&Row::member). The rows are gone through by the compiler, which looks at that
// column only: a guest image holds no more of the table than it asks for.
template <const auto& kTable, auto kColumn, typename Call>
constexpr void ForEachCell(Call call) {
  const auto look = [&]<std::size_t kIndex>() {
    // Constants of their own: of a row that is looked into, all of it would be linked.
    constexpr FormatId kId = kTable[kIndex].id;
    constexpr auto kCell = kTable[kIndex].*kColumn;
    call(kId, kCell);
  };
  [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    (look.template operator()<kIndex>(), ...);
  }(std::make_index_sequence<kTable.size()>());
}

// What stands in column `kColumn` of the row of `id`; the member's default without such a row.
template <const auto& kTable, auto kColumn>
[[nodiscard]] constexpr auto CellOf(FormatId id) {
  auto found = std::remove_cvref_t<decltype(kTable[0])>{}.*kColumn;
  ForEachCell<kTable, kColumn>([&](FormatId row, auto cell) {
    if (row == id) found = cell;
  });
  return found;
}

// A property of `id`: PropertyOf<&FormatProperties::compresses>(format).
template <auto kProperty>
[[nodiscard]] constexpr auto PropertyOf(FormatId id) {
  return CellOf<kFormatProperties, kProperty>(id);
}

// The properties of `id`; those of a format of which nothing is known for values without a row.
[[nodiscard]] constexpr FormatProperties PropertiesOf(FormatId id) {
  for (const FormatProperties& row : kFormatProperties) {
    if (row.id == id) return row;
  }
  return {};
}

[[nodiscard]] constexpr bool IsBareDisk(FormatId id) {
  return PropertyOf<&FormatProperties::is_bare_disk>(id);
}

// Whether writing an image of `format` gives it an identity. `keep`: what is written into exists.
[[nodiscard]] constexpr bool GetsIdentity(FormatId format, bool keep) {
  const IdentityKind kind = PropertyOf<&FormatProperties::identity>(format);
  return kind == IdentityKind::kOfContent || (kind == IdentityKind::kOfDisk && !keep);
}

// The option `name` among `specs`, or null.
[[nodiscard]] constexpr const OptionSpec* FindOption(std::span<const OptionSpec> specs,
                                                     std::string_view name) {
  for (const OptionSpec& spec : specs) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

// The option `name` of a new image of `format`, or null.
[[nodiscard]] constexpr const OptionSpec* FindOption(FormatId format, std::string_view name) {
  return FindOption(PropertiesOf(format).options, name);
}

}  // namespace instar

#endif  // FORMATS_BASE_FORMATS_H_
