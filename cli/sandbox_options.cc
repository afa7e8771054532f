#include "cli/sandbox_options.h"

#include <absl/strings/str_split.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "cli/configuration.h"
#include "cli/option_rows.h"
#include "cli/program.h"
#include "report/printable_text.h"

namespace instar::cli {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;
constexpr std::uint64_t kLongestSeconds = 10'000'000;

constexpr Choice<vmm::Isolation> kIsolations[] = {
    {"auto", vmm::Isolation::kAuto},
    {"kvm", vmm::Isolation::kKvm},
    {"process", vmm::Isolation::kProcess},
    {"none", vmm::Isolation::kInline},
};
constexpr Choice<bool vmm::Requirements::*> kRequirements[] = {
    {"kvm", &vmm::Requirements::kvm},
    {"seccomp", &vmm::Requirements::seccomp},
    {"landlock", &vmm::Requirements::landlock},
    {"openat2", &vmm::Requirements::openat2},
};
constexpr Choice<vmm::AllowedReferences> kReferences[] = {
    {"none", vmm::AllowedReferences::kNone},
    {"directory", vmm::AllowedReferences::kDirectory},
    {"any-owner", vmm::AllowedReferences::kAnyOwner},
};
// How a trace is asked for.
using StartTrace = void (*)(SandboxSettings&);
void TraceTiming(SandboxSettings& settings);
void TraceReferences(SandboxSettings& settings);
constexpr Choice<StartTrace> kTraces[] = {{"timing", TraceTiming}, {"references", TraceReferences}};

// ---- values

OrStop<vmm::Isolation> ReadIsolation(std::string_view where, const std::string& value) {
  if (const auto isolation = Choose(kIsolations, value)) return *isolation;
  return Refusal(std::string(where) + ": unknown isolation '" + value +
                 "'; use auto, kvm, process or none");
}

OrStop<vmm::Isolation> ReadIsolationOption(const GivenOption& given) {
  return ReadIsolation("--isolation", given.value);
}

OrStop<vmm::AllowedReferences> ReadReferences(const GivenOption& given) {
  if (const auto allowed = Choose(kReferences, given.value)) return *allowed;
  return Refusal("--references: unknown '" + given.value + "'; use none, directory or any-owner");
}

OrStop<std::chrono::milliseconds> ReadSeconds(const GivenOption& given) {
  INSTAR_ASSIGN_OR_RETURN(
      const std::uint64_t seconds,
      ReadNumber(given, "number of seconds in " + given.spelling, 1, kLongestSeconds));
  return std::chrono::seconds(seconds);
}

OrStop<std::uint64_t> ReadMemory(const GivenOption& given) {
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t bytes, ReadSize(given, "memory size"));
  if (bytes < 16 * kMebibyte || bytes > 4096 * kMebibyte) {
    return Refusal("Invalid memory size specified. Must be between 16M and 4G.");
  }
  return bytes;
}

OrStop<QemuVersion> ReadQemuVersion(const GivenOption& given) {
  return OrRefuse(ParseQemuVersion(given.value));
}

// The names of a list separated by commas. Each adds to what is required already.
OrStop<void> TakeRequirements(SandboxSettings& settings, GivenOption& given) {
  for (std::string_view list = given.value;;) {
    const std::size_t comma = list.find(',');
    const std::string_view name = list.substr(0, comma);
    const auto required = Choose(kRequirements, name);
    if (!required) {
      return Refusal("--require: unknown '" + std::string(name) +
                     "'; use kvm, seccomp, landlock or openat2, separated by commas");
    }
    settings.sandbox.require.*(*required) = true;
    if (comma == list.npos) return {};
    list = list.substr(comma + 1);
  }
}

OrStop<void> TakeAllowedPath(SandboxSettings& settings, GivenOption& given) {
  if (given.value.empty()) return Refusal("--allow-path needs a directory");
  settings.sandbox.references.allow_paths.push_back(std::move(given.value));
  return {};
}

// One line, whatever the names hold.
void PrintReference(const vmm::OpenedReference& reference) {
  PrintError("opened '" + vmm::PrintableText(reference.path) + "', the " +
             vmm::ReferenceKindName(reference.kind) + " of '" +
             vmm::PrintableText(reference.image) + "'");
}

void TraceReferences(SandboxSettings& settings) {
  settings.sandbox.notices.reference_opened = PrintReference;
}

void TraceTiming(SandboxSettings& settings) {
  if (settings.trace != nullptr) settings.sandbox.timing = settings.trace->Want();
}

