// What is the same in the host's function of every verb: open files, encode the request, run the
// guest where the caller wants it, take its records, keep or remove what was made.
//
// A verb's function is mostly its body, which opens the files and fills in the request:
//
//   OneRecord<MeasureRecord> told;
//   VerbRun run("measure", ShownName(options.image), options.sandbox, told);
//   const auto isolation = run.Run([&]() -> absl::StatusOr<Isolation> {
//     Broker broker({.max_chain_depth = run.sandbox().max_chain_depth});
//     INSTAR_ASSIGN_OR_RETURN_STATUS(ImageSource image, OpenImage(broker, options.image, {}));
//     return run.Guest(broker, MeasureRequest{.image = image});
//   });
//
// With Jail::kChildProcess the body runs in a child (child.h), which also takes the records, to
// validate them, and hands them on. The parent's receiver then takes the same records. Nothing else
// comes back but the isolation that was used, so what the caller gets is made from the receiver
// after Run, by one code in both cases.
#ifndef LIBINSTAR_VMM_SRC_VERBS_VERB_RUN_H_
#define LIBINSTAR_VMM_SRC_VERBS_VERB_RUN_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "instar/requests.h"
#include "instar/verb_table.h"
#include "instar/vmm/sandbox.h"
#include "operation/operation.h"
#include "operation/status_macros.h"
#include "report/record_sink.h"
#include "verbs/child.h"

namespace instar::vmm {

// What a guest is given besides what its row of the verb table says.
struct GuestChoice {
  PartSet parts = 0;           // that it may need
  unsigned max_workers = ~0u;  // at least 1
  // Most runs open no further file: where Landlock confines that, none gets a process that opens
  // files for it (jail/opener.h), whose start would be a part of the run's time worth saving.
  bool seldom_opens = false;
};

class VerbRun {
 public:
  using Body = std::function<absl::StatusOr<Isolation>()>;

  // Fixes the deadline. Messages call the run `verb` and `image`. `receiver` takes the guest's
  // records. `own_limit`: as FixDeadline.
  VerbRun(std::string_view verb, std::string_view image, const SandboxOptions& sandbox,
          RecordReceiver& receiver, std::chrono::milliseconds own_limit = {});

  // Shown how far the guest is. May be empty.
  void set_progress(ProgressCallback progress) { progress_ = std::move(progress); }

  // Runs `body` where the sandbox's jail is to be, and returns what it returned. kAborted if the
  // receiver is not complete then.
  absl::StatusOr<Isolation> Run(const Body& body);

  // For the body: runs the guest that carries out `request`. Tells the parent first which files
  // were made: should this process be killed, that removes them.
  template <typename Request>
  absl::StatusOr<Isolation> Guest(Broker& broker, const Request& request,
                                  const GuestChoice& choice = {}) {
    WireWriter writer;
    EncodeRequest(request, writer);
    return RunGuest(broker, {.guest = kGuestVerb<Request>,
                             .verb = verb_,
                             .request = writer.bytes(),
                             .parts = choice.parts,
                             .max_workers = choice.max_workers,
                             .seldom_opens = choice.seldom_opens});
  }

  // For the body: does `work`, and then keeps the files that were made, or removes them if anything
  // failed.
  static absl::StatusOr<Isolation> Write(Broker& broker, const Body& work);

  // For the body: does `work`, which changes files in place. If it fails before the change took
  // effect, the files are cut back to their old lengths; later, the status says what may have
  // become of them. Files are flushed by the change itself, as far as that is needed.
  static absl::StatusOr<Isolation> Change(Broker& broker, const Body& work);

  // What the caller asked for, and in the body what holds there.
  [[nodiscard]] const SandboxOptions& sandbox() const { return sandbox_; }
  // The files opened so far, by number; at least those that the records tell of.
  [[nodiscard]] const std::vector<DeviceRecord>& files() const { return files_; }
  // The broker while the guest runs in this process, else null.
  [[nodiscard]] const Broker* broker() const { return broker_; }
  // Whether this process only validates records, for a parent that takes them.
  [[nodiscard]] bool hands_on() const { return parent_ != nullptr; }

 private:
  absl::StatusOr<Isolation> RunGuest(Broker& broker, const OperationOptions& how);
  RecordVerdict Accept(std::span<const std::byte> batch);
  void NoteFiles();
  [[nodiscard]] absl::StatusOr<Isolation> Completed(absl::StatusOr<Isolation> result);

  const std::string_view verb_;
  const std::string image_;
  SandboxOptions sandbox_;
  RecordReceiver& receiver_;
  ProgressCallback progress_;
  std::vector<DeviceRecord> files_;
  RecordVerdict verdict_ = RecordVerdict::kAccepted;
  const Broker* broker_ = nullptr;
  const ChildChannel* parent_ = nullptr;  // set in a child
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_VERB_RUN_H_
