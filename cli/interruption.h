// What happens when the user or the system ends the program early.
#ifndef CLI_INTERRUPTION_H_
#define CLI_INTERRUPTION_H_

namespace instar::cli {

// From now on every signal that ends a process and can be caught (SIGINT, SIGTERM, SIGQUIT,
// SIGALRM, ...) removes the files that a verb was creating and then ends the process as it does by
// default, so that whoever started it sees why it ended. A signal that was ignored stays ignored,
// and one that has a handler keeps it.
void RemoveTargetsOnInterruption();

}  // namespace instar::cli

#endif  // CLI_INTERRUPTION_H_
