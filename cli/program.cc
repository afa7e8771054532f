#include "cli/program.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/terminal_text.h"
#include "report/error_reason.h"

namespace instar::cli {
namespace {

constinit char** program_arguments = nullptr;
constinit std::string_view program_name = "instar";

}  // namespace

void SetProgram(char** argv) {
  program_arguments = argv;
  std::string_view name = argv[0] == nullptr ? "" : argv[0];
  if (const std::size_t slash = name.rfind('/'); slash != std::string_view::npos) {
    name.remove_prefix(slash + 1);
  }
  program_name = name == "qemu-img" ? "qemu-img" : "instar";
}

std::string_view ProgramName() { return program_name; }

int ContinueWithoutIsolation() {
  char buffer[4096];
  const ssize_t length = readlink("/proc/self/exe", buffer, sizeof(buffer));
  const std::string_view self(buffer, length > 0 ? static_cast<std::size_t>(length) : 0);
  const std::string folder(self.substr(0, self.rfind('/') + 1));
  if (folder.starts_with('/')) {
    for (const char* place : {"instar-inline", "../libexec/instar/instar-inline"}) {
      execv((folder + place).c_str(), program_arguments);
    }
  }
  return PrintError(
      "--isolation=none needs the program 'instar-inline', which is not installed beside this one");
}

bool WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

int PrintError(std::string_view message) {
  std::string line(program_name);
  line += ": ";
  line += TerminalMessage(message);
  line += '\n';
  if (message.ends_with("expects a non-negative number below 2^64")) {
    line +=
        "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
        "and exabytes, respectively.\n";
  }
  WriteAll(STDERR_FILENO, line);
  return 1;
}

int PrintError(const absl::Status& status) { return PrintError(std::string(status.message())); }

int PrintUsageError(std::string_view message, std::string_view of_verb,
                    std::string_view help_of_verb) {
  const auto name_with = [](std::string_view verb) {
    std::string name(program_name);
    if (!verb.empty()) name.append(" ").append(verb);
    return name;
  };
  std::string lines = name_with(of_verb);
  lines += ": ";
  lines += TerminalMessage(message);
  lines += "\nTry '";
  lines += name_with(help_of_verb);
  lines += " --help' for more information\n";
  WriteAll(STDERR_FILENO, lines);
  return 1;
}

int PrintOutput(std::string_view text) {
  if (WriteAll(STDOUT_FILENO, text)) return 0;
  return PrintError("Could not write to standard output: " + vmm::ErrorReason(errno));
}

}  // namespace instar::cli
