// instar doctor: says which protection this machine offers.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "cli/json_text.h"
#include "cli/program.h"
#include "cli/shared_options.h"
#include "cli/terminal_text.h"
#include "cli/verb.h"
#include "instar/vmm/doctor.h"

namespace instar::cli {
namespace {

struct DoctorCommand {
  SandboxSettings settings;
  std::string output = "human";
  bool json = false;

  OrStop<void> TakeOperands(const std::vector<std::string>& operands) {
    if (!operands.empty()) return UsageError("doctor takes no file");
    INSTAR_ASSIGN_OR_RETURN(json, ReadForm(output));
    return {};
  }
  int Run(const Verb& verb);
};

constexpr OptionRow kRows[] = {
    Text<&DoctorCommand::output>("output", kForms, kFormHelp),
    kHelpRow,
};

bool Available(std::span<const vmm::DoctorFinding> findings, std::string_view name) {
  return std::ranges::any_of(findings, [name](const vmm::DoctorFinding& finding) {
    return finding.name == name && finding.available;
  });
}

// A line for each thing that is required and would not be active in a run.
std::vector<std::string> Missing(std::span<const vmm::DoctorFinding> findings,
                                 const vmm::SandboxOptions& sandbox) {
  const vmm::Requirements& require = sandbox.require;
  std::vector<std::string> missing;
  const auto demand = [&](bool required, std::string_view name) {
    if (!required || Available(findings, name)) return;
    missing.push_back("'" + std::string(name) + "' is required (--require) but not available");
  };
  const bool without_kvm =
      sandbox.isolation == vmm::Isolation::kProcess || sandbox.isolation == vmm::Isolation::kInline;
  if (require.kvm && without_kvm) {
    missing.emplace_back("'kvm' is required (--require) but --isolation chooses another isolation");
  } else {
    demand(require.kvm, "kvm");
  }
  demand(require.seccomp, "seccomp");
  demand(require.landlock, "landlock");
  demand(require.openat2, "openat2");
  return missing;
}

std::string FindingsText(std::span<const vmm::DoctorFinding> findings, std::string_view isolation) {
  std::size_t width = 0;
  for (const vmm::DoctorFinding& finding : findings) width = std::max(width, finding.name.size());
  std::string text;
  for (const vmm::DoctorFinding& finding : findings) {
    std::string name = finding.name;
    name.resize(width, ' ');
    text +=
        name + (finding.available ? "  yes  " : "  no   ") + TerminalText(finding.detail) + '\n';
  }
  text += "isolation used: ";
  text += isolation;
  return text + '\n';
}

void WriteFindingsJson(std::span<const vmm::DoctorFinding> findings, std::string_view isolation,
                       TextOutput& out) {
  JsonWriter json(out);
  json.BeginObject({});
  json.String("isolation", isolation);
  json.BeginArray("findings");
  for (const vmm::DoctorFinding& finding : findings) {
    json.BeginObject({});
    json.String("name", finding.name);
    json.Boolean("available", finding.available);
    json.String("detail", finding.detail);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  out.Add('\n');
}

int DoctorCommand::Run(const Verb&) {
  const std::vector<vmm::DoctorFinding> findings = vmm::Doctor();
  const vmm::Isolation wanted = settings.sandbox.isolation;
  const bool kvm = wanted != vmm::Isolation::kProcess && Available(findings, "kvm");
  const bool process = wanted != vmm::Isolation::kKvm && Available(findings, "process");
  const std::string_view isolation =
      wanted == vmm::Isolation::kInline ? "none (images are parsed unprotected)"
      : kvm                             ? "kvm"
      : process                         ? "process"
                                        : "not to be had: images cannot be parsed safely here";
  TextOutput out(settings.sandbox.max_output_bytes, PrintOutput);
  if (json) {
    WriteFindingsJson(findings, isolation, out);
  } else {
    out.Add(FindingsText(findings, isolation));
  }
  const int failure = out.Finish();
  const std::vector<std::string> missing = Missing(findings, settings.sandbox);
  for (const std::string& line : missing) PrintError(line);
  return failure == 0 && ((!kvm && !process) || !missing.empty()) ? 1 : failure;
}

}  // namespace

extern constinit const Verb kDoctor = {
    "doctor",
    "say which protection this machine offers",
    "[OPTION...]",
    "Says which protection this machine offers, and which isolation is used. Succeeds if images "
    "can\n"
    "be parsed in a sandbox, and everything is there that --require names.\n",
    kRows,
    RunAs<DoctorCommand>,
};

}  // namespace instar::cli
