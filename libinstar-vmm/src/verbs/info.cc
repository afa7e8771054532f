#include "instar/vmm/info.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/broker.h"
#include "broker/local_path.h"
#include "instar/requests.h"
#include "operation/operation.h"
#include "verbs/jailed_run.h"
#include "verbs/open_image.h"
#include "verbs/result_codec.h"
#include "verbs/stated_format.h"

namespace instar::vmm {
namespace {

// Enough for the largest tables of snapshots and bitmaps that the formats allow to be listed.
constexpr std::uint64_t kHeapBytes = 64 << 20;

constexpr std::uint64_t kUnknownDevice = ~std::uint64_t{0};

// The files that the parts of one image stand in.
class PartFiles {
 public:
  PartFiles(const Broker& broker, std::uint64_t image) : broker_(broker), seen_{image} {}

  // Puts names ("filename") in the place of numbers ("device") throughout `value`.
  void NameIn(ReportValue& value) {
    if (auto* array = std::get_if<ReportValue::Array>(&value.storage())) {
      for (ReportValue& item : *array) NameIn(item);
    }
    auto* object = std::get_if<ReportValue::Object>(&value.storage());
    if (object == nullptr) return;
    for (auto& [key, member] : *object) {
      const auto* number = std::get_if<std::uint64_t>(&member.storage());
      if (key != "device" || number == nullptr) {
        NameIn(member);
        continue;
      }
      const DeviceRecord file = FileOf(*number);
      if (std::ranges::find(seen_, *number) == seen_.end()) {
        seen_.push_back(*number);
        allocated_bytes_ += file.allocated_bytes;
      }
      key = "filename";
      member = ReportValue(file.path);
    }
  }

  // Storage of the files named, but for the image itself.
  [[nodiscard]] std::uint64_t allocated_bytes() const { return allocated_bytes_; }

 private:
  [[nodiscard]] DeviceRecord FileOf(std::uint64_t number) const {
    if (number >= kNoDeviceNumber) return {};
    return broker_.device(DeviceId{static_cast<std::uint32_t>(number)});
  }
  static constexpr std::uint64_t kNoDeviceNumber = static_cast<std::uint32_t>(kNoDevice);

  const Broker& broker_;
  std::vector<std::uint64_t> seen_;
  std::uint64_t allocated_bytes_ = 0;
};

// Adds what only the host knows to what the guest told of one image.
absl::StatusOr<ImageInfo> Complete(const Broker& broker, ReportValue report) {
  const std::uint64_t number = report.UnsignedAt("device", kUnknownDevice);
  const DeviceRecord file = number < kUnknownDevice
                                ? broker.device(DeviceId{static_cast<std::uint32_t>(number)})
                                : DeviceRecord{};
  if (file.path.empty()) return absl::InternalError("info: the guest described no file");
  ImageInfo image;
  image.filename = image.file_path = file.path;
  PartFiles parts(broker, number);
  if (auto* members = std::get_if<ReportValue::Object>(&report.storage())) {
    for (auto& [key, member] : *members) {
      if (key == "format-specific") parts.NameIn(member);
    }
  }
  image.actual_size = file.allocated_bytes + parts.allocated_bytes();
  image.file_size = file.size_bytes;
  const std::string backing(report.StringAt("backing-filename"));
  if (!backing.empty()) {
    image.full_backing_filename = HasProtocol(backing) ? backing : CombinePath(file.path, backing);
  }
  image.report = std::move(report);
  return image;
}

// Puts the words of the specification in place of those found.
void TellAsSpecified(const ImageSpec& spec, ImageInfo& image) {
  if (!spec.name.empty()) image.filename = spec.name;
  if (!IsFileDriver(spec.format)) return;
  auto* members = std::get_if<ReportValue::Object>(&image.report.storage());
  if (members == nullptr) return;
  for (auto& [key, member] : *members) {
    if (key == "format") member = ReportValue(spec.format);
  }
}

absl::StatusOr<InfoReport> InfoHere(const InfoOptions& options) {
  Broker broker({});
  const auto image = OpenImage(broker, options.image, {.force_share = options.force_share});
  if (!image.ok()) return image.status();
  if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
    return status;
  }
  WireWriter request;
  EncodeRequest(InfoRequest{.image = *image,
                            .backing_chain = options.backing_chain,
                            .partitions = options.partitions,
                            .max_chain_depth = options.sandbox.max_chain_depth},
                request);
  const auto isolation = RunOperation(broker, options.sandbox,
                                      {.image_name = "info",
                                       .verb = "info",
                                       .request = request.bytes(),
                                       .workers = 1,
                                       .max_heap_bytes = kHeapBytes,
                                       .brief = true});
  if (!isolation.ok()) return isolation.status();

  auto reports = broker.TakeReports();
  if (!reports.ok()) return reports.status();
  if (reports->empty()) return absl::InternalError("info: the guest reported nothing");
  InfoReport result{.images = {}, .isolation = *isolation};
  for (ReportValue& report : *reports) {
    auto completed = Complete(broker, std::move(report));
    if (!completed.ok()) return completed.status();
    result.images.push_back(*std::move(completed));
  }
  TellAsSpecified(options.image, result.images.front());
  return result;
}

}  // namespace

absl::StatusOr<InfoReport> Info(const InfoOptions& options) {
  return RunWhereAsked(options, InfoHere, EncodeResult, DecodeInfoResult);
}

}  // namespace instar::vmm
