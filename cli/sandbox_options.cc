#include "cli/sandbox_options.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "cli/byte_size.h"
#include "cli/configuration.h"
#include "cli/program.h"
#include "executor/executor.h"
#include "jail/jail.h"
#include "operation/operation.h"
#include "report/printable_text.h"
#include "timing/mark.h"

namespace instar::cli {
namespace {

enum Id : int {
  kIsolation = 1000,
  kRequire,
  kAllowPath,
  kReferences,
  kNoReferences,
  kQemuVersion,
  kMaxMemory,
  kMaxVirtualSize,
  kMaxOutputSize,
  kMaxChainDepth,
  kTimeout,
  kStallTimeout,
  kWorkers,
  kReproducible,
  kStrict,
};

constexpr OptionRow kRows[] = {
    {kIsolation, "isolation", "KIND",
     "where images are parsed: kvm (a virtual machine), process (a child process without\n"
     "files or privileges), none (here, unprotected), or auto (the default: kvm if it works,\n"
     "else process)"},
    {kRequire, "require", "LIST",
     "refuse to run where one of these is not active: kvm, seccomp, landlock, openat2;\n"
     "several are separated by commas ('instar doctor' says what there is)"},
    {kAllowPath, "allow-path", "DIR",
     "let images refer to files in DIR and below; may be repeated. A file may be given, too,\n"
     "and stands for itself alone. Files in the directory of the image that names them, and\n"
     "below, are allowed anyway. Hidden files and directories have to be named themselves"},
    {kReferences, "references", "WHICH",
     "which of the files that are allowed so are opened: none; directory (the default: those\n"
     "that belong to root, to you or to the image's owner); any-owner (whoever they belong to)"},
    {kNoReferences, "no-references", nullptr, "as --references=none"},
    {kQemuVersion, "qemu-version", "X.Y", "print what that version of qemu-img prints"},
    {kMaxMemory, "max-memory", "SIZE", "memory for parsing, 16M to 4G (default 512M)"},
    {kMaxVirtualSize, "max-virtual-size", "SIZE",
     "refuse to convert larger virtual disks, and let no file that is written become longer\n"
     "than such a disk can need (default 1P); create makes the disk that was asked for"},
    {kMaxOutputSize, "max-output-size", "SIZE",
     "let no file written, nor text printed, grow longer"},
    {kMaxChainDepth, "max-chain-depth", "N",
     "images a backing chain may have, 1 to 1024 (default 64)"},
    {kTimeout, "timeout", "SECONDS",
     "end the whole operation after so long (default for info, and for create without\n"
     "preallocation=full or falloc: 60)"},
    {kStallTimeout, "stall-timeout", "SECONDS",
     "end it when one of its processors makes no progress for so long (default 30)"},
    {kWorkers, "workers", "N", "processors to parse and compress on, 1 to 16 (default: all)"},
    {kReproducible, "reproducible", nullptr,
     "let the identities of a new vmdk, vpc or vhdx image follow from what it holds, not from\n"
     "chance; SOURCE_DATE_EPOCH in the environment does the same"},
    {kStrict, "strict", nullptr,
     "refuse images that do not pass the strict profile; their format must be stated. With\n"
     "info: print the verdict (exit code 0 passed, 2 refused, 1 could not be judged)"},
    {kTraceOption, "trace", "WHAT",
     "say on standard error where the time of the run went (timing), or which files were\n"
     "opened because an image names them (references); may be repeated"},
};

constexpr std::uint64_t kMebibyte = 1 << 20;
constexpr std::uint64_t kLargestWorkers = 16;
constexpr std::uint64_t kLongestSeconds = 10'000'000;

std::string BadIsolation(std::string_view where, std::string_view value) {
  return std::string(where) + ": unknown isolation '" + std::string(value) +
         "'; use auto, kvm, process or none";
}

std::optional<vmm::Isolation> IsolationFromName(std::string_view name) {
  if (name == "auto") return vmm::Isolation::kAuto;
  if (name == "kvm") return vmm::Isolation::kKvm;
  if (name == "process") return vmm::Isolation::kProcess;
  if (name == "none") return vmm::Isolation::kInline;
  return std::nullopt;
}

// An isolation that a file or the environment asks for. Giving up the protection needs more than
// that: an option on the command line.
std::string ApplyDefaultIsolation(const std::string& where, const std::string& name,
                                  SandboxSettings& settings) {
  const auto isolation = IsolationFromName(name);
  if (!isolation) return BadIsolation(where, name);
  if (*isolation == vmm::Isolation::kInline) {
    return where + ": isolation 'none' can only be chosen on the command line (--isolation=none)";
  }
  settings.sandbox.isolation = *isolation;
  return {};
}

std::string StoreReferences(const GivenOption& option, vmm::ReferencePolicy& references) {
  for (const auto& [name, allowed] : {std::pair{"none", vmm::AllowedReferences::kNone},
                                      std::pair{"directory", vmm::AllowedReferences::kDirectory},
                                      std::pair{"any-owner", vmm::AllowedReferences::kAnyOwner}}) {
    if (option.value != name) continue;
    references.allowed = allowed;
    return {};
  }
  return "--references: unknown '" + option.value + "'; use none, directory or any-owner";
}

template <typename Target>
std::string Store(const std::expected<std::uint64_t, std::string>& value, Target& target) {
  if (!value) return value.error();
  target = static_cast<Target>(*value);
  return {};
}

std::string StoreSeconds(const GivenOption& option, std::chrono::milliseconds& target) {
  const auto seconds =
      ParseNumber(option.value, "number of seconds in " + option.spelling, 1, kLongestSeconds);
  if (!seconds) return seconds.error();
  target = std::chrono::seconds(*seconds);
  return {};
}

std::string StoreMemory(const GivenOption& option, vmm::SandboxOptions& sandbox) {
  const auto bytes = ParseByteSize(option.value, "memory size");
  if (!bytes) return bytes.error();
  if (*bytes < 16 * kMebibyte || *bytes > 4096 * kMebibyte) {
    return "Invalid memory size specified. Must be between 16M and 4G.";
  }
  sandbox.guest_memory_bytes = *bytes;
  return {};
}

// The names of a list separated by commas. Each adds to what is required already.
std::string StoreRequirements(std::string_view list, vmm::Requirements& require) {
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view name = list.substr(0, comma);
    if (name == "kvm") {
      require.kvm = true;
    } else if (name == "seccomp") {
      require.seccomp = true;
    } else if (name == "landlock") {
      require.landlock = true;
    } else if (name == "openat2") {
      require.openat2 = true;
    } else {
      return "--require: unknown '" + std::string(name) +
             "'; use kvm, seccomp, landlock or openat2, separated by commas";
    }
    if (comma == list.npos) return {};
    list = list.substr(comma + 1);
  }
}

// The directories of a colon-separated list.
void AppendPaths(std::string_view list, std::vector<std::string>& paths) {
  while (!list.empty()) {
    const std::size_t colon = list.find(':');
    if (colon != 0) paths.emplace_back(list.substr(0, colon));
    list = colon == list.npos ? std::string_view() : list.substr(colon + 1);
  }
}

// A configuration file, and the directory above it that belongs to whom the file is to belong to.
struct ConfigurationFile {
  std::string path;
  std::string base;
};

ConfigurationFile UserConfiguration() {
  if (const char* base = std::getenv("XDG_CONFIG_HOME"); base != nullptr && *base == '/') {
    return {.path = std::string(base) + "/instar/config.toml", .base = base};
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return {.path = std::string(home) + "/.config/instar/config.toml", .base = home};
  }
  return {};
}

// The row of the option called `name`, or null.
const OptionRow* FindRow(std::string_view name) {
  for (const OptionRow& row : kRows) {
    if (name == row.names) return &row;
  }
  return nullptr;
}

std::string ApplyConfigured(const std::string& path, const ConfiguredOption& configured,
                            SandboxSettings& settings) {
  const std::string where = path + ": line " + std::to_string(configured.line);
  const OptionRow* row = FindRow(configured.option);
  if (row == nullptr) return where + ": there is no option --" + configured.option;
  if (row->id == kIsolation) return ApplyDefaultIsolation(where, configured.value, settings);
  if ((row->value == nullptr) != configured.value.empty()) {
    return where +
           (row->value == nullptr ? ": only true or false can be said of '"
                                  : ": there is no value for '") +
           configured.option + "'";
  }
  const GivenOption option{
      .id = row->id, .spelling = "--" + configured.option, .value = configured.value};
  if (row->id == kAllowPath) {
    settings.configured_paths.push_back(
        {.path = configured.value, .where = where + ": allow_paths"});
  }
  const std::string error = ApplySandboxOption(option, settings).value_or(std::string());
  return error.empty() ? error : where + ": " + error;
}

// Under qemu-img's name nothing is said that qemu-img would not say.
void WarnOfUnknownConfiguration(const std::string& path, int error) {
  if (ProgramName() == "qemu-img") return;
  PrintError("warning: whether there is a configuration file '" + path + "' cannot be seen: " +
             std::strerror(error) + " (set XDG_CONFIG_HOME or HOME to another directory)");
}

std::string ApplyConfiguration(const ConfigurationFile& file, SandboxSettings& settings) {
  const std::string& path = file.path;
  // Most machines have no such file: do not even load the parser's tables.
  if (path.empty()) return {};
  char byte = 0;
  const bool is_link = readlink(path.c_str(), &byte, 1) >= 0;
  if (!is_link && (errno == ENOENT || errno == ENOTDIR)) return {};
  // A user may have no way into the HOME that is set, but limits that the administrator set are
  // never passed over.
  if (!is_link && errno != EINVAL && !path.starts_with("/etc/")) {
    WarnOfUnknownConfiguration(path, errno);
    return {};
  }
  if (is_link && access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    return "'" + path + "' is a symbolic link that leads to no file (remove it, or mend it)";
  }
  const auto configuration = ReadConfiguration(path, file.base);
  if (!configuration) return configuration.error();
  for (const ConfiguredOption& configured : *configuration) {
    if (std::string error = ApplyConfigured(path, configured, settings); !error.empty()) {
      return error;
    }
  }
  return {};
}

// The error line for a configured path that is not there, or empty. Of one on the command line the
// run itself says so.
std::string CheckConfiguredPaths(const SandboxSettings& settings) {
  if (settings.sandbox.references.allowed == vmm::AllowedReferences::kNone) return {};
  for (const auto& [path, where] : settings.configured_paths) {
    if (access(path.c_str(), F_OK) != 0) {
      return where + ": Could not open '" + path + "': " + std::strerror(errno);
    }
  }
  return {};
}

// One line, whatever the names hold.
void PrintReference(const vmm::OpenedReference& reference) {
  PrintError("opened '" + vmm::PrintableText(reference.path) + "', the " +
             vmm::ReferenceKindName(reference.kind) + " of '" +
             vmm::PrintableText(reference.image) + "'");
}

// Under qemu-img's name nothing is said that qemu-img would not say.
void AnnounceFallback() {
  if (ProgramName() == "qemu-img") return;
  PrintError(
      "KVM is not available: parsing in a sandboxed process instead ('instar doctor' says why, "
      "--isolation=kvm refuses this)");
}

// What the run goes without, as far as it matters.
void AnnounceMissing(const SandboxSettings& settings) {
  if (ProgramName() == "qemu-img" || settings.sandbox.require.landlock) return;
  if (vmm::LandlockVersion() > 0) return;
  PrintError(
      "Landlock is not available: a filter of system calls and a process that opens files take its "
      "place ('instar doctor' says more, --require=landlock refuses this)");
}

}  // namespace

