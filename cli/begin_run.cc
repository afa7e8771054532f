#include "cli/begin_run.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "cli/deadline.h"
#include "cli/program.h"
#include "cli/stop.h"
#include "cli/terminal_text.h"
#include "executor/executor.h"
#include "jail/jail.h"
#include "operation/operation.h"
#include "timing/mark.h"
#include "verbs/open_image.h"

namespace instar::cli {
namespace {

// Under qemu-img's name nothing is said that qemu-img would not say.
void AnnounceFallback() {
  if (ProgramName() == "qemu-img") return;
  PrintError(
      "KVM is not available: parsing in a sandboxed process instead ('instar doctor' says why, "
      "--isolation=kvm refuses this)");
}

// Names protection that this run lacks, if that matters.
void AnnounceMissing(const SandboxSettings& settings) {
  if (ProgramName() == "qemu-img" || settings.sandbox.require.landlock) return;
  if (vmm::LandlockVersion() > 0) return;
  PrintError(
      "Landlock is not available: a filter of system calls and a process that opens files take its "
      "place ('instar doctor' says more, --require=landlock refuses this)");
}

// A configured path must exist. The run itself checks those of the command line.
OrStop<void> CheckConfiguredPaths(const SandboxSettings& settings) {
  if (settings.sandbox.references.allowed == vmm::AllowedReferences::kNone) return {};
  const auto missing = std::ranges::find_if(settings.configured_paths, [](const auto& configured) {
    return access(configured.path.c_str(), F_OK) != 0;
  });
  if (missing == settings.configured_paths.end()) return {};
  return Refusal(missing->where + ": Could not open '" + missing->path +
                 "': " + std::strerror(errno));
}

// Returns 0 if the run can go on.
int PrepareIsolation(SandboxSettings& settings) {
  vmm::Mark(settings.sandbox.timing, vmm::TimingPhase::kCommandLine);
  const vmm::Isolation wanted = settings.sandbox.isolation;
  if (wanted == vmm::Isolation::kInline && vmm::inline_executor_factory() == nullptr) {
    return ContinueWithoutIsolation();
  }
  if (const auto there = CheckConfiguredPaths(settings); !there) return Conclude(there.error());
  AnnounceMissing(settings);
  if (wanted != vmm::Isolation::kAuto) return 0;
  const auto expected = vmm::ResolveIsolation(wanted);
  if (!expected.ok()) return PrintError(expected.status());
  // Where KVM is required the run says that it is not there.
  if (*expected == vmm::Isolation::kProcess && !settings.sandbox.require.kvm) {
    AnnounceFallback();
    settings.fallback_announced = true;
  }
  return 0;
}

}  // namespace

int BeginRun(SandboxSettings& settings, const Verb& verb, std::string_view file, RunLimit limit) {
  StartDeadline(settings.sandbox, {.file = file, .verb = verb.name, .exit_code = limit.exit_code},
                limit.own);
  return PrepareIsolation(settings) == 0 ? 0 : verb.failure;
}

void ConfirmIsolation(const SandboxSettings& settings, vmm::Isolation used) {
  const bool fallback =
      settings.sandbox.isolation == vmm::Isolation::kAuto && used == vmm::Isolation::kProcess;
  if (fallback && !settings.fallback_announced) AnnounceFallback();
}

void PrintWarnings(std::span<const std::string> warnings) {
  for (const std::string& warning : warnings) PrintError("warning: " + warning);
}

}  // namespace instar::cli
