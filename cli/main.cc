// The program `instar`. It holds no parser of images: those are in the guest images it carries.
#include "cli/command_line.h"

int main(int argc, char** argv) { return instar::cli::RunCommandLine(argc, argv); }
