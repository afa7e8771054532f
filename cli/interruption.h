// What happens when the user or the system ends the program early.
#ifndef CLI_INTERRUPTION_H_
#define CLI_INTERRUPTION_H_

namespace instar::cli {

// From now on SIGINT, SIGTERM and SIGHUP remove the files that a verb was creating and then end the
// process as they do by default, so that whoever started it sees why it ended. A signal that was
// ignored stays ignored.
void RemoveTargetsOnInterruption();

}  // namespace instar::cli

#endif  // CLI_INTERRUPTION_H_
