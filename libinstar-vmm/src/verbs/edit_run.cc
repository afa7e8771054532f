#include "verbs/edit_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "broker/device_table.h"
#include "formats/base/formats.h"
#include "instar/abi/part.h"
#include "instar/vmm/info.h"
#include "operation/status_macros.h"
#include "verbs/open_image.h"
#include "verbs/table_workers.h"
#include "verbs/target_bound.h"

namespace instar::vmm {
namespace {

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

}  // namespace

absl::StatusOr<std::string> DataFileOf(const ImageSpec& image, const SandboxOptions& sandbox) {
  if (!MayHaveDataFile(image)) return std::string();
  InfoOptions question{.image = image, .sandbox = sandbox};
  if (question.sandbox.jail == Jail::kThisProcess) question.sandbox.jail = Jail::kChildProcess;
  question.image.backing.clear();
  question.sandbox.notices = {};
  const absl::StatusOr<InfoReport> info = Info(question);
  if (!info.ok()) return info.status();
  const auto specific = info->images.front().report.Find("format-specific");
  const auto data = specific ? specific->Find("data") : std::nullopt;
  return data ? std::string(data->StringAt("data-file")) : std::string();
}

absl::StatusOr<Isolation> EditHere(const EditOptions& options, VerbRun& run, const EditWork& work) {
  const SandboxOptions& sandbox = run.sandbox();
  Broker broker({.max_output_bytes = sandbox.max_output_bytes,
                 .max_disk_file_bytes = MostFileBytes(
                     FormatId::kQcow2, std::max(options.virtual_bytes, sandbox.max_virtual_bytes)),
                 .kept_targets_grow = true,
                 .max_chain_depth = sandbox.max_chain_depth});
  const TargetOptions how{.keep = true, .edit = true, .cache = options.cache};
  EditedSource source;
  INSTAR_ASSIGN_OR_RETURN_STATUS(source.image, OpenImageToEdit(broker, options.image, how));
  INSTAR_RETURN_IF_ERROR(broker.AllowReferences(sandbox.references));
  if (!options.data_file.empty()) {
    INSTAR_ASSIGN_OR_RETURN_STATUS(
        source.data_file, broker.OpenDataFile(source.image.device, options.data_file, how));
  }
  // What lies behind the data may be moved down by a second change, which looks over all again.
  broker.set_read_passes(TablePassesFor(broker.readable_bytes(), /*looks=*/2));
  return VerbRun::Change(broker, [&] {
    return work(broker, source,
                {.parts = 1 << INSTAR_PART_ZSTD_IN,
                 .max_workers = TableWorkersFor(broker.readable_bytes()),
                 .seldom_opens = true});
  });
}

}  // namespace instar::vmm
