// What happens when the user or the system ends the program early.
#ifndef CLI_INTERRUPTION_H_
#define CLI_INTERRUPTION_H_

namespace instar::cli {

// What the handlers do of `signal`: undo what can be undone and end the process by it. While a
// change in place takes effect, and once after that, they return instead, and the signal waits for
// ActOnDeferredInterruption. Async-signal-safe.
void ActOnInterruption(int signal);

// Ends the process by a signal that waited, if there is one. Call it when a change in place is over
// and its result is printed.
void ActOnDeferredInterruption();

// From now on every signal that ends a process and can be caught (SIGINT, SIGTERM, SIGQUIT,
// SIGALRM, ...) removes the files that a verb was creating, cuts back those that it was changing,
// and then ends the process as it does by default, so that whoever started it sees why it ended. A
// signal that was ignored stays ignored, and one that has a handler keeps it.
void RemoveTargetsOnInterruption();

}  // namespace instar::cli

#endif  // CLI_INTERRUPTION_H_
