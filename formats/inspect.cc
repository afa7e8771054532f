#include "formats/inspect.h"

#include <algorithm>

#include "formats/other_signatures.h"
#include "formats/qcow2/read/inspector.h"
#include "formats/vhdx/inspector.h"
#include "formats/vmdk/inspector.h"
#include "formats/vpc/inspector.h"

namespace instar {
namespace {

// A signature of another format: in what is said to be raw, or is not what it is said to be, a lie
// about the format; else a second image.
void AddOther(const Inspection& inspection, const Signature& other, bool stated_found) {
  const bool second = stated_found && inspection.format != FormatId::kRaw;
  inspection.reasons->AddText(
      second ? ReasonCode::kPolyglot : ReasonCode::kFormatMismatch, other.offset,
      second ? "the file has the signature of '{t}', too" : "the file has the signature of '{t}'",
      NameOf(other.format));
}

Status InspectAsStated(const Inspection& inspection) {
  Reasons& reasons = *inspection.reasons;
  switch (inspection.format) {
    case FormatId::kRaw:
      inspection.JudgeVirtualSize(inspection.device->size_bytes(), 0);
      return {};
    case FormatId::kQcow2:
      return qcow2::Inspect(inspection);
    case FormatId::kVmdk:
      return vmdk::Inspect(inspection);
    case FormatId::kVpc:
      return vpc::Inspect(inspection);
    case FormatId::kVhdx:
      return vhdx::Inspect(inspection);
    case FormatId::kLuks:
      reasons.Add(ReasonCode::kEncrypted, 0, "the image is encrypted (LUKS)");
      return {};
    case FormatId::kVdi:
    case FormatId::kQed:
    case FormatId::kQcow1:
    case FormatId::kParallels:
    case FormatId::kDmg:
    case FormatId::kBochs:
    case FormatId::kCloop:
      reasons.Add(ReasonCode::kUnsupportedFormat, 0, "images of this format are not judged");
      return {};
    case FormatId::kUnknown:
      break;
  }
  return InvalidArgument("image format {0} does not exist",
                         static_cast<std::uint32_t>(inspection.format));
}

}  // namespace

void Inspection::JudgeVirtualSize(std::uint64_t virtual_bytes, std::uint64_t offset) const {
  if (virtual_bytes <= max_virtual_bytes) return;
  reasons->Add(ReasonCode::kVirtualSize, offset,
               "the virtual disk has {0} bytes, more than the limit of {1} (--max-virtual-size)",
               virtual_bytes, max_virtual_bytes);
}

Status InspectImage(const Inspection& inspection) {
  INSTAR_ASSIGN_OR_RETURN(const auto signatures, FindSignatures(*inspection.device));
  const auto is_stated = [&](const Signature& signature) {
    return signature.format == inspection.format;
  };
  const bool raw = inspection.format == FormatId::kRaw;
  const bool stated_found = raw || std::ranges::any_of(signatures, is_stated);
  if (!stated_found) {
    inspection.reasons->Add(ReasonCode::kFormatMismatch, 0,
                            "the file does not have the signature of the format that was stated");
  }
  for (const Signature& signature : signatures) {
    if (!is_stated(signature)) AddOther(inspection, signature, stated_found);
  }
  if (!stated_found) return {};
  // The disk of a fixed VHD begins at the first byte of the file, as a raw one does.
  const bool disk_at_start =
      raw || (inspection.format == FormatId::kVpc &&
              std::ranges::none_of(signatures, [&](const Signature& signature) {
                return is_stated(signature) && signature.offset == 0;
              }));
  if (!disk_at_start) {
    INSTAR_ASSIGN_OR_RETURN(const auto structures, FindDiskStructures(*inspection.device));
    for (const DiskStructure& structure : structures) {
      inspection.reasons->Add(ReasonCode::kPolyglot, structure.offset, structure.found);
    }
  }
  return InspectAsStated(inspection);
}

}  // namespace instar
