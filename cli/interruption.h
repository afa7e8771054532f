// What happens when the user or the system ends the program early.
#ifndef CLI_INTERRUPTION_H_
#define CLI_INTERRUPTION_H_

#include <string_view>

namespace instar::cli {

// What the handlers do of `signal`: undo what can be undone and end the process by it. Where a
// change in place is undone, and EndChangesOnInterruption has words for it, they write those and
// end the process with the exit code 1. While a change takes effect, and once after that, they
// return instead: the run goes on to its end, which comes soon, and says what it did.
// Async-signal-safe.
void ActOnInterruption(int signal);

// From now on every signal that ends a process and can be caught (SIGINT, SIGTERM, SIGQUIT,
// SIGALRM, ...) removes the files that a verb was creating, and then ends the process as it does by
// default, so that whoever started it sees why it ended. A signal that was ignored stays ignored,
// and one that has a handler keeps it.
void RemoveTargetsOnInterruption();

// The same for a verb that changes `file` in place. Before the change takes effect it is undone,
// and a line says so: "instar: FILE: VERB: interrupted before the change took effect; the file is
// as it was".
void EndChangesOnInterruption(std::string_view file, std::string_view verb);

}  // namespace instar::cli

#endif  // CLI_INTERRUPTION_H_
