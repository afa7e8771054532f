#include "formats/open.h"

#include "formats/qcow2/read/reader.h"
#include "formats/raw/reader.h"
#include "formats/vhdx/reader.h"
#include "formats/vmdk/reader.h"
#include "formats/vpc/reader.h"

namespace instar {

Result<std::unique_ptr<ImageReader>> OpenImage(const BlockDevice& device, FormatId format) {
  switch (format) {
    case FormatId::kRaw:
      return raw::OpenReader(device);
    case FormatId::kQcow2:
      return qcow2::OpenReader(device);
    case FormatId::kVmdk:
      return vmdk::OpenReader(device);
    case FormatId::kVpc:
      return vpc::OpenReader(device);
    case FormatId::kVhdx:
      return vhdx::OpenReader(device);
    case FormatId::kLuks:
      return Unsupported("reading luks images is not supported by this version");
    case FormatId::kVdi:
      return Unsupported("reading vdi images is not supported by this version");
    case FormatId::kQed:
      return Unsupported("reading qed images is not supported by this version");
    case FormatId::kQcow1:
      return Unsupported("reading qcow (version 1) images is not supported by this version");
    case FormatId::kParallels:
      return Unsupported("reading parallels images is not supported by this version");
    case FormatId::kDmg:
      return Unsupported("reading dmg images is not supported by this version");
    case FormatId::kBochs:
      return Unsupported("reading bochs images is not supported by this version");
    case FormatId::kCloop:
      return Unsupported("reading cloop images is not supported by this version");
    case FormatId::kUnknown:
      break;
  }
  return InvalidArgument("image format {0} does not exist", static_cast<std::uint32_t>(format));
}

}  // namespace instar
