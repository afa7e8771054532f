#include "cli/shared_options.h"

#include <unistd.h>

#include <utility>

#include "cli/program.h"
#include "cli/terminal_text.h"
#include "formats/base/option_list.h"
#include "verbs/open_image.h"

namespace instar::cli {

OrStop<bool> ReadForm(std::string_view form) {
  if (form != "human" && form != "json") {
    return Refusal("--output must be used with human or json as argument.");
  }
  return form == "json";
}

OrStop<void> NotAvailable(GivenOption& given) {
  return Refusal(given.spelling + " is not available in this version");
}

OrStop<vmm::CacheMode> ReadCacheMode(std::string_view name, std::string_view what) {
  if (const auto mode = Choose(kCacheModes, name == "off" ? "none" : name)) return *mode;
  return Refusal("Invalid " + std::string(what) + " option: " + std::string(name));
}

OrStop<vmm::SnapshotChoice> ReadSnapshot(const GivenOption& given) {
  const std::string& parameter = given.value;
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

OrStop<void> AddOptionList(std::string_view list, std::string& lists) {
  if (!OptionList::WellFormed(list)) return Refusal("Invalid option list: " + std::string(list));
  if (!lists.empty()) lists += ',';
  lists += list;
  return {};
}

OrStop<void> OneImage::TakeOperands(std::vector<std::string> operands) {
  if (operands.size() != 1) return UsageError("Expecting one image file name");
  name = std::move(operands.front());
  INSTAR_ASSIGN_OR_RETURN(json, ReadForm(output));
  return {};
}

}  // namespace instar::cli
