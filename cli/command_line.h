// The program: global options, then a verb and its arguments.
#ifndef CLI_COMMAND_LINE_H_
#define CLI_COMMAND_LINE_H_

namespace instar::cli {

// What main does. Returns the exit code.
int RunCommandLine(int argc, char** argv);

}  // namespace instar::cli

#endif  // CLI_COMMAND_LINE_H_
