#include "convert/target.h"

#include <utility>

#include "formats/base/formats.h"
#include "formats/create.h"
#include "formats/open.h"

namespace instar::convert {
namespace {

constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

Result<std::unique_ptr<HostDevice>> OpenDevice(Host& host, DeviceId id) {
  INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host, id));
  return std::make_unique<HostDevice>(device);
}

Status On(Status status, DeviceId id) {
  if (!status) return std::unexpected(status.error().On(id));
  return status;
}

}  // namespace

Result<std::unique_ptr<Target>> Target::Open(Host& host, const ConvertRequest& request,
                                             std::uint64_t size_bytes, unsigned workers) {
  auto target = std::make_unique<Target>();
  target->keep_ = request.keep_target;
  target->assume_zero_ = request.target_is_zero;
  target->sparse_ = request.zero_run_bytes != 0;
  target->flat_ = IsBareDisk(request.target_format);
  INSTAR_ASSIGN_OR_RETURN(target->device_, OpenDevice(host, request.target));
  if (request.target_data_file != kNoDevice) {
    INSTAR_ASSIGN_OR_RETURN(target->data_file_, OpenDevice(host, request.target_data_file));
  }
  for (const DeviceId id : request.target_extents) {
    INSTAR_ASSIGN_OR_RETURN(auto extent, OpenDevice(host, id));
    target->extents_.push_back(std::move(extent));
  }
  if (!request.backing_name.empty()) INSTAR_TRY(target->OpenBacking(host, request));
  if (request.keep_target) {
    target->content_ = std::make_unique<KeptContent>(host, request);
    target->table_workers_ = std::make_unique<disk::HostWorkers>(host);
  }
  auto writer = target->MakeWriter(request, size_bytes, workers);
  if (!writer) return std::unexpected(writer.error().On(request.target));
  target->writer_ = *std::move(writer);
  return target;
}

Status Target::OpenBacking(Host& host, const ConvertRequest& request) {
  backing_bytes_ = kNowhere;
  if (request.backing == kNoDevice) return {};
  const FormatId format = FormatFromName(request.backing_format);
  if (format == FormatId::kUnknown && !request.backing_format.empty()) {
    return Unsupported("the backing file format given is not known");
  }
  INSTAR_ASSIGN_OR_RETURN(backing_, Chain::Open(host, {.image = {request.backing, format},
                                                       .max_depth = request.max_chain_depth,
                                                       .references = References::kNone}));
  backing_bytes_ = backing_->virtual_size_bytes();
  return {};
}

Result<std::unique_ptr<ImageWriter>> Target::MakeWriter(const ConvertRequest& request,
                                                        std::uint64_t size_bytes,
                                                        unsigned workers) {
  std::vector<TargetDevice*> extents;
  extents.reserve(extents_.size());
  for (const auto& extent : extents_) extents.push_back(extent.get());
  const CreateOptions options{.format = request.target_format,
                              .virtual_size_bytes = size_bytes,
                              .options = request.target_options,
                              .backing_name = request.backing_name,
                              .backing_format = request.backing_format,
                              .backing = backing_ ? &backing_->top() : nullptr,
                              .target = device_.get(),
                              .data_file = data_file_.get(),
                              .extents = extents,
                              .target_name = request.target_name,
                              .window = request.target_window,
                              .content = content_.get(),
                              .table_workers = table_workers_.get(),
                              .compress = request.compress,
                              .workers = workers};
  return request.keep_target ? OpenForWriting(options) : CreateImage(options);
}

Status Target::Begin() { return On(writer_->Begin(), id()); }

Status Target::Finish() { return On(writer_->Finish(), id()); }

ZeroPolicy Target::ZerosAt(std::uint64_t offset) const {
  if (!sparse_) return ZeroPolicy::kAsData;
  if (backing_bytes_ && offset < *backing_bytes_) return ZeroPolicy::kExplicit;
  if (assume_zero_) return ZeroPolicy::kLeaveOut;
  // A writer of a fresh image says "false" of all of a disk with a backing file, which may end.
  if (backing_bytes_ && !keep_) return ZeroPolicy::kLeaveOut;
  return writer_->unplaced_reads_zero() ? ZeroPolicy::kLeaveOut : ZeroPolicy::kExplicit;
}

std::uint64_t Target::NextZeroChange(std::uint64_t offset) const {
  if (backing_bytes_ && offset < *backing_bytes_) return *backing_bytes_;
  return kNowhere;
}

}  // namespace instar::convert
