// The messages of qemu-img that read otherwise in other versions: one table, a row for each text,
// with the first version that prints it. A message that never changed stands where it is printed.
//
// Example: of "resize -Z" qemu-img 10.0 says "unrecognized option '-Z'" and 10.1 says "invalid
// option -- 'Z'". Both are kUnknownLetter.
// tests/unit/cli/messages_test.cc covers the table; ./dev baselines compares the program with what
// was recorded of qemu-img.
#ifndef CLI_MESSAGES_H_
#define CLI_MESSAGES_H_

#include <initializer_list>
#include <string>
#include <string_view>

#include "cli/qemu_version.h"

namespace instar::cli {

// The comments say what the arguments $0, $1, ... of the texts are.
enum class Message {
  // Mistakes in the form of an option. $0: as typed; $1: its full name or its letter.
  kUnknownOption,
  kUnknownLetter,
  kAmbiguousOption,  // $2: the names it may stand for, each in quotes after a space
  kMissingValue,
  kMissingValueOfLetter,
  kUnwantedValue,
  // Operands of resize.
  kResizeTooFew,
  kResizeTooMany,
  // bitmap without an action, and with a granularity that is no size ($0: it, $1: why).
  kBitmapNoAction,
  kBitmapGranularity,
};

// What `version` of qemu-img prints, without the name of the program.
[[nodiscard]] std::string TextOf(Message message, QemuVersion version,
                                 std::initializer_list<std::string_view> arguments = {});

}  // namespace instar::cli

#endif  // CLI_MESSAGES_H_
