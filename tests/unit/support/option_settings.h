// Option lists as a test writes them, read as the host reads them.
#ifndef TESTS_UNIT_SUPPORT_OPTION_SETTINGS_H_
#define TESTS_UNIT_SUPPORT_OPTION_SETTINGS_H_

#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "formats/base/create_options.h"

namespace instar::test {

// The settings of `list`, which is one of `format`. They live as long as the program does.
inline const std::vector<OptionSetting>& Settings(FormatId format, std::string_view list) {
  static std::deque<std::string> lists;
  static std::deque<CreateOptionList> read;
  auto options = CreateOptionList::Read(format, lists.emplace_back(list));
  if (!options) throw std::invalid_argument("no option list: " + lists.back());
  return read.emplace_back(*std::move(options)).settings();
}

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_OPTION_SETTINGS_H_
