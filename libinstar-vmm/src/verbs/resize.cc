#include "instar/vmm/resize.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>

#include "broker/broker.h"
#include "broker/device_table.h"
#include "formats/base/formats.h"
#include "instar/abi/part.h"
#include "instar/requests.h"
#include "instar/vmm/info.h"
#include "operation/status_macros.h"
#include "report/one_record.h"
#include "verbs/open_image.h"
#include "verbs/requested_format.h"
#include "verbs/table_workers.h"
#include "verbs/target_bound.h"
#include "verbs/unfit_footer.h"
#include "verbs/verb_run.h"

namespace instar::vmm {
namespace {

// How much longer the file may become: a disk of the size that is asked for, or of as much as a
// disk may have, could need that.
std::uint64_t MostBytes(const ResizeOptions& options) {
  return MostFileBytes(FormatId::kQcow2,
                       std::max(options.bytes, options.sandbox.max_virtual_bytes));
}

// Whether the image may have an external data file. A guest in a run of its own tells which; that
// takes as long as the change itself, so files without the sign of one are spared it: the magic
// number of qcow2 and bit 2 of its incompatible features. If this is wrong, nothing is: the guest
// that makes the change refuses an image whose data file is not open.
bool MayHaveDataFile(const ImageSpec& image) {
  const OwnedFd file(open(image.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  constexpr std::array<unsigned char, 4> kMagic = {'Q', 'F', 'I', 0xFB};
  constexpr std::size_t kFeatures = 79;  // the lowest byte of eight
  constexpr unsigned kDataFile = 4;
  std::array<unsigned char, kFeatures + 1> head{};
  const ssize_t count = file.valid() ? pread(file.get(), head.data(), head.size(), 0) : 0;
  return count == static_cast<ssize_t>(head.size()) &&
         std::ranges::equal(kMagic, std::span(head).first(kMagic.size())) &&
         (head[kFeatures] & kDataFile) != 0;
}

// The name of the data file as the image gives it; empty if it has none.
absl::StatusOr<std::string> DataFileOf(const ResizeOptions& options) {
  if (!MayHaveDataFile(options.image)) return std::string();
  InfoOptions question{.image = options.image, .sandbox = options.sandbox};
  if (question.sandbox.jail == Jail::kThisProcess) question.sandbox.jail = Jail::kChildProcess;
  question.image.backing.clear();
  question.sandbox.notices = {};
  const absl::StatusOr<InfoReport> info = Info(question);
  if (!info.ok()) return info.status();
  const auto specific = info->images.front().report.Find("format-specific");
  const auto data = specific ? specific->Find("data") : std::nullopt;
  return data ? std::string(data->StringAt("data-file")) : std::string();
}

absl::StatusOr<Isolation> ResizeHere(const ResizeOptions& options,
                                     const std::string& data_file_name, VerbRun& run) {
  const SandboxOptions& sandbox = run.sandbox();
  Broker broker({.max_output_bytes = sandbox.max_output_bytes,
                 .max_disk_file_bytes = MostBytes(options),
                 .kept_targets_grow = true,
                 .max_chain_depth = sandbox.max_chain_depth});
  INSTAR_ASSIGN_OR_RETURN_STATUS(
      const ImageSource image,
      OpenImageToEdit(broker, options.image, {.keep = true, .edit = true, .cache = options.cache}));
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(sandbox.references));
  DeviceId data_file = kNoDevice;
  if (!data_file_name.empty()) {
    INSTAR_ASSIGN_OR_RETURN_STATUS(
        data_file, broker.OpenDataFile(image.device, data_file_name,
                                       {.keep = true, .edit = true, .cache = options.cache}));
  }
  return VerbRun::Change(broker, [&]() -> absl::StatusOr<Isolation> {
    return run.Guest(broker,
                     ResizeRequest{.image = image,
                                   .data_file = data_file,
                                   .change = options.change,
                                   .bytes = options.bytes,
                                   .shrink = options.shrink,
                                   .growth = options.growth,
                                   .max_chain_depth = sandbox.max_chain_depth},
                     {.parts = 1 << INSTAR_PART_ZSTD_IN,
                      .max_workers = TableWorkersFor(broker.readable_bytes()),
                      .seldom_opens = true});
  });
}

}  // namespace

absl::StatusOr<ResizeReport> Resize(const ResizeOptions& options) {
  const absl::StatusOr<std::string> data_file = DataFileOf(options);
  if (!data_file.ok()) return data_file.status();
  OneRecord<ResizeRecord> told;
  VerbRun run("resize", ShownName(options.image), options.sandbox, told);
  const absl::StatusOr<Isolation> isolation =
      run.Run([&] { return ResizeHere(options, *data_file, run); });
  ResizeReport report;
  if (isolation.ok() || told.Complete()) {
    static_cast<ResizeRecord&>(report) = told.record();
    if (report.unfit_footer) report.warnings.push_back(UnfitFooterWarning(options.image));
    if (options.opened) options.opened(report);
  }
  if (!isolation.ok()) return isolation.status();
  report.isolation = *isolation;
  return report;
}

}  // namespace instar::vmm