std::span<const OptionRow> SandboxOptionRows() { return kRows; }

bool IsTrace(std::string_view value) { return value == "timing" || value == "references"; }

std::optional<std::string> ApplySandboxOption(const GivenOption& option,
                                              SandboxSettings& settings) {
  vmm::SandboxOptions& sandbox = settings.sandbox;
  switch (option.id) {
    case kIsolation: {
      const auto isolation = IsolationFromName(option.value);
      if (!isolation) return BadIsolation("--isolation", option.value);
      sandbox.isolation = *isolation;
      return std::string();
    }
    case kRequire:
      return StoreRequirements(option.value, sandbox.require);
    case kAllowPath:
      if (option.value.empty()) return "--allow-path needs a directory";
      sandbox.references.allow_paths.push_back(option.value);
      return std::string();
    case kReferences:
      return StoreReferences(option, sandbox.references);
    case kNoReferences:
      sandbox.references.allowed = vmm::AllowedReferences::kNone;
      return std::string();
    case kQemuVersion: {
      const auto version = ParseQemuVersion(option.value);
      if (!version) return version.error();
      settings.qemu_version = *version;
      return std::string();
    }
    case kMaxMemory:
      return StoreMemory(option, sandbox);
    case kMaxVirtualSize:
      return Store(ParseByteSize(option.value, "virtual size"), sandbox.max_virtual_bytes);
    case kMaxOutputSize:
      return Store(ParseByteSize(option.value, "output size"), sandbox.max_output_bytes);
    case kMaxChainDepth:
      return Store(ParseNumber(option.value, "depth of the backing chain", 1, 1024),
                   sandbox.max_chain_depth);
    case kTimeout:
      return StoreSeconds(option, sandbox.time_limit);
    case kStallTimeout:
      return StoreSeconds(option, sandbox.stall_timeout);
    case kWorkers:
      return Store(ParseNumber(option.value, "number of workers", 1, kLargestWorkers),
                   sandbox.workers);
    case kReproducible:
      settings.reproducible = true;
      return std::string();
    case kStrict:
      settings.strict = true;
      return std::string();
    case kTraceOption:
      if (option.value == "references") {
        sandbox.notices.reference_opened = PrintReference;
        return std::string();
      }
      if (option.value != "timing") {
        return "--trace: unknown '" + option.value + "'; use timing or references";
      }
      if (settings.trace != nullptr) sandbox.timing = settings.trace->Want();
      return std::string();
    default:
      return std::nullopt;
  }
}

