// What the command lines of some verbs ask for (cli/verb.h): those whose tests look into it. In all
// of them `options` lacks what is in `settings` and what the verb adds when it runs.
#ifndef CLI_COMMANDS_H_
#define CLI_COMMANDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/image_spec.h"
#include "cli/sandbox_options.h"
#include "cli/shared_options.h"
#include "cli/stop.h"
#include "cli/verb.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/create.h"
#include "instar/vmm/dd.h"
#include "instar/vmm/info.h"
#include "instar/vmm/measure.h"

namespace instar::cli {

struct ConvertCommand {
  SandboxSettings settings;
  vmm::ConvertOptions options;
  ImageForm source;
  std::string source_cache = "writeback";
  std::string target_cache = "unsafe";
  std::optional<vmm::SnapshotChoice> snapshot;
  std::optional<std::string> target_format;
  std::optional<std::uint64_t> compress_level;
  bool target_image_opts = false;
  bool progress = false;
  bool quiet = false;

  // What qemu-img refuses without looking at a file is refused here, in its order and, but for what
  // it says on several lines, in its words.
  OrStop<void> TakeOperands(std::vector<std::string> files);
  int Run(const Verb& verb);

 private:
  [[nodiscard]] OrStop<void> CheckAgreement() const;
  OrStop<void> TakeCompressLevel();
  OrStop<void> TakeTarget(std::string file);
};

struct CreateCommand {
  SandboxSettings settings;
  vmm::CreateOptions options;
  std::optional<std::string> backing;
  std::optional<std::string> backing_format;
  bool quiet = false;

  OrStop<void> TakeOperands(std::vector<std::string> operands);
  int Run(const Verb& verb);
};

struct DdCommand {
  SandboxSettings settings;
  vmm::DdOptions options;
  ImageForm source;

  OrStop<void> TakeOperands(const std::vector<std::string>& operands);
  int Run(const Verb& verb);
};

struct InfoCommand {
  SandboxSettings settings;
  OneImage image;
  vmm::InfoOptions options;

  OrStop<void> TakeOperands(std::vector<std::string> operands);
  int Run(const Verb& verb);
};

struct MeasureCommand {
  SandboxSettings settings;
  vmm::MeasureOptions options;
  ImageForm image;
  std::optional<vmm::SnapshotChoice> snapshot;
  std::optional<std::uint64_t> size_bytes;
  bool json = false;

  OrStop<void> TakeOperands(std::vector<std::string> operands);
  int Run(const Verb& verb);
};

}  // namespace instar::cli

#endif  // CLI_COMMANDS_H_
