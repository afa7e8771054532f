// What every verb shares with the terminal: the program's name, error lines, and standard output
// whose failures count.
#ifndef CLI_PROGRAM_H_
#define CLI_PROGRAM_H_

#include <absl/status/status.h>

#include <string>
#include <string_view>

namespace instar::cli {

// Remembers the arguments of main, for the two functions below.
void SetProgram(char** argv);

// "instar", or "qemu-img" when invoked under that name.
[[nodiscard]] std::string_view ProgramName();

// Runs the program "instar-inline", which can parse images without isolation, with the arguments
// this one has. Returns only on failure, the exit code.
int ContinueWithoutIsolation();

// Writes "NAME: MESSAGE\n" to standard error in one piece, MESSAGE made safe for a terminal.
// Of a size that cannot be read it says which suffixes there are. Always returns 1, the exit code
// of a failure.
int PrintError(std::string_view message);
int PrintError(const absl::Status& status);

// As PrintError, followed by the line that points to --help: for mistakes on the command line. The
// line may begin with a verb after the program's name, and point to the help of a verb; empty:
// none.
int PrintUsageError(std::string_view message, std::string_view of_verb,
                    std::string_view help_of_verb);

// Writes all of `text` to standard output. Returns the exit code: 0, or 1 with an error line if it
// could not all be written.
int PrintOutput(std::string_view text);

// Writes all of `text` to `descriptor`; false on failure, with errno set.
bool WriteAll(int descriptor, std::string_view text);

}  // namespace instar::cli

#endif  // CLI_PROGRAM_H_
