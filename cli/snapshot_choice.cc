#include "cli/snapshot_choice.h"

#include <string_view>

#include "formats/base/option_list.h"

namespace instar::cli {

OrStop<vmm::SnapshotChoice> ReadSnapshot(const std::string& parameter) {
  constexpr std::string_view kPrefix = "snapshot.";
  const auto none = [] { return Refusal("Failed to load snapshot: Can't find snapshot"); };
  vmm::SnapshotChoice choice;
  if (!parameter.starts_with(kPrefix)) {
    if (parameter.empty()) return none();
    choice.id_or_name = parameter;
    return choice;
  }
  OptionList items(parameter);
  while (const auto item = items.Next()) {
    if ((item->name != "snapshot.id" && item->name != "snapshot.name") || !item->has_value) {
      return Refusal("Failed in parsing snapshot param '" + parameter + "'");
    }
    if (item->value.empty()) return none();  // no snapshot is called that
    std::string& label = item->name == "snapshot.id" ? choice.id : choice.name;
    label.clear();
    AppendOptionText(item->value, label);
  }
  return choice;
}

}  // namespace instar::cli
