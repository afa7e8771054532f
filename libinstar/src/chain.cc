#include "instar/chain.h"

#include <utility>

#include "formats/registry.h"

namespace instar {
namespace {

constexpr std::uint64_t kDepthCeiling = 4096;  // whatever the request says

Result<std::unique_ptr<HostDevice>> OpenDevice(Host& host, DeviceId id) {
  INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host, id));
  return std::make_unique<HostDevice>(device);
}

Result<std::unique_ptr<HostDevice>> OpenReferenced(Host& host, DeviceId parent,
                                                   const Reference& reference) {
  const auto id = host.OpenReference(parent, reference.name, reference.role);
  if (!id) return std::unexpected(id.error().On(parent));
  return OpenDevice(host, *id);
}

// The format a backing file is to be opened as. What the overlay states is final.
Result<FormatId> BackingFormat(const Reference& reference, DeviceId overlay,
                               const HostDevice& backing) {
  if (!reference.format_name.empty()) {
    const FormatId stated = FormatFromName(reference.format_name);
    if (stated != FormatId::kUnknown) return stated;
    Error error = Unsupported("the image states a backing file format that is not known").error();
    return std::unexpected(error.On(overlay));
  }
  const auto probed = ProbeFormat(backing);
  if (!probed) return std::unexpected(probed.error().On(backing.id()));
  if (*probed != FormatId::kRaw && *probed != FormatId::kUnknown) return *probed;
  // Anything can be read as raw, so guessing raw would expose whatever file an image names.
  Error error = MakeError(ErrorCode::kDenied,
                          "the image does not state the format of its backing file, and the file "
                          "carries no signature; state it with 'qemu-img rebase -u -F FORMAT'")
                    .error();
  return std::unexpected(error.On(overlay));
}

// Extents are the image itself, divided into files: nothing can be told of it without them. A data
// file is opened only where content is wanted.
Status AttachFiles(Host& host, Layer& layer, bool data_file) {
  const auto references = layer.reader->references();
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (references[i].role == ReferenceRole::kBacking) continue;
    if (references[i].role == ReferenceRole::kDataFile && !data_file) continue;
    INSTAR_ASSIGN_OR_RETURN(auto device, OpenReferenced(host, layer.device->id(), references[i]));
    const Status attached = layer.reader->Attach(i, *device);
    if (!attached) return std::unexpected(attached.error().On(layer.device->id()));
    layer.attached.push_back(std::move(device));
  }
  return {};
}

const Reference* BackingOf(const ImageReader& reader) {
  for (const Reference& reference : reader.references()) {
    if (reference.role == ReferenceRole::kBacking) return &reference;
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Chain>> Chain::Open(Host& host, const ChainOptions& options) {
  auto chain = std::make_unique<Chain>();
  const bool files =
      options.references == References::kFiles || options.references == References::kAll;
  const bool backing =
      options.references == References::kBacking || options.references == References::kAll;

  INSTAR_ASSIGN_OR_RETURN(auto device, OpenDevice(host, options.image));
  FormatId format = options.format;
  if (format == FormatId::kUnknown) {
    const auto probed = ProbeFormat(*device);
    if (!probed) return std::unexpected(probed.error().On(device->id()));
    format = *probed;
  }

  while (true) {
    const DeviceId id = device->id();
    auto reader = OpenImage(*device, format);
    if (!reader) return std::unexpected(reader.error().On(id));
    Layer& layer = chain->layers_.emplace_back();
    layer.device = std::move(device);
    layer.reader = *std::move(reader);
    INSTAR_TRY(AttachFiles(host, layer, files));

    const Reference* next = backing ? BackingOf(*layer.reader) : nullptr;
    if (next == nullptr) break;
    if (chain->layers_.size() >= options.max_depth || chain->layers_.size() >= kDepthCeiling) {
      Error error =
          OverLimit("the backing chain has more than {0} images (--max-chain-depth allows more)",
                    chain->layers_.size())
              .error();
      return std::unexpected(error.On(id));
    }
    INSTAR_ASSIGN_OR_RETURN(device, OpenReferenced(host, id, *next));
    INSTAR_ASSIGN_OR_RETURN(format, BackingFormat(*next, id, *device));
  }

  if (!options.snapshot.empty()) {
    const Status selected =
        chain->layers_.front().reader->SelectSnapshotBy(options.snapshot_label, options.snapshot);
    if (!selected) return std::unexpected(selected.error().On(options.image));
  }
  return chain;
}

}  // namespace instar
