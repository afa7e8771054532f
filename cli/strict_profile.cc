#include "cli/strict_profile.h"

#include <utility>

#include "broker/local_path.h"
#include "broker/stream_opening.h"
#include "cli/json_text.h"
#include "cli/program.h"
#include "cli/terminal_text.h"
#include "verbs/convert_target.h"

namespace instar::cli {
namespace {

std::string Line(const vmm::StrictReason& reason) {
  return reason.code + ": " + reason.message + " (offset " + std::to_string(reason.offset) + ")";
}

Judgement JudgeFile(const SandboxSettings& settings, vmm::StrictOptions options) {
  options.sandbox = settings.sandbox;
  // The verb itself runs afterwards: this process must stay free until then.
  options.sandbox.jail = vmm::Jail::kChildProcess;
  const absl::StatusOr<vmm::StrictVerdict> verdict = vmm::Inspect(options);
  if (!verdict.ok()) {
    PrintError(verdict.status());
    return Judgement::kNotJudged;
  }
  for (const vmm::StrictReason& reason : verdict->reasons) {
    PrintError(options.path + ": refused by the strict profile: " + Line(reason));
  }
  return verdict->passed ? Judgement::kPassed : Judgement::kRefused;
}

Judgement CannotJudge(const std::string& path, const char* why) {
  PrintError(path + ": the strict profile cannot judge " + why);
  return Judgement::kNotJudged;
}

Judgement JudgeImage(const SandboxSettings& settings, const vmm::ImageSpec& image,
                     bool force_share) {
  if (vmm::IsInputStream(image.path)) return CannotJudge(image.path, "a pipe; name a file");
  if (image.window) return CannotJudge(image.path, "a part of a file (offset=, size=)");
  Judgement judgement = JudgeFile(settings, {.path = image.path,
                                             .format = image.format,
                                             .force_share = force_share || image.force_share});
  for (const vmm::BackingSpec& below : image.backing) {
    if (judgement != Judgement::kPassed) break;
    // Without a path it is what the image above names, which then has been refused for that.
    if (below.path.empty()) continue;
    if (below.window) return CannotJudge(below.path, "a part of a file (offset=, size=)");
    judgement = JudgeFile(settings, {.path = below.path,
                                     .format = below.format,
                                     .force_share = force_share || below.force_share});
  }
  return judgement;
}

}  // namespace

Judgement JudgeSources(SandboxSettings& settings, std::span<const vmm::ImageSpec> images,
                       bool force_share) {
  if (!settings.strict && !settings.strict_by_configuration) return Judgement::kPassed;
  settings.sandbox.references.allowed = vmm::AllowedReferences::kNone;
  for (const vmm::ImageSpec& image : images) {
    const Judgement judgement = JudgeImage(settings, image, force_share);
    if (judgement != Judgement::kPassed) return judgement;
  }
  return Judgement::kPassed;
}

std::optional<vmm::ImageSpec> BackingOf(const std::string& target, const std::string& backing_file,
                                        const std::string& backing_format,
                                        const std::string& option_list) {
  const std::string name =
      backing_file.empty() ? vmm::TextOption(option_list, "backing_file") : backing_file;
  if (name.empty()) return std::nullopt;
  return vmm::ImageSpec{.path = vmm::CombinePath(target, name),
                        .format = backing_format.empty()
                                      ? vmm::TextOption(option_list, "backing_fmt")
                                      : backing_format};
}

std::string VerdictText(const vmm::StrictVerdict& verdict) {
  std::string text;
  for (const vmm::StrictReason& reason : verdict.reasons) {
    text += TerminalText(Line(reason)) + '\n';
  }
  return text + (verdict.passed ? "verdict: passed\n" : "verdict: refused\n");
}

void WriteVerdictJson(const vmm::StrictVerdict& verdict, TextOutput& out) {
  JsonWriter json(out);
  json.BeginObject({});
  json.String("verdict", verdict.passed ? "passed" : "refused");
  json.String("format", verdict.format);
  json.BeginArray("reasons");
  for (const vmm::StrictReason& reason : verdict.reasons) {
    json.BeginObject({});
    json.String("code", reason.code);
    json.String("message", reason.message);
    json.Unsigned("offset", reason.offset);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  out.Add('\n');
}

}  // namespace instar::cli