// ---- rows

using Settings = SandboxSettings;
using Sandbox = vmm::SandboxOptions;

constexpr OptionRow kRows[] = {
    Value<ReadIsolationOption, &Settings::sandbox, &Sandbox::isolation>(
        "isolation", kAlternatives<kIsolations>.data(),
        "where images are parsed: kvm (a virtual machine), process (a child process without\n"
        "files or privileges), none (here, unprotected), or auto (the default: kvm if it works,\n"
        "else process)"),
    Call<TakeRequirements>(
        "require", kAlternatives<kRequirements>.data(),
        "refuse to run where this is not active; several are separated by commas\n"
        "('instar doctor' says what there is)"),
    Call<TakeAllowedPath>(
        "allow-path", "DIR",
        "let images refer to files in DIR and below; may be repeated. A file may be given, too,\n"
        "and stands for itself alone. Files in the directory of the image that names them, and\n"
        "below, are allowed anyway. Hidden files and directories have to be named themselves"),
    Value<ReadReferences, &Settings::sandbox, &Sandbox::references, &vmm::ReferencePolicy::allowed>(
        "references", kAlternatives<kReferences>.data(),
        "which of the files that are allowed so are opened: none; directory (the default: those\n"
        "that belong to root, to you or to the image's owner); any-owner (whoever they belong to)"),
    Set<vmm::AllowedReferences::kNone, &Settings::sandbox, &Sandbox::references,
        &vmm::ReferencePolicy::allowed>("no-references", "as --references=none"),
    Value<ReadQemuVersion, &Settings::qemu_version>("qemu-version", "X.Y",
                                                    "print what that version of qemu-img prints"),
    Value<ReadMemory, &Settings::sandbox, &Sandbox::guest_memory_bytes>(
        "max-memory", "SIZE", "memory for parsing, 16M to 4G (default 512M)"),
    Size<"virtual size", &Settings::sandbox, &Sandbox::max_virtual_bytes>(
        "max-virtual-size",
        "refuse to convert larger virtual disks, and let no file that is written become longer\n"
        "than such a disk can need (default 1P); create makes the disk that was asked for"),
    Size<"output size", &Settings::sandbox, &Sandbox::max_output_bytes>(
        "max-output-size", "let no file written, nor text printed, grow longer"),
    Number<"depth of the backing chain", 1, 1024, &Settings::sandbox, &Sandbox::max_chain_depth>(
        "max-chain-depth", "images a backing chain may have, 1 to 1024 (default 64)"),
    Value<ReadSeconds, &Settings::sandbox, &Sandbox::time_limit>(
        "timeout", "SECONDS",
        "end the whole operation after so long, whatever it waits for, and remove the files that\n"
        "it created (default for info, and for create without preallocation=full or falloc: 60)"),
    Value<ReadSeconds, &Settings::sandbox, &Sandbox::stall_timeout>(
        "stall-timeout", "SECONDS",
        "end it when one of its processors makes no progress for so long (default 30)"),
    Number<"number of workers", 1, 16, &Settings::sandbox, &Sandbox::workers>(
        "workers", "processors to parse and compress on, 1 to 16 (default: all)"),
    Flag<&Settings::reproducible>(
        "reproducible",
        "let the identities of a new image (a UUID, a content ID) follow from what it holds, not\n"
        "from chance; SOURCE_DATE_EPOCH in the environment does the same"),
    Flag<&Settings::strict>(
        "strict",
        "refuse images that do not pass the strict profile; their format must be stated. With\n"
        "info: print the verdict (exit code 0 passed, 2 refused, 1 could not be judged)"),
    Call<TakeTrace>(
        "trace", kAlternatives<kTraces>.data(),
        "say on standard error where the time of the run went (timing), or which files were\n"
        "opened because an image names them (references); may be repeated"),
};

// ---- configuration

// An isolation that a file or the environment asks for. Giving up the protection needs more than
// that: an option on the command line.
OrStop<void> TakeDefaultIsolation(const std::string& where, const std::string& name,
                                  SandboxSettings& settings) {
  INSTAR_ASSIGN_OR_RETURN(const vmm::Isolation isolation, ReadIsolation(where, name));
  if (isolation == vmm::Isolation::kInline) {
    return Refusal(where +
                   ": isolation 'none' can only be chosen on the command line (--isolation=none)");
  }
  settings.sandbox.isolation = isolation;
  return {};
}