std::string LoadDefaults(SandboxSettings& settings) {
  for (const ConfigurationFile& file :
       {ConfigurationFile{.path = "/etc/instar/config.toml", .base = "/etc"},
        UserConfiguration()}) {
    if (std::string error = ApplyConfiguration(file, settings); !error.empty()) return error;
  }
  settings.strict_by_configuration = std::exchange(settings.strict, false);
  if (const char* paths = std::getenv("INSTAR_ALLOW_PATH"); paths != nullptr) {
    std::vector<std::string>& allowed = settings.sandbox.references.allow_paths;
    const std::size_t before = allowed.size();
    AppendPaths(paths, allowed);
    for (std::size_t i = before; i < allowed.size(); ++i) {
      settings.configured_paths.push_back({.path = allowed[i], .where = "INSTAR_ALLOW_PATH"});
    }
  }
  if (const char* name = std::getenv("INSTAR_ISOLATION"); name != nullptr && *name != '\0') {
    std::string error = ApplyDefaultIsolation("INSTAR_ISOLATION", name, settings);
    if (!error.empty()) return error;
  }
  // What builds say who want the same bytes each time. No image here holds a time.
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH"); epoch != nullptr && *epoch != '\0') {
    settings.reproducible = true;
  }
  if (const char* text = std::getenv("INSTAR_QEMU_VERSION"); text != nullptr && *text != '\0') {
    const auto version = ParseQemuVersion(text);
    if (!version) return "INSTAR_QEMU_VERSION: " + version.error();
    settings.qemu_version = *version;
  }
  return {};
}

int SettleIsolation(SandboxSettings& settings) {
  vmm::Mark(settings.sandbox.timing, vmm::TimingPhase::kCommandLine);
  const vmm::Isolation wanted = settings.sandbox.isolation;
  if (wanted == vmm::Isolation::kInline && vmm::inline_executor_factory() == nullptr) {
    return ContinueWithoutIsolation();
  }
  if (const std::string error = CheckConfiguredPaths(settings); !error.empty()) {
    return PrintError(error);
  }
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

void ConfirmIsolation(const SandboxSettings& settings, vmm::Isolation used) {
  const bool fallback =
      settings.sandbox.isolation == vmm::Isolation::kAuto && used == vmm::Isolation::kProcess;
  if (fallback && !settings.fallback_announced) AnnounceFallback();
}

}  // namespace instar::cli
