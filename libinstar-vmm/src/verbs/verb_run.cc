#include "verbs/verb_run.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "timing/mark.h"
#include "verbs/time_limit.h"

namespace instar::vmm {

VerbRun::VerbRun(std::string_view verb, std::string_view image, const SandboxOptions& sandbox,
                 RecordReceiver& receiver, std::chrono::milliseconds own_limit)
    : verb_(verb), image_(image), sandbox_(sandbox), receiver_(receiver) {
  FixDeadline(sandbox_, own_limit);
}

absl::StatusOr<Isolation> VerbRun::Run(const Body& body) {
  if (sandbox_.jail != Jail::kChildProcess) {
    absl::StatusOr<Isolation> result = body();
    Mark(sandbox_.timing, TimingPhase::kResult);
    return result;
  }
  const auto in_child = [&](const ChildChannel& channel) {
    parent_ = &channel;
    sandbox_.jail = Jail::kThisProcess;
    sandbox_.notices = channel.notices;
    if (progress_) progress_ = channel.progress;
    return body();
  };
  return Completed(
      RunInChild(in_child, {.progress = progress_,
                            .records =
                                [this](std::span<const std::byte> batch) {
                                  return receiver_.Accept(batch) == RecordVerdict::kAccepted;
                                },
                            .file = [this](const DeviceRecord& file) { files_.push_back(file); },
                            .created =
                                [](const std::vector<CreatedFile>& files) {
                                  for (const CreatedFile& file : files) RemoveCreatedFile(file);
                                },
                            .edited =
                                [](const std::vector<EditedFile>& files) {
                                  for (const EditedFile& file : files) CutBackEditedFile(file);
                                },
                            .flip = {},
                            .notices = sandbox_.notices,
                            .timing = sandbox_.timing,
                            .deadline = sandbox_.deadline,
                            .late = LateText(image_, verb_, sandbox_.time_limit)}));
}

absl::StatusOr<Isolation> VerbRun::RunGuest(Broker& broker, const OperationOptions& how) {
  if (progress_) broker.set_progress(progress_);
  broker.set_record_sink([this](std::span<const std::byte> batch) { return Accept(batch); });
  if (hands_on() && !broker.created_files().empty()) parent_->created(broker.created_files());
  if (hands_on() && !broker.edited_files().empty()) {
    parent_->edited(broker.edited_files());
    broker.set_flip_notice([this] { parent_->flip(); });
  }
  broker_ = &broker;
  absl::StatusOr<Isolation> result = RunOperation(broker, sandbox_, how);
  NoteFiles();
  broker_ = nullptr;
  return Completed(std::move(result));
}

absl::StatusOr<Isolation> VerbRun::Write(Broker& broker, const Body& work) {
  absl::StatusOr<Isolation> result = work();
  if (result.ok()) {
    if (absl::Status status = broker.Commit(); !status.ok()) result = status;
  }
  if (!result.ok()) broker.Discard();
  return result;
}

absl::StatusOr<Isolation> VerbRun::Change(Broker& broker, const Body& work) {
  using Phase = EditedFiles::Phase;
  absl::StatusOr<Isolation> result = work();
  if (!result.ok()) broker.Discard();
  const Phase phase = broker.change();
  if (phase == Phase::kDoubtful) {
    // Nobody else may say that it went well.
    const std::string why =
        result.ok() ? broker.host_failure() : std::string(result.status().message());
    const absl::StatusCode code = result.ok() ? absl::StatusCode::kUnknown : result.status().code();
    result = absl::Status(
        code,
        absl::StrCat(why,
                     "; the file holds the old image or the new one, whole, and after a crash "
                     "it may be either"));
  } else if (phase == Phase::kFlipped && !result.ok()) {
    result = absl::Status(
        result.status().code(),
        absl::StrCat(result.status().message(), "; the change had taken effect before that"));
  }
  broker.EndChange();
  return result;
}

RecordVerdict VerbRun::Accept(std::span<const std::byte> batch) {
  NoteFiles();
  if (verdict_ == RecordVerdict::kAccepted) verdict_ = receiver_.Accept(batch);
  if (verdict_ == RecordVerdict::kAccepted && hands_on() && !parent_->records(batch)) {
    verdict_ = RecordVerdict::kOverLimit;
  }
  return verdict_;
}

void VerbRun::NoteFiles() {
  while (files_.size() < broker_->device_count()) {
    files_.push_back(broker_->device(DeviceId{static_cast<std::uint32_t>(files_.size())}));
    if (hands_on()) parent_->file(files_.back());
  }
}

absl::StatusOr<Isolation> VerbRun::Completed(absl::StatusOr<Isolation> result) {
  if (!result.ok() || receiver_.Complete()) return result;
  return absl::AbortedError(
      absl::StrCat(std::string(verb_), ": the guest's report is malformed or incomplete"));
}

}  // namespace instar::vmm
