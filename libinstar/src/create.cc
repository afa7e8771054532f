// The verb `create`: an image on which nothing is placed.
#include "formats/create.h"

#include <memory>
#include <vector>

#include "formats/base/blake2b.h"
#include "formats/base/identity.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

using Devices = std::vector<std::unique_ptr<HostDevice>>;

Result<HostDevice*> OpenDevice(Host& host, DeviceId id, Devices& devices) {
  if (id == kNoDevice) return nullptr;
  INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host, id));
  devices.push_back(std::make_unique<HostDevice>(device));
  return devices.back().get();
}

// The backing file, if there is one to look at; of what it names nothing is opened.
Result<std::unique_ptr<Chain>> OpenBacking(Host& host, const CreateRequest& request) {
  if (request.backing == kNoDevice) return nullptr;
  const FormatId format = FormatFromName(request.backing_format);
  if (format == FormatId::kUnknown) {
    return Unsupported("the backing file format given is not known");
  }
  return Chain::Open(host, {.image = {request.backing, format}, .references = References::kNone});
}

// What the identities of the image are made from. All images that are made by the same request are
// equal, so one digest of it is enough; of a parent the writer notes which one it is.
IdentitySeed SeedOf(const CreateRequest& request, std::uint64_t size_bytes) {
  if (const auto random = IdentitySeedFrom(request.identity_seed)) return *random;
  Blake2b digest(sizeof(IdentitySeed));
  digest.AddText(NameOf(request.format));
  for (const OptionSetting& setting : request.options) {
    digest.AddText(setting.name);
    digest.AddText(setting.text);
  }
  digest.AddNumber(size_bytes);
  digest.AddText(request.target_name);
  digest.AddText(request.backing_name);
  IdentitySeed seed{};
  digest.Finish(seed);
  return seed;
}

Status On(const Status& status, DeviceId id) {
  if (!status) return std::unexpected(status.error().On(id));
  return {};
}

}  // namespace

Status RunCreate(Host& host, const CreateRequest& request) {
  INSTAR_ASSIGN_OR_RETURN(const auto backing, OpenBacking(host, request));
  const std::uint64_t backing_bytes = backing == nullptr ? 0 : backing->virtual_size_bytes();
  const std::uint64_t size = request.size_of_backing ? backing_bytes : request.size_bytes;
  Devices devices;
  CreateOptions options{.format = request.format,
                        .virtual_size_bytes = size,
                        .options = request.options,
                        .backing_name = request.backing_name,
                        .backing_format = request.backing_format,
                        .backing = backing == nullptr ? nullptr : &backing->top(),
                        .target_name = request.target_name};
  INSTAR_ASSIGN_OR_RETURN(options.target, OpenDevice(host, request.target, devices));
  INSTAR_ASSIGN_OR_RETURN(options.data_file, OpenDevice(host, request.data_file, devices));
  std::vector<TargetDevice*> extents;
  for (const DeviceId id : request.extents) {
    INSTAR_ASSIGN_OR_RETURN(HostDevice* const extent, OpenDevice(host, id, devices));
    extents.push_back(extent);
  }
  options.extents = extents;
  auto writer = CreateImage(options);
  if (!writer) return std::unexpected(writer.error().On(request.target));
  (*writer)->SetIdentity(SeedOf(request, size));
  INSTAR_TRY(On((*writer)->Begin(), request.target));
  INSTAR_TRY(On((*writer)->Finish(), request.target));

  RecordWriter records(host);
  Tell(records, CreateRecord{.virtual_size = size});
  return records.Finish();
}

}  // namespace instar
