// Makes rows of option tables (cli/options.h) that set a member of a struct:
//
//     struct MapCommand {
//       vmm::MapOptions options;
//       bool json = false;
//     };
//     constexpr OptionRow kRows[] = {
//         Flag<&MapCommand::options, &vmm::MapOptions::force_share>("force-share,U", "read ..."),
//         Size<"start offset", &MapCommand::options, &vmm::MapOptions::start>(
//             "start-offset,s", "leave out ..."),
//     };
//
// The members lead from the struct that the table is read into to the one that is set. The tables
// are constants: nothing is built when the program starts.
#ifndef CLI_OPTION_ROWS_H_
#define CLI_OPTION_ROWS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cli/options.h"
#include "cli/stop.h"
#include "formats/base/error.h"

namespace instar::cli {

// A text as a template argument.
template <std::size_t kBytes>
struct FixedText {
  consteval FixedText(const char (&given)[kBytes]) {  // NOLINT(google-explicit-constructor)
    std::ranges::copy(given, text);
  }
  char text[kBytes];
};

template <typename Struct, typename Member>
Struct StructOf(Member Struct::*);
template <typename Struct>
Struct TargetOf(OrStop<void> (*)(Struct&, GivenOption&));

template <auto kFirst, auto... kRest>
auto& MemberAt(void* target) {
  return ((static_cast<decltype(StructOf(kFirst))*>(target)->*kFirst).*....*kRest);
}

// Sizes and numbers as byte_size.h reads them; `what` is how messages call the value.
OrStop<std::uint64_t> ReadSize(const GivenOption& given, std::string_view what);
OrStop<std::uint64_t> ReadNumber(const GivenOption& given, std::string_view what,
                                 std::uint64_t smallest, std::uint64_t largest);

// ---- rows

// Without a value: sets the member to `kValue`.
template <auto kValue, auto... kMembers>
consteval OptionRow Set(const char* names, const char* help) {
  return {names, nullptr, help, [](GivenOption&, void* target) -> OrStop<void> {
            MemberAt<kMembers...>(target) = kValue;
            return {};
          }};
}
template <auto... kMembers>
consteval OptionRow Flag(const char* names, const char* help) {
  return Set<true, kMembers...>(names, help);
}

template <auto... kMembers>
consteval OptionRow Text(const char* names, const char* value, const char* help) {
  return {names, value, help, [](GivenOption& given, void* target) -> OrStop<void> {
            MemberAt<kMembers...>(target) = std::move(given.value);
            return {};
          }};
}

// What `kRead` (an OrStop) makes of the option.
template <auto kRead, auto... kMembers>
consteval OptionRow Value(const char* names, const char* value, const char* help) {
  return {names, value, help, [](GivenOption& given, void* target) -> OrStop<void> {
            INSTAR_ASSIGN_OR_RETURN(MemberAt<kMembers...>(target), kRead(given));
            return {};
          }};
}

template <FixedText kWhat, auto... kMembers>
consteval OptionRow Size(const char* names, const char* help) {
  constexpr auto kRead = [](const GivenOption& given) { return ReadSize(given, kWhat.text); };
  return Value<kRead, kMembers...>(names, "SIZE", help);
}

template <FixedText kWhat, std::uint64_t kSmallest, std::uint64_t kLargest, auto... kMembers>
consteval OptionRow Number(const char* names, const char* help) {
  constexpr auto kRead = [](const GivenOption& given) {
    return ReadNumber(given, kWhat.text, kSmallest, kLargest);
  };
  return Value<kRead, kMembers...>(names, "N", help);
}

// Has a function take the option: OrStop<void> kTake(Struct&, GivenOption&).
template <auto kTake>
consteval OptionRow Call(const char* names, const char* value, const char* help) {
  return {names, value, help, [](GivenOption& given, void* target) {
            return kTake(*static_cast<decltype(TargetOf(kTake))*>(target), given);
          }};
}

// ---- values that are one of a few names

template <typename Meaning>
struct Choice {
  std::string_view name;
  Meaning meaning;
};

// The names of a table of choices with '|' between them, for OptionRow::value.
template <const auto& kChoices>
inline constexpr auto kAlternatives = [] {
  constexpr std::size_t kBytes = [] {
    std::size_t bytes = 0;
    for (const auto& choice : kChoices) bytes += choice.name.size() + 1;
    return bytes;
  }();
  std::array<char, kBytes> text{};
  char* end = text.data();
  for (const auto& choice : kChoices) {
    if (end != text.data()) *end++ = '|';
    end = std::ranges::copy(choice.name, end).out;
  }
  return text;
}();

// What `name` means, if the table has it.
template <typename Meaning, std::size_t kCount>
constexpr std::optional<Meaning> Choose(const Choice<Meaning> (&choices)[kCount],
                                        std::string_view name) {
  for (const Choice<Meaning>& choice : choices) {
    if (choice.name == name) return choice.meaning;
  }
  return std::nullopt;
}

}  // namespace instar::cli

#endif  // CLI_OPTION_ROWS_H_
