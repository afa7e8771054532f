#include "formats/inspect.h"

#include <algorithm>

#include "formats/format_table.h"
#include "formats/other_signatures.h"

namespace instar {
namespace {

// A signature of another format: in what is said to be raw, or is not what it is said to be, a lie
// about the format; else a second image.
void AddOther(const Inspection& inspection, const Signature& other, bool stated_found) {
  const bool second = stated_found && !IsBareDisk(inspection.format);
  inspection.reasons->AddText(
      second ? ReasonCode::kPolyglot : ReasonCode::kFormatMismatch, other.offset,
      second ? "the file has the signature of '{t}', too" : "the file has the signature of '{t}'",
      NameOf(other.format));
}

Status InspectAsStated(const Inspection& inspection) {
  const FormatId format = inspection.format;
  if (const auto inspect = FunctionOf<&Format::inspect>(format)) return inspect(inspection);
  if (NameOf(format) == NameOf(FormatId::kUnknown)) {
    return InvalidArgument("image format {0} does not exist", static_cast<std::uint32_t>(format));
  }
  inspection.reasons->Add(ReasonCode::kUnsupportedFormat, 0,
                          "images of this format are not judged");
  return {};
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
  const bool bare = IsBareDisk(inspection.format);
  const bool stated_found = bare || std::ranges::any_of(signatures, is_stated);
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
      bare || (PropertyOf<&FormatProperties::starts_with_disk>(inspection.format) &&
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
