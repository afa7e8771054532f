#include "cli/snapshot_choice.h"

#include <string_view>

#include "formats/base/option_list.h"

namespace instar::cli {

OrStop<SnapshotChoice> ReadSnapshot(const std::string& parameter) {
  constexpr std::string_view kPrefix = "snapshot.";
  SnapshotChoice choice;
  if (!parameter.starts_with(kPrefix)) choice.value = parameter;
  OptionList items(parameter.starts_with(kPrefix) ? parameter : std::string_view());
  while (const auto item = items.Next()) {
    if ((item->name != "snapshot.id" && item->name != "snapshot.name") || !item->has_value) {
      return Refusal("Failed in parsing snapshot param '" + parameter + "'");
    }
    const auto kind =
        item->name == "snapshot.id" ? vmm::SnapshotKind::kId : vmm::SnapshotKind::kName;
    if (choice.kind != vmm::SnapshotKind::kIdOrName && choice.kind != kind) {
      return Refusal(
          "Choosing a snapshot by both ID and name is not available in this version; give one");
    }
    choice.kind = kind;
    choice.value.clear();
    AppendOptionText(item->value, choice.value);
  }
  if (choice.value.empty()) return Refusal("Failed to load snapshot: Can't find snapshot");
  return choice;
}

}  // namespace instar::cli
