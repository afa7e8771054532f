// The program `instar-inline`, which --isolation=none runs instead: the same, with the parsers
// linked in and called directly.
#include "cli/command_line.h"
#include "inline/inline_executor.h"

int main(int argc, char** argv) {
  instar::vmm::RegisterInlineExecutor();
  return instar::cli::RunCommandLine(argc, argv);
}
