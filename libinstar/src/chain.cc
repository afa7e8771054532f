#include "instar/chain.h"

#include <optional>
#include <utility>

#include "formats/base/formats.h"
#include "formats/open.h"
#include "formats/raw/reader.h"

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

Result<Probed> Probe(HostDevice& device) {
  // Whoever opens the image reads its start again.
  INSTAR_TRY(device.KeepEnds());
  const auto probed = ProbeImage(device);
  if (!probed) return std::unexpected(probed.error().On(device.id()));
  return *probed;
}

// The format a backing file is to be opened as. What the overlay states is final.
Result<FormatId> BackingFormat(const Reference& reference, DeviceId overlay, HostDevice& backing) {
  if (!reference.format_name.empty()) {
    const FormatId stated = FormatFromName(reference.format_name);
    if (stated != FormatId::kUnknown) return stated;
    Error error = Unsupported("the image states a backing file format that is not known").error();
    return std::unexpected(error.On(overlay));
  }
  INSTAR_ASSIGN_OR_RETURN(const Probed probed, Probe(backing));
  if (!IsBareDisk(probed.format) && probed.format != FormatId::kUnknown) return probed.format;
  // Anything can be read as raw, so guessing raw would expose whatever file an image names.
  Error error = MakeError(ErrorCode::kDenied,
                          "the image does not state the format of its backing file, and the file "
                          "carries no signature; state it with 'qemu-img rebase -u -F FORMAT'")
                    .error();
  return std::unexpected(error.On(overlay));
}

// Opens the image on layer.device.
Status OpenLayer(Layer& layer, FormatId format, const std::optional<RawWindow>& window) {
  const DeviceId id = layer.device->id();
  if (window && !IsBareDisk(format)) {
    const auto refused = MakeTextError(
        ErrorCode::kInvalidArgument,
        "Block format '{t}' does not support the options 'offset' and 'size'", NameOf(format));
    return std::unexpected(refused.error().On(id));
  }
  auto reader = window ? raw::OpenReader(*layer.device, *window) : OpenImage(*layer.device, format);
  if (!reader) return std::unexpected(reader.error().On(id));
  layer.reader = *std::move(reader);
  if (window) layer.raw_start_bytes = window->offset_bytes;
  return {};
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

// An image of the chain before it is read.
struct Unread {
  std::unique_ptr<HostDevice> device;
  FormatId format = FormatId::kUnknown;
  std::optional<RawWindow> window;
  bool unfit_footer = false;
};

// Finds out the format of `image`, which the user named, so that it may be raw.
Status ProbeNamed(Unread& image) {
  INSTAR_ASSIGN_OR_RETURN(const Probed probed, Probe(*image.device));
  image.format = probed.format;
  image.unfit_footer = probed.unfit_footer;
  return {};
}

// The backing file that the caller put below `overlay`.
Result<Unread> OpenGiven(Host& host, const Layer& overlay, const BackingSource& given) {
  const DeviceId above = overlay.device->id();
  const Reference* const named = BackingOf(*overlay.reader);
  if (named == nullptr &&
      !PropertyOf<&FormatProperties::takes_any_backing>(overlay.reader->format())) {
    return std::unexpected(
        InvalidArgument("Driver doesn't support backing files").error().On(above));
  }
  Unread image{.device = nullptr, .format = given.format, .window = given.window};
  if (given.device != kNoDevice) {
    INSTAR_ASSIGN_OR_RETURN(image.device, OpenDevice(host, given.device));
  } else if (named != nullptr) {
    INSTAR_ASSIGN_OR_RETURN(image.device, OpenReferenced(host, above, *named));
  } else {
    const auto nothing = InvalidArgument("the image names no backing file, and none is given");
    return std::unexpected(nothing.error().On(above));
  }
  if (image.format != FormatId::kUnknown) return image;
  if (given.device != kNoDevice && (named == nullptr || named->format_name.empty())) {
    INSTAR_TRY(ProbeNamed(image));
  } else {
    INSTAR_ASSIGN_OR_RETURN(image.format, BackingFormat(*named, above, *image.device));
  }
  return image;
}

}  // namespace

Result<std::unique_ptr<Chain>> Chain::Open(Host& host, const ChainOptions& options) {
  auto chain = std::make_unique<Chain>();
  const bool files =
      options.references == References::kFiles || options.references == References::kAll;
  const bool backing =
      options.references == References::kBacking || options.references == References::kAll;

  const ImageSource& image = options.image;
  Unread next{.device = nullptr, .format = image.format, .window = image.window};
  INSTAR_ASSIGN_OR_RETURN(next.device, OpenDevice(host, image.device));
  if (next.format == FormatId::kUnknown) {
    INSTAR_TRY(ProbeNamed(next));
  }

  while (true) {
    const DeviceId id = next.device->id();
    Layer& layer = chain->layers_.emplace_back();
    layer.device = std::move(next.device);
    layer.unfit_footer = next.unfit_footer;
    INSTAR_TRY(OpenLayer(layer, next.format, next.window));
    INSTAR_TRY(AttachFiles(host, layer, files));

    const std::size_t below = chain->layers_.size() - 1;
    const bool given = below < image.backing.size();
    const Reference* const named = BackingOf(*layer.reader);
    if (!backing || (!given && (image.ends || named == nullptr))) break;
    if (chain->layers_.size() >= options.max_depth || chain->layers_.size() >= kDepthCeiling) {
      Error error =
          OverLimit("the backing chain has more than {0} images (--max-chain-depth allows more)",
                    chain->layers_.size())
              .error();
      return std::unexpected(error.On(id));
    }
    if (given) {
      INSTAR_ASSIGN_OR_RETURN(next, OpenGiven(host, layer, image.backing[below]));
      continue;
    }
    next.window.reset();
    next.unfit_footer = false;
    INSTAR_ASSIGN_OR_RETURN(next.device, OpenReferenced(host, id, *named));
    INSTAR_ASSIGN_OR_RETURN(next.format, BackingFormat(*named, id, *next.device));
  }

  if (!options.snapshot.empty()) {
    const Status selected = chain->layers_.front().reader->SelectSnapshotBy(options.snapshot);
    if (!selected) return std::unexpected(selected.error().On(image.device));
  }
  return chain;
}

}  // namespace instar