// The value of an environment variable, if it is not empty.
std::optional<std::string> Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

// A configuration file, and the directory above it that belongs to whom the file is to belong to.
struct ConfigurationFile {
  std::string path;
  std::string base;
};

ConfigurationFile UserConfiguration() {
  for (const auto& [variable, below] :
       {std::pair{"XDG_CONFIG_HOME", ""}, std::pair{"HOME", "/.config"}}) {
    const std::string base = Environment(variable).value_or("");
    if (base.starts_with('/')) return {.path = base + below + "/instar/config.toml", .base = base};
  }
  return {};
}

// `where` names the environment variable, or the file and the line.
OrStop<void> ApplyConfigured(const std::string& where, ConfiguredOption configured,
                             SandboxSettings& settings) {
  const auto row = std::ranges::find(kRows, configured.option, &OptionRow::names);
  if (row == std::end(kRows)) return Refusal(where + ": there is no option --" + configured.option);
  if (configured.option == "isolation") {
    return TakeDefaultIsolation(where, configured.value, settings);
  }
  if ((row->value == nullptr) != configured.value.empty()) {
    return Refusal(where +
                   (row->value == nullptr ? ": only true or false can be said of '"
                                          : ": there is no value for '") +
                   configured.option + "'");
  }
  if (configured.option == "allow-path") {
    settings.configured_paths.push_back(
        {.path = configured.value, .where = where + (configured.line == 0 ? "" : ": allow_paths")});
  }
  GivenOption option{.row = row,
                     .target = &settings,
                     .spelling = "--" + configured.option,
                     .value = std::move(configured.value)};
  const OrStop<void> taken = option.Take();
  return taken ? taken : Refusal(where + ": " + taken.error().text);
}

// Under qemu-img's name nothing is said that qemu-img would not say.
void WarnOfUnknownConfiguration(const std::string& path, int error) {
  if (ProgramName() == "qemu-img") return;
  PrintError("warning: whether there is a configuration file '" + path + "' cannot be seen: " +
             std::strerror(error) + " (set XDG_CONFIG_HOME or HOME to another directory)");
}

OrStop<void> ApplyConfiguration(const ConfigurationFile& file, SandboxSettings& settings) {
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
    return Refusal("'" + path +
                   "' is a symbolic link that leads to no file (remove it, or mend it)");
  }
  INSTAR_ASSIGN_OR_RETURN(const std::vector<ConfiguredOption> configuration,
                          OrRefuse(ReadConfiguration(path, file.base)));
  for (const ConfiguredOption& configured : configuration) {
    const std::string where = path + ": line " + std::to_string(configured.line);
    INSTAR_TRY(ApplyConfigured(where, configured, settings));
  }
  return {};
}

}  // namespace

std::span<const OptionRow> SandboxOptionRows() { return kRows; }

bool IsTrace(std::string_view value) { return Choose(kTraces, value).has_value(); }

OrStop<void> TakeTrace(SandboxSettings& settings, GivenOption& given) {
  const auto start = Choose(kTraces, given.value);
  if (!start) return Refusal("--trace: unknown '" + given.value + "'; use timing or references");
  (*start)(settings);
  return {};
}

OrStop<void> LoadDefaults(SandboxSettings& settings) {
  for (const ConfigurationFile& file :
       {ConfigurationFile{.path = "/etc/instar/config.toml", .base = "/etc"},
        UserConfiguration()}) {
    INSTAR_TRY(ApplyConfiguration(file, settings));
  }
  settings.strict_by_configuration = std::exchange(settings.strict, false);
  const std::string paths = Environment("INSTAR_ALLOW_PATH").value_or("");
  for (const absl::string_view path : absl::StrSplit(paths, ':', absl::SkipEmpty())) {
    INSTAR_TRY(ApplyConfigured("INSTAR_ALLOW_PATH",
                               {.option = "allow-path", .value = std::string(path)}, settings));
  }
  for (const auto& [variable, option] : {std::pair{"INSTAR_ISOLATION", "isolation"},
                                         std::pair{"INSTAR_QEMU_VERSION", "qemu-version"}}) {
    if (auto value = Environment(variable)) {
      INSTAR_TRY(ApplyConfigured(variable, {.option = option, .value = *value}, settings));
    }
  }
  // Reproducible builds set this. Its value does not matter, because no image here holds a time.
  if (Environment("SOURCE_DATE_EPOCH")) settings.reproducible = true;
  return {};
}

}  // namespace instar::cli
